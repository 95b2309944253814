"""Rows that means are made of, either independent of each other or in clusters of dependent rows."""

from dataclasses import dataclass

import numpy as np

from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas.weights import weighted
from app.core.lazy import lazy
from app.core.sums.moments import column_moments, with_products
from app.core.sums.segments import segment_sums
from app.core.sums.uncertainty import mean
from app.core.values import Value


@dataclass(frozen=True, eq=False)
class Observations:
    """Rows with their weights and denominators; the rows of one cluster stand together.

    Attributes:
        n_rows: The number of rows.
        weight: (n,) sample weights; None for ones.
        counts: (n,) what each row counts for in the denominator of a mean, weights included; None for ones.
        clusters: (n,) rising numbers, equal where rows are dependent; None if all are independent.
    """

    n_rows: int
    weight: FloatArray | None = None
    counts: FloatArray | None = None
    clusters: IntArray | None = None

    def take(self, rows: IntArray) -> "Observations":
        """The rows at some positions, which must keep the rows of a cluster together."""
        weight, counts = (None if column is None else column[rows] for column in (self.weight, self.counts))
        return Observations(len(rows), weight, counts, None if self.clusters is None else self.clusters[rows])

    @lazy
    def counted(self) -> BoolArray | None:
        """The rows of positive weight and positive count, (n,); None for all."""
        if self.weight is None or self.weight is self.counts:
            return None if self.counts is None else self.counts > 0.0
        rows: BoolArray = self.weight > 0.0
        return rows if self.counts is None else rows & (self.counts > 0.0)

    @lazy
    def n(self) -> int:
        """The number of independent observations: rows that count, or clusters that hold such a row."""
        if self.clusters is None:
            return self.n_rows if self.counted is None else int(np.count_nonzero(self.counted))
        return len(np.unique(self.clusters if self.counted is None else self.clusters[self.counted]))

    def mean_of(self, values: FloatArray, confidence_level: float) -> Value:
        """The mean of values (n,), which are finite where the weight is positive, with its uncertainty.

        It has none where there are fewer than two observations, or where the values of a cluster overflow.
        """
        z = weighted(self.weight, values)
        counts = np.ones(self.n_rows) if self.counts is None else self.counts
        sums, totals = column_moments(z, counts)._replace(n=self.n), self._within_clusters(z)
        if self.clusters is not None and np.isfinite(totals).all():
            sums = with_products(sums, column_moments(totals, self._within_clusters(counts)))
        elif not np.isfinite(totals).all():
            sums = sums._replace(n=0)
        value = mean(sums, confidence_level)
        if sums.n or not self.n:
            return value
        return value._replace(reason="no standard error: the losses of a cluster add up to more than a double holds")

    def _within_clusters(self, values: FloatArray) -> FloatArray:
        """Sums of (n,) within clusters, each rounded once; the values themselves of independent rows."""
        if self.clusters is None:
            return values
        return segment_sums(values, np.flatnonzero(np.diff(self.clusters, prepend=-1)))
