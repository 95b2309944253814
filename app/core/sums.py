"""Exact sums of doubles, as integers.

An exact sum is a Python integer that counts units of 2**-1126. Every double is a whole number of such units, so sums
add without rounding and in any order; `to_float` rounds once, at the end. (The mantissa of the smallest double, read as
an integer of 53 bits, has the exponent -1126: no double is ever shifted to the right.)
"""

import math

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.grid import ROOM, NotFinite, buckets, cut_of

UNIT_EXPONENT = -1126
ONE = 1 << -UNIT_EXPONENT

FEW = 32
"""Up to so many numbers Python's integers are quicker than calls of NumPy."""

_BITS, _CHUNK, _LEVELS = 38, 1 << 15, 4  # 2**15 numbers of at most 37 bits and a sign add up in 52 bits


def exact_sum(values: FloatArray) -> int:
    """The sum of finite doubles (n,), without any rounding; `math.fsum` is its oracle.

    >>> to_float(exact_sum(np.array([1e300, 1.0, -1e300, 2**-1074])))
    1.0
    """
    if len(values) <= FEW:
        counts, shift = whole_counts(values)
        return sum(counts) << shift
    total = 0
    for start in range(0, len(values), _CHUNK):
        cut = cut_of(values[start : start + _CHUNK], _BITS, ROOM.rows(_LEVELS + 1))
        for level, part in enumerate(np.add.reduce(cut.parts, axis=1).tolist()):
            total += units(part, cut.exponent(level))
        total += scattered_sum(cut.rest[cut.unfinished()])
    return total


def exact_group_sums(values: FloatArray, groups: IntArray, n_groups: int) -> list[int]:
    """Exact sums of `values` (n,) by group: sum g adds the values whose entry in `groups` (n,) is g."""
    totals = [0] * n_groups
    if len(values) <= FEW:
        counts, shift = whole_counts(values)
        for group, count in zip(groups.tolist(), counts, strict=True):
            totals[group] += count
        return [total << shift for total in totals]
    for start in range(0, len(values), _CHUNK):
        chunk = groups[start : start + _CHUNK]
        cut = cut_of(values[start : start + _CHUNK], _BITS, ROOM.rows(_LEVELS + 1))
        for level, part in enumerate(cut.parts):
            exponent = cut.exponent(level)
            sums = np.ldexp(np.bincount(chunk, weights=part, minlength=n_groups), -exponent).astype(np.int64)
            shift = exponent - UNIT_EXPONENT
            totals = [total + (count << shift) for total, count in zip(totals, sums.tolist(), strict=True)]
        apart = cut.unfinished()
        rest = cut.rest[apart]
        for shift, bucket in buckets(rest):
            scaled = exact_group_sums(np.ldexp(rest[bucket], -shift), chunk[apart[bucket]], n_groups)
            totals = [total + shifted(count, shift) for total, count in zip(totals, scaled, strict=True)]
    return totals


def exact(value: float) -> int:
    """One finite double as an exact sum."""
    (count,), shift = whole_counts(np.array([value]))
    return count << shift


def to_float(total: int) -> float:
    """The double nearest to an exact sum.

    Raises:
        OverflowError: The sum lies beyond the largest double.
    """
    return total / ONE


def whole_counts(values: FloatArray) -> tuple[list[int], int]:
    """Finite doubles (n,) as whole numbers, and how far these must be shifted to count units."""
    numbers = values.tolist()
    least = min(map(abs, filter(None, numbers)), default=1.0)
    places = 53 - math.frexp(least)[1]
    try:
        scale = math.ldexp(1.0, places)
        return [int(number * scale) for number in numbers], -UNIT_EXPONENT - places
    except (OverflowError, ValueError):  # too far apart for one scale, or not finite
        return _ratio_counts(numbers)


def _ratio_counts(numbers: list[float]) -> tuple[list[int], int]:
    try:
        ratios = [number.as_integer_ratio() for number in numbers]
    except (OverflowError, ValueError) as error:
        raise NotFinite from error
    n_bits = max([denominator.bit_length() for _, denominator in ratios], default=1)
    counts = [numerator << n_bits - denominator.bit_length() for numerator, denominator in ratios]
    return counts, 1 - UNIT_EXPONENT - n_bits


def units(value: float, exponent: int) -> int:
    """`value`, a whole multiple of 2**exponent, in units."""
    return int(math.ldexp(value, -exponent)) << (exponent - UNIT_EXPONENT)


def scattered_sum(values: FloatArray) -> int:
    """The exact sum of numbers of any size: their mantissas, in two halves, add up exponent by exponent."""
    if not values.size:
        return 0
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53)
    high = np.floor(np.ldexp(whole, -27))
    low = whole - np.ldexp(high, 27)
    lowest = int(exponents.min())
    shift = lowest - 53 - UNIT_EXPONENT
    total = 0
    for weights, extra in ((high, 27), (low, 0)):
        for key, count in enumerate(np.bincount(exponents - lowest, weights=weights).tolist()):
            total += int(count) << (key + shift + extra)
    return total


def shifted(count: int, places: int) -> int:
    """To the right only zeros go: a grid may be finer than the numbers on it."""
    return count << places if places >= 0 else count >> -places
