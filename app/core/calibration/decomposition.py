"""Decompositions of a score into miscalibration, discrimination and uncertainty, by isotonic recalibration (CORP)."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.special import rel_entr, xlog1py, xlogy

from app.core.calibration.levels import Levels
from app.core.columns import FloatArray, IntArray
from app.core.sums.exact import NOTHING, Exact, exact_sum
from app.core.sums.segments import segment_sums
from app.core.values import INFINITE, Value

Spread = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """The parts of a score: score = miscalibration - discrimination + uncertainty.

    The identity holds exactly for the fractions of exact sums that the four are, before each is rounded once.

    Attributes:
        score: The mean score of the forecast.
        miscalibration: The score minus that of the recalibrated forecast, so what recalibration saves; at least 0.
        discrimination: The score of the constant forecast minus that of the recalibrated one; at least 0.
        uncertainty: The score of the constant forecast, the overall frequency.
    """

    score: Value
    miscalibration: Value
    discrimination: Value
    uncertainty: Value


def brier_decomposition(levels: Levels, starts: IntArray | None = None) -> Decomposition:
    """The decomposition of the mean of (confidence - y)**2.

    Args:
        starts: `recalibration_starts` of the levels, where they are known.

    >>> from app.core.calibration.levels import levels_of
    >>> parts = brier_decomposition(levels_of(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])))
    >>> parts.miscalibration.value, parts.discrimination.value, parts.uncertainty.value
    (0.06, 0.125, 0.25)
    """
    p = levels.confidence
    scores = levels.hits * (1.0 - p) ** 2 + levels.misses * p**2
    softness = exact_sum(levels.softness)  # of (p - y)**2 = y (1 - p)**2 + (1 - y) p**2 - y (1 - y)
    return _decomposition(levels, starts, scores, _variance, softness)


def log_loss_decomposition(levels: Levels, score: float | None = None, starts: IntArray | None = None) -> Decomposition:
    """The decomposition of the mean of -y log confidence - (1 - y) log(1 - confidence), in nats.

    Where the score is infinite, so is the miscalibration. The other two stay finite: a recalibrated forecast of 0 or 1
    stands only where nothing else was observed, and 0 log 0 = 0.

    Args:
        score: The mean score where more is known than confidence tells, as from logits whose probability rounds to 0
            or 1. It may be infinite.
        starts: `recalibration_starts` of the levels, where they are known.

    >>> from app.core.calibration.levels import levels_of
    >>> parts = log_loss_decomposition(levels_of(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])))
    >>> parts.score.value, parts.miscalibration.value, parts.discrimination.value
    (0.3465735902799727, 0.0, 0.3465735902799727)
    """
    if score is None:
        scores = 0.0 - (xlogy(levels.hits, levels.confidence) + xlog1py(levels.misses, -levels.confidence))
    else:
        with np.errstate(over="ignore"):  # a score beyond all doubles is infinite
            scores = np.array([score]) * float(exact_sum(levels.weight))
    return _decomposition(levels, starts, scores, _entropy)


def _variance(hits: FloatArray, misses: FloatArray) -> FloatArray:
    """The Brier score, summed over rows, of forecasting the frequency of hits: W q (1 - q)."""
    return hits * (misses / (hits + misses))


def _entropy(hits: FloatArray, misses: FloatArray) -> FloatArray:
    """The log loss, summed over rows, of forecasting the frequency of hits: -W (q log q + (1 - q) log(1 - q))."""
    weight = hits + misses
    sums: FloatArray = 0.0 - (rel_entr(hits, weight) + rel_entr(misses, weight))
    return sums


def recalibration_starts(levels: Levels) -> IntArray:
    """The starts (b,) of the blocks of levels that isotonic regression pools; frequencies rise from block to block.

    De Leeuw, Hornik, Mair, "Isotone optimization in R", J. Stat. Softw. 32 (2009).
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 costs a quarter of a second, and few ask for it

    frequency = levels.hits / levels.weight
    blocks: IntArray = isotonic_regression(frequency, weights=levels.weight).blocks
    return blocks[:-1]


def _decomposition(
    levels: Levels, starts: IntArray | None, scores: FloatArray, spread: Spread, softness: Exact = NOTHING
) -> Decomposition:
    """The decomposition of a score; `spread` gives the summed score of the best constant forecast of hits, misses."""
    weight = exact_sum(levels.weight).fraction

    def mean(sums: FloatArray) -> Fraction:
        return max(Fraction(0), (exact_sum(sums) - softness).fraction / weight)

    starts = recalibration_starts(levels) if starts is None else starts
    constant = mean(spread(*_pooled(levels, np.zeros(1, dtype=np.int64))))
    recalibrated = min(constant, mean(spread(*_pooled(levels, starts))))
    score = mean(scores) if np.isfinite(scores).all() else None
    if score is not None:
        recalibrated = min(recalibrated, score)  # recalibration never makes a forecast worse, but rounding could
    return Decomposition(
        score=_value(score),
        miscalibration=_value(None if score is None else score - recalibrated),
        discrimination=_value(constant - recalibrated),
        uncertainty=_value(constant),
    )


def _pooled(levels: Levels, starts: IntArray) -> tuple[FloatArray, FloatArray]:
    return segment_sums(levels.hits, starts), segment_sums(levels.misses, starts)


def _value(score: Fraction | None) -> Value:
    return INFINITE if score is None else Value(value=float(score))
