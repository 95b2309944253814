"""The losses of several candidates on the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import FloatArray, IntArray
from app.core.formulas.weights import leveled, times
from app.core.rows.blocks import blocks
from app.core.sums.observations import Observations

LEAST_WEIGHT = 5e-324
"""The weight that stands for one lost beside much larger ones. Its row still counts as one of positive weight."""


@dataclass(frozen=True, eq=False, slots=True)
class PairedLosses:
    """The losses of several candidates on the same rows.

    Attributes:
        losses: The loss (n,) of each row in nats, by candidate, summed over the tokens of a document. It is infinite
            where the candidate gave probability 0 to what was observed. Or the value of another metric, so summed.
        rows: The rows, those of one cluster together.
    """

    losses: Mapping[str, FloatArray]
    rows: Observations

    def take(self, rows: IntArray) -> "PairedLosses":
        """The losses of the rows at some rising positions."""
        return PairedLosses({name: values[rows] for name, values in self.losses.items()}, self.rows.take(rows))

    def shortage(self, min_samples: int) -> str | None:
        """The reason why independent observations are too few for a verdict; None where they are enough."""
        n, unit = self.rows.n, "rows" if self.rows.clusters is None else "clusters"
        if n < min_samples:
            return f"fewer {unit} of positive weight than min_samples, {min_samples}: {n}"
        if self.rows.n_effective < min_samples / 2:
            return (
                f"{n} {unit} of so unequal weight or size say as much as {self.rows.n_effective:.3g} equal ones, "
                f"fewer than half of min_samples, {min_samples}"
            )
        return None


def row_order(batch: Batch) -> IntArray | None:
    """The numbers of the scored rows by cluster, else as they came; None where these are all rows as they came."""
    if batch.scored is None and batch.clusters is None:
        return None
    scored = np.arange(len(batch)) if batch.scored_rows is None else np.flatnonzero(batch.scored_rows)
    return scored if batch.clusters is None else scored[np.argsort(batch.clusters.codes[scored], kind="stable")]


def normalized_values(batch: Batch, order: IntArray | None, values: FloatArray, metric: str) -> FloatArray:
    """The metric (n,) of rows divided by their sums, in an order; a row that sums to 0 keeps the value it had."""
    divided = replace(batch, options=replace(batch.options, normalization="renormalize"))
    rows = slice(0, len(batch)) if order is None else order
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found = np.concatenate([np.float64(1.0) * getattr(block, metric) for block in blocks(divided, rows)])
    return np.where(np.isnan(found), values, found)


def observations_of(
    batch: Batch, order: IntArray | None, counted: Mapping[str, FloatArray], *, is_counted: bool
) -> Observations:
    """The rows of a batch, in an order, as observations.

    Args:
        counted: The quantities `size` and `share` (n,) of its rows, by name; one that is missing is 1.
        is_counted: Whether each row counts for its size, without any weight.
    """
    weight, size, share = (
        column if column is None or order is None else column[order]
        for column in (batch.sample_weight, counted.get("size"), counted.get("share"))
    )
    if weight is not None and not is_counted:  # only their ratios matter
        weight = np.where(weight > 0.0, np.maximum(leveled(weight), LEAST_WEIGHT), 0.0)
    counts = size if is_counted else times(times(weight, size), share)
    clusters = None if batch.clusters is None else batch.clusters.codes[order]
    n_rows = len(batch) if order is None else len(order)
    return Observations(n_rows, weight, counts, clusters)
