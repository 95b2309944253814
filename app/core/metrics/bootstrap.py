"""The bootstrap: intervals by resampling rows, for numbers whose error has no known formula.

A resample is an array of how often each row was drawn. Statistics take it as weights, so no row is copied.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.core.calibration.levels import Levels
from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.values import Value
from app.errors import InvalidInput

MAX_STEPS = 400_000_000
"""The most work of a request, in steps of some ten nanoseconds: four seconds of one thread."""

_STEPS_TO_DRAW = 1.0
"""The steps to draw a row and its cluster. The costs here were found by trying, on 50 and on 100,000 rows."""
_STEPS_TO_BEGIN = 1_000
"""The steps of a resample however few rows there are: the calls of NumPy."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic of resamples, and its cost.

    Attributes:
        of: The function from counts (n,) of draws to the number; NaN where there is none.
        steps_per_row: The work for each row of a resample, in steps: the time that drawing a row takes.
        steps: The work for each resample, however few rows there are, in steps.
    """

    of: Callable[[IntArray], float]
    steps_per_row: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The settings of resampling, echoed in answers, so that the same rows give the same interval again."""

    n_resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BinaryRows:
    """The rows of positive weight, sorted, so that a seed draws the same rows in whatever order they were sent.

    Attributes:
        order: (n,) where each row stood in the columns given, to bring cluster ids or bins along.
        confidence, frequency, weight: (n,) rising by confidence, then frequency, then weight.
    """

    order: IntArray
    confidence: FloatArray
    frequency: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.order)


def binary_rows(
    confidence: FloatArray,
    frequency: FloatArray | BoolArray,
    weight: FloatArray | None,
    mark: FloatArray | None = None,
) -> BinaryRows:
    """The rows to resample, from confidence (n,), observed frequency (n,), and weight (n,) or None for ones.

    Args:
        mark: (n,) numbers that order rows equal in all three, where a row is more than these.
    """
    weights = np.ones(len(confidence)) if weight is None else weight
    keys = (weights, frequency, confidence)
    order = np.lexsort(keys if mark is None else (mark, *keys))
    order = order[weights[order] > 0.0]
    return BinaryRows(order, confidence[order], frequency[order].astype(np.float64), weights[order])


def check_work(statistics: Mapping[str, Statistic], n_rows: int, plan: Bootstrap) -> None:
    """Refuse resampling that would take more than `MAX_STEPS`, before anything is drawn.

    Raises:
        InvalidInput: The work is too much; the error is at `/bootstrap/n_resamples`.
    """
    per_row = _STEPS_TO_DRAW + sum(statistic.steps_per_row for statistic in statistics.values())
    steps = n_rows * per_row + _STEPS_TO_BEGIN + sum(statistic.steps for statistic in statistics.values())
    most = int(MAX_STEPS / steps)
    if plan.n_resamples > most:
        rule = f"must ask for at most {most} resamples of these {n_rows} rows for these {len(statistics)} metrics"
        raise InvalidInput.at("/bootstrap/n_resamples", "out_of_range", f"{rule}, found {plan.n_resamples}")


def resamples(n_rows: int, plan: Bootstrap, clusters: IntArray | None = None) -> Iterator[IntArray]:
    """Counts (n,) of how often each row is drawn, `n_resamples` times: n draws with replacement, all rows as likely.

    Args:
        clusters: (n,) code of the cluster of each row. Whole clusters are then drawn, as many as there are (Davison,
            Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

    >>> [counts.tolist() for counts in resamples(4, Bootstrap(n_resamples=2))]
    [[0, 1, 2, 1], [3, 1, 0, 0]]
    """
    codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    n_units = n_rows if codes is None else int(codes.max()) + 1
    generator = np.random.Generator(np.random.PCG64(plan.seed))
    for _ in at_checkpoints(range(plan.n_resamples)):
        drawn = np.bincount(generator.integers(n_units, size=n_units), minlength=n_units)
        yield drawn if codes is None else drawn[codes]


def replicates(
    statistics: Mapping[str, Statistic], n_rows: int, plan: Bootstrap, clusters: IntArray | None = None
) -> dict[str, FloatArray]:
    """The replicates (n_resamples,) of each statistic, by name; none for one row or one cluster, which cannot vary.

    All statistics see the same resamples. One resample at a time is in memory.

    Raises:
        InvalidInput: The work is too much; the error is at `/bootstrap/n_resamples`.
    """
    check_work(statistics, n_rows, plan)
    if n_rows < 2 or (clusters is not None and np.ptp(clusters) == 0):
        return dict.fromkeys(statistics, np.empty(0))
    varied = [[one.of(counts) for one in statistics.values()] for counts in resamples(n_rows, plan, clusters)]
    return dict(zip(statistics, np.array(varied).T, strict=True))


def level_statistic(rows: BinaryRows, measure: Callable[[Levels], Value], steps: int) -> Statistic:
    """The statistic of a measure of levels; its bins, blocks or bandwidth are found anew in each resample."""
    codes = np.cumsum(np.diff(rows.confidence, prepend=rows.confidence[:1]) > 0.0)
    confidence, hits = np.unique(rows.confidence), rows.weight * rows.frequency
    columns = rows.weight, hits, hits * (1.0 - rows.frequency)

    def number(counts: IntArray) -> float:
        sums = np.array([np.bincount(codes, counts * column) for column in columns])
        drawn = np.flatnonzero(sums[0] > 0.0)
        weight, hits, softness = sums.take(drawn, axis=1)
        value = measure(Levels(confidence[drawn], weight, hits, weight - hits, softness)).value
        return math.nan if value is None else value

    return Statistic(number, steps_per_row=4.0, steps=steps)


def expected_gap_statistic(rows: BinaryRows, bins: IntArray) -> Statistic:
    """The expected calibration error over fixed bins; `bins` (n,) is the bin of each row, rising with confidence."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    residual = rows.weight * (rows.confidence - rows.frequency)

    def number(counts: IntArray) -> float:
        gaps = np.add.reduceat(counts * residual, starts)
        return float(np.abs(gaps).sum() / (counts @ rows.weight))

    return Statistic(number, steps_per_row=0.5, steps=1_000 + 3 * len(starts))


def largest_gap_statistic(rows: BinaryRows, bins: IntArray) -> Statistic:
    """The maximum calibration error over fixed bins; `bins` (n,) is the bin of each row, rising with confidence."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    residual = rows.weight * (rows.confidence - rows.frequency)

    def number(counts: IntArray) -> float:
        gaps = np.add.reduceat(counts * residual, starts)
        weights = np.add.reduceat(counts * rows.weight, starts)
        drawn = weights > 0.0
        return float((np.abs(gaps[drawn]) / weights[drawn]).max())

    return Statistic(number, steps_per_row=0.5, steps=1_500 + 5 * len(starts))


def with_interval(value: Value, varied: FloatArray, confidence_level: float, upper: float = 1.0) -> Value:
    """A value with the standard deviation of its replicates and the basic interval, cut to [0, `upper`].

    The interval is [2 v - q_high, 2 v - q_low], q the quantiles of the replicates (Davison, Hinkley, 1997, section
    5.2). Noise makes calibration errors too large, and resampling adds it once more. So the percentile interval [q_low,
    q_high] lies above the truth, if not above the value itself. The basic interval takes the excess away, and so may
    lie below the value. It covers nearly as often as it says where the error is clear, and far less often near 0.

    Returns:
        The value alone where it has no number, where a resample has none, or where there is no resample.
    """
    if value.value is None or len(varied) < 2 or not np.isfinite(varied).all():
        return value
    tail = 0.5 * (1.0 - confidence_level)
    low, high = np.quantile(varied, [tail, 1.0 - tail]).tolist()
    interval = tuple(min(upper, max(0.0, 2.0 * value.value - end)) for end in (high, low))
    return value._replace(standard_error=float(varied.std(ddof=1)), confidence_interval=(interval[0], interval[1]))
