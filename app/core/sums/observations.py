"""Rows that means are made of, either independent of each other or in clusters of dependent rows."""

from dataclasses import dataclass

import numpy as np

from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas.weights import weighted
from app.core.lazy import lazy
from app.core.sums.moments import Moments, column_moments, with_products
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
    def n_counted(self) -> int:
        """The number of rows of positive weight and positive count."""
        return self.n_rows if self.counted is None else int(np.count_nonzero(self.counted))

    @lazy
    def n(self) -> int:
        """The number of independent observations: rows that count, or clusters that hold such a row."""
        if self.clusters is None:
            return self.n_counted
        return len(np.unique(self.clusters if self.counted is None else self.clusters[self.counted]))

    @lazy
    def n_effective(self) -> float:
        """The number of equal observations that would say as much (Kish, Survey Sampling, 1965, section 11.7)."""
        if self.counts is None and self.clusters is None:
            return float(self.n_rows)
        sums = self._sums_of_counts
        return sums.v * sums.v / sums.vv if sums.vv else 0.0

    def within_clusters(self, values: FloatArray) -> FloatArray:
        """Sums of (n,) or (m, n) within clusters, each rounded once; the values themselves of independent rows."""
        if self.clusters is None:
            return values
        if values.ndim == 1:
            return segment_sums(values, self._starts)
        return np.array([segment_sums(row, self._starts) for row in values])

    @lazy
    def cluster_counts(self) -> FloatArray | None:
        """The denominator of each independent observation; None for ones."""
        if self.clusters is None:
            return self.counts
        return self.within_clusters(np.ones(self.n_rows) if self.counts is None else self.counts)

    def sums(self, over_rows: Moments, totals: FloatArray) -> Moments:
        """The moments of observations, given those of rows taken as independent.

        Moments of no observation are the answer where the numerators of a cluster overflow.

        Args:
            totals: The weighted numerators within clusters.
        """
        if self.clusters is None:
            return over_rows._replace(n=self.n)
        if not np.isfinite(totals).all():
            return over_rows._replace(n=0)
        return with_products(over_rows, column_moments(totals, self._counts_of_clusters))._replace(n=self.n)

    def mean(self, sums: Moments, confidence_level: float) -> Value:
        """The mean of `sums`, with its uncertainty where two observations or more tell it."""
        value = mean(sums, confidence_level)
        if sums.n or not self.n:
            return value
        return value._replace(reason="no standard error: the losses of a cluster add up to more than a double holds")

    def mean_of(self, values: FloatArray, confidence_level: float) -> Value:
        """The mean of values (n,), which are finite where the weight is positive."""
        z = weighted(self.weight, values)
        counts = np.ones(self.n_rows) if self.counts is None else self.counts
        return self.mean(self.sums(column_moments(z, counts), self.within_clusters(z)), confidence_level)

    @lazy
    def _counts_of_clusters(self) -> FloatArray:
        counts = self.cluster_counts
        return np.ones(self.n_rows) if counts is None else counts

    @lazy
    def _sums_of_counts(self) -> Moments:
        counts, rows = self._counts_of_clusters, np.ones(self.n_rows) if self.counts is None else self.counts
        return with_products(column_moments(rows, rows), column_moments(counts, counts))

    @lazy
    def _starts(self) -> IntArray:
        """The positions at which clusters begin."""
        clusters = np.arange(self.n_rows) if self.clusters is None else self.clusters
        return np.flatnonzero(np.diff(clusters, prepend=-1))
