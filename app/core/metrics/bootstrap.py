"""The bootstrap: how a number would vary with other rows, where no formula for its error is known.

A resample is how often each row was drawn, so a statistic of weighted rows is one of resamples, and nothing is copied.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.core.calibration.levels import Levels
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.values import Value
from app.errors import InvalidInput

MAX_STEPS = 400_000_000  # some four seconds of one thread

_STEPS_TO_DRAW = 1.0  # a row, and with it its cluster: what a step is, some ten nanoseconds
_STEPS_TO_BEGIN = 1_000  # a resample: the calls of NumPy, however few rows there are


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number from how often each row was drawn, and what it costs.

    Attributes:
        of: From counts (n,); NaN where there is no number.
        steps_per_row: Its work on a row of a resample, in the time that drawing one takes.
        steps: Its work on a resample, however few rows there are.
    """

    of: Callable[[IntArray], float]
    steps_per_row: float
    steps: int


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


def binary_rows(
    confidence: FloatArray,
    frequency: FloatArray | BoolArray,
    weight: FloatArray | None,
    mark: FloatArray | None = None,
) -> BinaryRows:
    """Rows to resample: confidence (n,), observed frequency (n,), weight (n,) or None for ones.

    Args:
        mark: (n,) numbers that order rows alike in all three, where there is more to a row than these.
    """
    weights = np.ones(len(confidence)) if weight is None else weight
    keys = (weights, frequency, confidence)
    order = np.lexsort(keys if mark is None else (mark, *keys))
    order = order[weights[order] > 0.0]
    return BinaryRows(order, confidence[order], frequency[order].astype(np.float64), weights[order])


def check_work(statistics: Mapping[str, Statistic], n_rows: int, plan: Bootstrap) -> None:
    """Refuse what takes more than `MAX_STEPS`, before anything is drawn.

    Raises:
        InvalidInput: At `/bootstrap`.
    """
    per_row = _STEPS_TO_DRAW + sum(statistic.steps_per_row for statistic in statistics.values())
    steps = n_rows * per_row + _STEPS_TO_BEGIN + sum(statistic.steps for statistic in statistics.values())
    most = int(MAX_STEPS / steps)
    if plan.n_resamples > most:
        rule = f"must ask for at most {most} resamples of these {n_rows} rows for these {len(statistics)} metrics"
        raise InvalidInput.at("/bootstrap/n_resamples", "out_of_range", f"{rule}, found {plan.n_resamples}")


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


def replicates(
    statistics: Mapping[str, Statistic], n_rows: int, plan: Bootstrap, clusters: IntArray | None = None
) -> dict[str, FloatArray]:
    """By name, the statistic (n_resamples,) of each resample; none of one row or one cluster, which cannot vary.

    All see the same resamples, of which there is one at a time in memory.

    Raises:
        InvalidInput: At `/bootstrap/n_resamples`, if that is too much work.
    """
    check_work(statistics, n_rows, plan)
    if n_rows < 2 or (clusters is not None and np.ptp(clusters) == 0):
        return dict.fromkeys(statistics, np.empty(0))
    varied = [[one.of(counts) for one in statistics.values()] for counts in resamples(n_rows, plan, clusters)]
    return dict(zip(statistics, np.array(varied).T, strict=True))


def level_statistic(rows: BinaryRows, measure: Callable[[Levels], Value], steps: int) -> Statistic:
    """Any measure of levels as a statistic, its bins, blocks or bandwidth found anew in each resample."""
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
    """The expected calibration error over fixed bins, of the bin of each row (n,), which rises with confidence."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    residual = rows.weight * (rows.confidence - rows.frequency)

    def number(counts: IntArray) -> float:
        gaps = np.add.reduceat(counts * residual, starts)
        return float(np.abs(gaps).sum() / (counts @ rows.weight))

    return Statistic(number, steps_per_row=0.5, steps=1_000 + 3 * len(starts))


def largest_gap_statistic(rows: BinaryRows, bins: IntArray) -> Statistic:
    """The maximum calibration error over fixed bins, of the bin of each row (n,), which rises with confidence."""
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
    return value._replace(standard_error=float(varied.std(ddof=1)), confidence_interval=(interval[0], interval[1]))
