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
"""A weight beside much larger ones: it leaves no trace in sums, and the row still counts as one of positive weight."""


@dataclass(frozen=True, eq=False, slots=True)
class PairedLosses:
    """Losses that stand row against row.

    Attributes:
        losses: By candidate, (n,) the loss of each row in nats, summed over the tokens of a document; infinite
            where the candidate put probability 0 on what was observed.
        rows: The rows, those of one cluster together.
    """

    losses: Mapping[str, FloatArray]
    rows: Observations

    def take(self, rows: IntArray) -> "PairedLosses":
        """Some of the rows, by their rising positions."""
        return PairedLosses({name: values[rows] for name, values in self.losses.items()}, self.rows.take(rows))

    def shortage(self, min_samples: int) -> str | None:
        """Why there are too few independent observations for a verdict; None where there are enough."""
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
    """Row numbers of the scored rows by cluster, else as they came; None where that is all rows as they came."""
    if batch.scored is None and batch.clusters is None:
        return None
    scored = np.arange(len(batch)) if batch.scored_rows is None else np.flatnonzero(batch.scored_rows)
    return scored if batch.clusters is None else scored[np.argsort(batch.clusters.codes[scored], kind="stable")]


def normalized_losses(batch: Batch, order: IntArray | None, losses: FloatArray) -> FloatArray:
    """(n,) losses of rows divided by their sums, in an order; of a row that sums to 0 the one that it has as sent."""
    divided = replace(batch, options=replace(batch.options, normalization="renormalize"))
    rows = slice(0, len(batch)) if order is None else order
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found = np.concatenate([block.cross_entropy for block in blocks(divided, rows)])
    return np.where(np.isnan(found), losses, found)


def observations_of(batch: Batch, order: IntArray | None, counted: Mapping[str, FloatArray]) -> Observations:
    """The rows of a batch in an order.

    Args:
        counted: By name, (n,) the quantities `size` and `share` of its rows, but for those that are ones.
    """
    weight, size, share = (
        column if column is None or order is None else column[order]
        for column in (batch.sample_weight, counted.get("size"), counted.get("share"))
    )
    if weight is not None and batch.options.denominator == "weights":  # their ratios alone matter
        weight = np.where(weight > 0.0, np.maximum(leveled(weight), LEAST_WEIGHT), 0.0)
    counts = size if batch.options.denominator == "count" else times(times(weight, size), share)
    clusters = None if batch.clusters is None else batch.clusters.codes[order]
    n_rows = len(batch) if order is None else len(order)
    return Observations(n_rows, weight, counts, clusters)
