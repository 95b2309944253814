"""Sums of segments of a column, each rounded once. Segments are clusters, or rows of equal confidence."""

import math
from contextlib import suppress

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.sums.exact import Exact
from app.core.sums.groups import group_sums

_LONG = 64
"""The mean length, in numbers, from which one call of a kernel for all segments beats one of `math.fsum` for each."""


def segment_sums(values: FloatArray, starts: IntArray) -> FloatArray:
    """The sums (m,) of finite doubles (n,) from each start to the next, each rounded once; overflows are infinite.

    Args:
        starts: (m,) rising, the first 0.

    >>> segment_sums(np.array([1e16, 1.0, -1e16, 2.5]), np.array([0, 3]))
    array([1. , 2.5])
    """
    bounds = np.append(starts, len(values))
    long = np.flatnonzero(np.diff(bounds) > 2)
    with np.errstate(over="ignore", invalid="ignore"):
        sums: FloatArray = np.add.reduceat(values, starts) if len(starts) else np.empty(0)
        if long.size and not _add_up_exactly(values):  # a sum of two numbers is rounded once in any case
            sums[long] = _rounded_sums(values, bounds, long)
    return sums


def _add_up_exactly(values: FloatArray) -> bool:
    """Tell whether the sums of any of the doubles (n,) are whole numbers that a double holds."""
    return bool(np.abs(values).sum() < 2.0**53) and np.array_equal(values, np.rint(values))


def _rounded_sums(values: FloatArray, bounds: IntArray, segments: IntArray) -> list[float]:
    """The sums of some of the segments between bounds (m + 1,)."""
    if len(values) < _LONG * len(segments):
        numbers = values.data
        ends = zip(bounds[segments].tolist(), bounds[segments + 1].tolist(), strict=True)
        with suppress(OverflowError):  # fsum overflows on its way, or `float` at the end
            return [math.fsum(numbers[start:end]) for start, end in ends]
    codes = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    matrix = np.ascontiguousarray(values)[None]
    _, (totals,), place = group_sums(codes, len(bounds) - 1, matrix, (0,))
    return [_nearest(Exact(totals[segment], place)) for segment in segments.tolist()]


def _nearest(total: Exact) -> float:
    """The double nearest to a sum; infinite where the sum overflows."""
    try:
        return float(total)
    except OverflowError:
        return math.inf if total.digits > 0 else -math.inf
