"""Exact sums of doubles and of their products, as integers.

An exact sum is a Python integer that counts units of 2**-1074, the smallest double, and one of products units of
2**-2148. Sums of such counts are not rounded and depend on no order; `to_float` rounds once, at the end.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled

UNIT_EXPONENT = -1074
ONE = 1 << -UNIT_EXPONENT
SQUARE_ONE = ONE * ONE

_MOST = 1 << 20  # numbers that a call of the kernels adds up
_WINDOW = 48  # powers of two that sums by group span at once


class NotFinite(ValueError):
    """A number that is infinite, or none, among those to add up."""

    def __init__(self) -> None:
        super().__init__("exact sums take finite numbers")


def exact_sum(values: FloatArray) -> int:
    """The sum of finite doubles (n,), without any rounding; `math.fsum` is its oracle.

    >>> to_float(exact_sum(np.array([1e300, 1.0, -1e300, 2**-1074])))
    1.0
    """
    return exact_power_sums(values)[0]


def exact_power_sums(values: FloatArray) -> tuple[int, int]:
    """The sum of finite doubles (n,), and that of their squares."""
    total = squares = 0
    for (part,) in _parts(values):
        sums = compiled.power_sums(part)
        if sums is None:
            raise NotFinite
        total += _integer(*sums[0])
        squares += _integer(*sums[1])
    return total, squares


def exact_dot(x: FloatArray, y: FloatArray) -> int:
    """The sum of the products x_i y_i of finite doubles (n,)."""
    total = 0
    for parts in _parts(x, y):
        found = compiled.dot(*parts)
        if found is None:
            raise NotFinite
        total += _integer(*found)
    return total


def _parts(*columns: NDArray[np.float64]) -> Iterator[list[FloatArray]]:
    """As many numbers of each column (n,) as one call takes."""
    for start in range(0, len(columns[0]), _MOST):
        yield [np.ascontiguousarray(column[start : start + _MOST]) for column in columns]


def _integer(digits: bytes, places: int) -> int:
    return int.from_bytes(digits, "little", signed=True) << places


def exact_group_sums(values: FloatArray, groups: IntArray, n_groups: int) -> list[int]:
    """Exact sums of `values` (n,) by group: sum g adds the values whose entry in `groups` (n,) is g."""
    totals = [0] * n_groups
    for start in range(0, len(values), _MOST):
        part = np.ascontiguousarray(values[start : start + _MOST])
        own = np.ascontiguousarray(groups[start : start + _MOST], np.int64)
        top = _exponent(part)
        while top:
            sums = np.zeros((n_groups, 2), np.int64)
            next_top = compiled.window_sums(part, own, top, sums.ravel())
            for group, count in _counts(sums):
                totals[group] += count << top - 1 >> _WINDOW
            top = next_top
    return totals


def _exponent(values: FloatArray) -> int:
    """The exponent field of the largest of some doubles, 0 where all are 0."""
    largest = max(float(values.max()), -float(values.min()))
    if not math.isfinite(largest):
        raise NotFinite
    return max(1, math.frexp(largest)[1] + 1022) if largest else 0


def _counts(sums: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The groups (m, 2) that count anything, and what: pairs of 64 bits, the lower first."""
    some = np.flatnonzero(sums.any(axis=1))
    for group, (low, high) in zip(some.tolist(), sums[some].tolist(), strict=True):
        yield group, (high << 64) + (low & 0xFFFFFFFFFFFFFFFF)


def exact(value: float) -> int:
    """One finite double as an exact sum."""
    numerator, denominator = value.as_integer_ratio()
    return numerator * (ONE // denominator)


def to_float(total: int) -> float:
    """The double nearest to an exact sum.

    Raises:
        OverflowError: The sum lies beyond the largest double.
    """
    return total / ONE
