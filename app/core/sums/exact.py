"""Exact sums of doubles and of their products, as integers.

An exact sum is a Python integer that counts units of 2**-2098, which is 2**-1024 of the smallest double: room for sums
of weights that are scaled back to their own size. One of products counts units of 2**-4196. Sums of such counts are
not rounded and depend on no order; `to_float` rounds once, at the end.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import chain
from operator import or_

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled

ROOM = 1024
"""Powers of two below the smallest double that an exact sum can hold."""

UNIT_EXPONENT = -1074 - ROOM
ONE = 1 << -UNIT_EXPONENT
SQUARE_ONE = ONE * ONE

_MOST = 1 << 20  # numbers that a call of the kernels adds up
_WINDOW = 48  # powers of two that sums by group span at once
_NOT_FINITE = 2047  # the exponent of infinity and NaN


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
    if len(values) <= _MOST:
        return _power_sums(values)
    parts = [_power_sums(values[start : start + _MOST]) for start in range(0, len(values), _MOST)]
    return sum(total for total, _ in parts), sum(squares for _, squares in parts)


def _power_sums(values: FloatArray) -> tuple[int, int]:
    sums = compiled.power_sums(np.ascontiguousarray(values, np.float64))
    if sums is None:
        raise NotFinite
    return _integer(*sums[0], ROOM), _integer(*sums[1], 2 * ROOM)


def exact_dot(x: FloatArray, y: FloatArray) -> int:
    """The sum of the products x_i y_i of finite doubles (n,)."""
    total = 0
    for start in range(0, len(x), _MOST):
        part = slice(start, start + _MOST)
        own = compiled.dot(np.ascontiguousarray(x[part], np.float64), np.ascontiguousarray(y[part], np.float64))
        if own is None:
            raise NotFinite
        total += _integer(*own, 2 * ROOM)
    return total


def _integer(digits: bytes, places: int, room: int) -> int:
    return int.from_bytes(digits, "little", signed=True) << places + room


def exact_group_sums(values: FloatArray, groups: IntArray, n_groups: int) -> list[int]:
    """Exact sums of `values` (n,) by group: sum g adds the values whose entry in `groups` (n,) is g."""
    totals = [0] * n_groups
    for start in range(0, len(values), _MOST):
        part = slice(start, start + _MOST)
        _add_group_sums(
            np.ascontiguousarray(values[part], np.float64), np.ascontiguousarray(groups[part], np.int64), totals
        )
    return totals


def _add_group_sums(values: FloatArray, groups: IntArray, totals: list[int]) -> None:
    """Each window of powers of two leaves a pair of 64 bits a group, the lower half first."""
    top = compiled.largest_exponent(values)
    if top == _NOT_FINITE:
        raise NotFinite
    while top:
        halves = np.zeros(2 * len(totals), np.int64)
        below = compiled.window_sums(values, groups, top, halves)
        for group in dict.fromkeys((np.flatnonzero(halves) >> 1).tolist()):
            low, high = halves[2 * group : 2 * group + 2].tolist()
            totals[group] += (high << 64) + (low & 0xFFFFFFFFFFFFFFFF) << top - 1 + ROOM - _WINDOW
        top = below


def shifted(total: int, places: int) -> int:
    """An exact sum, or one of products, times 2**places; `ROOM` lets places below 0 lose nothing."""
    return total << places if places >= 0 else total >> -places


def trailing_zeros(total: int) -> int:
    """Count the zeros below the lowest bit that is set, of a sum other than 0."""
    return (total & -total).bit_length() - 1


def lowered(*columns: Sequence[int]) -> list[list[int]]:
    """Columns of sums in the largest unit in which all are whole: their quotients are the same, and come faster."""
    places = trailing_zeros(reduce(or_, filter(None, chain(*columns)), ONE))
    return [[total >> places for total in column] for column in columns]


def to_float(total: int) -> float:
    """The double nearest to an exact sum.

    Raises:
        OverflowError: The sum lies beyond the largest double.
    """
    return total / ONE
