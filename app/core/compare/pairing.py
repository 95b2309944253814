"""The losses of several candidates on the same rows, and what means of their differences are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas.weights import leveled, weighted
from app.core.lazy import lazy
from app.core.rows.blocks import blocks
from app.core.sums.exact import Exact, exact_sum
from app.core.sums.moments import Moments, column_moments, with_products
from app.core.sums.segments import segment_sums
from app.core.sums.uncertainty import mean
from app.core.values import Value

_ULPS = 4 * np.finfo(np.float64).eps

LEAST_WEIGHT = 5e-324
"""A weight beside much larger ones: it leaves no trace in sums, and the row still counts as one of positive weight."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows that candidates are compared on; rows of one cluster stand together.

    Attributes:
        losses: By candidate, (n,) the loss of each row in nats, summed over the tokens of a document; infinite
            where the candidate put probability 0 on what was observed.
        weight: (n,) sample weights.
        counts: (n,) what each row counts for in the denominator of a mean.
        clusters: (n,) rising numbers, equal where rows are dependent; None if all are independent.
    """

    losses: Mapping[str, FloatArray]
    weight: FloatArray
    counts: FloatArray
    clusters: IntArray | None = None

    def take(self, rows: IntArray) -> "Sample":
        """Some of the rows, by their rising positions."""
        losses = {name: values[rows] for name, values in self.losses.items()}
        clusters = None if self.clusters is None else self.clusters[rows]
        return Sample(losses, self.weight[rows], self.counts[rows], clusters)

    @lazy
    def counted(self) -> BoolArray:
        """(n,) rows of positive weight that count for something."""
        rows: BoolArray = (self.weight > 0.0) & (self.counts > 0.0)
        return rows

    @lazy
    def n(self) -> int:
        """Independent observations: rows that count, or clusters that hold one."""
        if self.clusters is None:
            return int(np.count_nonzero(self.counted))
        return len(np.unique(self.clusters[self.counted]))

    @lazy
    def n_effective(self) -> float:
        """Observations of equal size that would say as much (Kish, Survey Sampling, 1965, section 11.7)."""
        sums = self._sums_of_counts
        return sums.v * sums.v / sums.vv if sums.vv else 0.0

    def shortage(self, min_samples: int) -> str | None:
        """Why there are too few independent observations for a verdict; None where there are enough."""
        unit = "rows" if self.clusters is None else "clusters"
        if self.n < min_samples:
            return f"fewer {unit} of positive weight than min_samples, {min_samples}: {self.n}"
        if self.n_effective < min_samples / 2:
            return (
                f"{self.n} {unit} of so unequal weight or size say as much as {self.n_effective:.3g} equal ones, "
                f"fewer than half of min_samples, {min_samples}"
            )
        return None

    def infinite(self, name: str) -> BoolArray:
        """(n,) rows of positive weight in which the loss of a candidate is infinite."""
        rows: BoolArray = np.isinf(self.losses[name]) & (self.weight > 0.0)
        return rows

    def moments(self, losses: FloatArray) -> Moments:
        """What the mean of (n,) losses, and its standard error, need; they are finite where the weight is positive.

        Raises:
            OverflowError: The losses of a cluster add up to more than a double holds.
        """
        values = weighted(self.weight, losses)
        z = self._within_clusters(values)
        if not np.isfinite(z).all():
            raise OverflowError("must leave the losses of each cluster a finite sum")
        sums = column_moments(z, self._cluster_counts)
        if self.clusters is not None:
            sums = with_products(column_moments(values, self.counts), sums)
        return sums._replace(n=self.n)

    def mean(self, losses: FloatArray, confidence_level: float) -> Value:
        """The mean of (n,) losses, as `moments` takes them, with its uncertainty where that can be known."""
        try:
            return mean(self.moments(losses), confidence_level)
        except OverflowError:
            alone = column_moments(weighted(self.weight, losses), self.counts)._replace(n=0)
            reason = "no standard error: the losses of a cluster add up to more than a double holds"
            return mean(alone, confidence_level)._replace(reason=reason)

    def varies(self, values: FloatArray, mean_value: float, rounding: FloatArray) -> bool:
        """Tell if a row, or cluster, departs from the mean of (n,) values by more than `rounding` (n,) can do."""
        departures = np.abs(self._within_clusters(weighted(self.weight, values) - mean_value * self.counts))
        bounds = self._within_clusters(weighted(self.weight, rounding))
        return not bool(np.all(departures <= bounds))  # NaN varies

    def residuals(self, name: str) -> FloatArray | None:
        """What each row, or cluster, adds to the error of a finite mean loss; None if one is beyond all doubles."""
        products = weighted(self.weight, self.losses[name])
        z = self._within_clusters(products)
        counts = self._sums_of_counts
        residuals = z - exact_sum(products) / Exact(counts.v, counts.place) * self._cluster_counts
        if not np.isfinite(residuals).all():
            return None
        return np.where(np.abs(residuals) > _ULPS * np.abs(z), residuals, 0.0)  # the rounding of z is no spread

    @lazy
    def _cluster_counts(self) -> FloatArray:
        return self._within_clusters(self.counts)

    @lazy
    def _sums_of_counts(self) -> Moments:
        of_clusters = column_moments(self._cluster_counts, self._cluster_counts)
        return with_products(column_moments(self.counts, self.counts), of_clusters)

    @lazy
    def _starts(self) -> IntArray:
        """Where the rows of each cluster begin."""
        clusters = np.arange(len(self.weight)) if self.clusters is None else self.clusters
        return np.flatnonzero(np.diff(clusters, prepend=-1))

    def _within_clusters(self, values: FloatArray) -> FloatArray:
        """Sums within clusters, each rounded once; the values themselves where rows are independent."""
        return values if self.clusters is None else segment_sums(values, self._starts)


def row_order(batch: Batch) -> IntArray:
    """Row numbers of the scored rows in the order of a sample: by cluster, else as they came."""
    scored = np.arange(len(batch)) if batch.scored_rows is None else np.flatnonzero(batch.scored_rows)
    return scored if batch.clusters is None else scored[np.argsort(batch.clusters.codes[scored], kind="stable")]


def normalized_losses(batch: Batch, order: IntArray, losses: FloatArray) -> FloatArray:
    """(n,) losses of rows divided by their sums, in an order; of a row that sums to 0 the one that it has as sent."""
    divided = replace(batch, options=replace(batch.options, normalization="renormalize"))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found = np.concatenate([block.cross_entropy for block in blocks(divided, order)])
    return np.where(np.isnan(found), losses, found)


def sample_of(batch: Batch, columns: Mapping[str, FloatArray], losses: Mapping[str, FloatArray]) -> Sample:
    """The scored rows that candidates are compared on.

    Args:
        batch: One of them; the others differ in their predictions only.
        columns: (n,) what `summarize` kept of its rows: `size` and `share`.
        losses: By candidate, of its rows in `row_order`.
    """
    order = row_order(batch)
    weight = np.ones(len(order)) if batch.sample_weight is None else batch.sample_weight[order]
    size, share = columns["size"][order], columns["share"][order]
    if batch.options.denominator == "weights":  # their ratios alone matter
        weight = np.where(weight > 0.0, np.maximum(leveled(weight), LEAST_WEIGHT), 0.0)
    counts = size if batch.options.denominator == "count" else weight * size * share
    return Sample(losses, weight, counts, None if batch.clusters is None else batch.clusters.codes[order])
