"""Calibration errors that need all rows at once: in bins of equal weight, one class at a time, and without bias."""

import math

import numpy as np
from numpy.typing import NDArray

from app.core.calibration.levels import Levels, equal_mass_index
from app.core.columns import FloatArray, IntArray
from app.core.values import Value, undefined


def equal_mass_bins(levels: Levels, n_bins: int) -> tuple[FloatArray, ...]:
    """Sums over the bins of equal weight that hold anything, (b,) each, cut as `equal_mass_index` says.

    Returns:
        The sums of the weight, of weight times confidence, of the hits and of the softness.
    """
    starts = np.flatnonzero(np.diff(equal_mass_index(levels, n_bins), prepend=-1))
    columns = levels.weight, levels.weight * levels.confidence, levels.hits, levels.softness
    return tuple(np.add.reduceat(column, starts) for column in columns)


def adaptive_calibration_error(levels: Levels, n_bins: int) -> Value:
    """The expected calibration error over bins of equal weight: sum_b W_b / W * |confidence_b - frequency_b|.

    Nguyen, O'Connor, "Posterior calibration and exploratory analysis for natural language processing models", EMNLP
    2015. Bins are cut by `equal_mass_index`, which never splits equal confidences.

    >>> from app.core.calibration.levels import levels_of
    >>> p, y = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0.0, 1.0, 0.0])
    >>> adaptive_calibration_error(levels_of(p, y), 2).value
    0.25
    """
    weight, confidence, frequency, _ = equal_mass_bins(levels, n_bins)
    return Value(value=float(np.abs(confidence - frequency).sum() / weight.sum()))


def classwise_gap(bins: NDArray[np.uint16], gaps: FloatArray, counts: IntArray | None = None) -> float:
    """The sum, over all classes and their bins, of the size of a bin's gap: |sum of the gaps of its rows|.

    Args:
        bins: (k, n) the bin of each class of each row.
        gaps: (k, n) weight * (probability - truth) of each class of each row.
        counts: (n,) how often each row counts; None for once.
    """
    sums = (
        np.bincount(bins_, gaps_ if counts is None else counts * gaps_) for bins_, gaps_ in zip(bins, gaps, strict=True)
    )
    return math.fsum(float(np.abs(sums_).sum()) for sums_ in sums)


def classwise_calibration_error(bins: NDArray[np.uint16], gaps: FloatArray, weight: FloatArray) -> Value:
    """The mean over classes of the expected calibration error of one class against the rest: sum_c ECE_c / k.

    Kull et al., "Beyond temperature scaling", NeurIPS 2019. A class that never occurs counts like the others.

    Args:
        bins, gaps: As `classwise_gap` takes them.
        weight: (n,) of the rows.

    >>> gaps = np.array([[0.75, 0.5], [0.25, 0.5]]) - np.array([[1.0, 1.0], [0.0, 0.0]])
    >>> classwise_calibration_error(np.array([[7, 5], [2, 5]], np.uint16), gaps, np.ones(2)).value
    0.375
    """
    return Value(value=classwise_gap(bins, gaps) / float(weight.sum()) / len(bins))


def debiased_calibration_error(levels: Levels, n_bins: int) -> Value:
    """The l2 calibration error over bins of equal weight, less the part that chance alone would show.

    sqrt(max(0, sum_b W_b / W * ((confidence_b - frequency_b)**2 - v_b / (W_b - 1)))), v_b the variance of y in the bin:
    Kumar, Liang, Ma, "Verified uncertainty calibration", NeurIPS 2019, section 5, whose equal-mass bins these are.

    A weight counts as that many rows, so the value depends on the scale of the weights: weights that sum to 1 make one
    row in all. A bin of one row or less has no known variance and adds 0, as in the authors' code.

    Returns:
        0 with a reason where the sum is negative; undefined with fewer than two rows for each bin that is not empty.

    >>> from app.core.calibration.levels import levels_of
    >>> debiased_calibration_error(levels_of(np.full(5, 0.9), np.array([1.0, 0.0, 0.0, 0.0, 0.0])), 1).value
    0.670820393249937
    """
    sums = np.array(equal_mass_bins(levels, n_bins))
    n_rows = sums[0].sum()
    rows_per_bin = n_rows / sums.shape[1]
    if rows_per_bin < 2.0:
        found = f"found {rows_per_bin:g}; a weight counts as that many rows"
        return undefined(f"too few samples: must have 2 rows a bin on average, {found}")
    square = float(_debiased_squares(*sums[:, sums[0] > 1.0]).sum() / n_rows)
    if square < 0.0:
        return Value(
            value=0.0, reason=f"chance alone explains the gaps: the squared error is estimated at {square:.3g}"
        )
    return Value(value=math.sqrt(square))


def _debiased_squares(
    weight: FloatArray, confidence: FloatArray, frequency: FloatArray, softness: FloatArray
) -> FloatArray:
    """The term of each bin of more than one row, times its weight, (b,)."""
    gap, mean = (confidence - frequency) / weight, frequency / weight
    variance = np.maximum(0.0, mean * (1.0 - mean) - softness / weight)
    squares: FloatArray = weight * (gap * gap - variance / (weight - 1.0))
    return squares
