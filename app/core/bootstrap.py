"""The bootstrap: how a number would vary with other rows, where no formula for its error is known.

A resample is how often each row was drawn, so a statistic of weighted rows is one of resamples, and nothing is copied.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.levels import Levels, levels_of
from app.core.values import Value
from app.errors import InvalidInput

MAX_DRAWS = 200_000_000  # rows drawn for one answer: some four seconds over fixed bins, half a minute over levels

Statistic: TypeAlias = Callable[[IntArray], float]
"""A number from how often each row was drawn, (n,); NaN where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How to resample: everything that is echoed, so that the same rows give the same interval again."""

    n_resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BinaryRows:
    """Rows of positive weight in an order of their own, so that a seed draws the same ones however they were sent.

    Attributes:
        order: (n,) where each row stood in the columns given: to bring cluster ids or bins along.
        confidence, frequency, weight: (n,) rising by confidence, then frequency, then weight.
    """

    order: IntArray
    confidence: FloatArray
    frequency: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.order)


def binary_rows(confidence: FloatArray, frequency: FloatArray | BoolArray, weight: FloatArray | None) -> BinaryRows:
    """Rows to resample: confidence (n,), observed frequency (n,), weight (n,) or None for ones."""
    weights = np.ones(len(confidence)) if weight is None else weight
    order = np.lexsort((weights, frequency, confidence))
    order = order[weights[order] > 0.0]
    return BinaryRows(order, confidence[order], frequency[order].astype(np.float64), weights[order])


def check_work(n_rows: int, plan: Bootstrap) -> None:
    """Refuse to draw more than `MAX_DRAWS` rows.

    Raises:
        InvalidInput: At `/bootstrap`.
    """
    if n_rows * plan.n_resamples > MAX_DRAWS:
        detail = (
            f"must draw at most {MAX_DRAWS} rows in all, found n_resamples {plan.n_resamples} times {n_rows} rows; "
            f"at most {MAX_DRAWS // n_rows} resamples fit"
        )
        raise InvalidInput.at("/bootstrap", "out_of_range", detail)


def resamples(n_rows: int, plan: Bootstrap, clusters: IntArray | None = None) -> Iterator[IntArray]:
    """How often each row is drawn, (n,), `n_resamples` times: n rows with replacement, each as likely as the others.

    Args:
        clusters: (n,) code of the cluster of each row. Whole clusters are then drawn, as many as there are (Davison,
            Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

    >>> [counts.tolist() for counts in resamples(4, Bootstrap(n_resamples=2))]
    [[0, 1, 2, 1], [3, 1, 0, 0]]
    """
    codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    n_units = n_rows if codes is None else int(codes.max()) + 1
    generator = np.random.Generator(np.random.PCG64(plan.seed))
    for _ in range(plan.n_resamples):
        drawn = np.bincount(generator.integers(n_units, size=n_units), minlength=n_units)
        yield drawn if codes is None else drawn[codes]


def replicates(statistic: Statistic, n_rows: int, plan: Bootstrap, clusters: IntArray | None = None) -> FloatArray:
    """The statistic (n_resamples,) of each resample; none at all of one row or one cluster, which cannot vary.

    Holds one resample at a time in memory.

    Raises:
        InvalidInput: At `/bootstrap`, if `n_resamples` times n is above `MAX_DRAWS`.
    """
    check_work(n_rows, plan)
    if n_rows < 2 or (clusters is not None and np.ptp(clusters) == 0):
        return np.empty(0)
    return np.array([statistic(counts) for counts in resamples(n_rows, plan, clusters)])


def level_statistic(rows: BinaryRows, measure: Callable[[Levels], Value]) -> Statistic:
    """Any measure of levels as a statistic, its bins, blocks or bandwidth found anew in each resample."""

    def statistic(counts: IntArray) -> float:
        value = measure(levels_of(rows.confidence, rows.frequency, rows.weight * counts)).value
        return math.nan if value is None else value

    return statistic


def expected_gap_statistic(rows: BinaryRows, bins: IntArray) -> Statistic:
    """The expected calibration error over fixed bins, of the bin of each row (n,), which rises with confidence."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    residual = rows.weight * (rows.confidence - rows.frequency)

    def statistic(counts: IntArray) -> float:
        gaps = np.add.reduceat(counts * residual, starts)
        return float(np.abs(gaps).sum() / (counts * rows.weight).sum())

    return statistic


def largest_gap_statistic(rows: BinaryRows, bins: IntArray) -> Statistic:
    """The maximum calibration error over fixed bins, of the bin of each row (n,), which rises with confidence."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    residual = rows.weight * (rows.confidence - rows.frequency)

    def statistic(counts: IntArray) -> float:
        gaps = np.add.reduceat(counts * residual, starts)
        weights = np.add.reduceat(counts * rows.weight, starts)
        drawn = weights > 0.0
        return float((np.abs(gaps[drawn]) / weights[drawn]).max())

    return statistic


def with_interval(value: Value, varied: FloatArray, confidence_level: float, upper: float = 1.0) -> Value:
    """A value with the standard deviation of its replicates and the basic interval, cut to [0, `upper`].

    The interval is [2 v - q_high, 2 v - q_low], q the quantiles of the replicates (Davison, Hinkley, 1997, section
    5.2). Noise makes calibration errors too large, and resampling adds it once more: the percentile interval [q_low,
    q_high] lies above the truth, if not above the value itself, while the basic one takes the excess away, and so may
    lie below the value. Where the error is clear it covers nearly as often as it says, near 0 far less.

    Returns:
        The value alone where it has no number, where a resample has none, or where there is no resample.
    """
    if value.value is None or len(varied) < 2 or not np.isfinite(varied).all():
        return value
    tail = 0.5 * (1.0 - confidence_level)
    low, high = np.quantile(varied, [tail, 1.0 - tail]).tolist()
    interval = tuple(min(upper, max(0.0, 2.0 * value.value - end)) for end in (high, low))
    return replace(value, standard_error=float(varied.std(ddof=1)), confidence_interval=(interval[0], interval[1]))
