"""Exact sums of doubles, as integers.

An exact sum is a Python integer that counts units of 2**-1126. Every double is a whole number of such units, so sums
add without rounding and in any order; `to_float` rounds once, at the end. (The mantissa of the smallest double, read as
an integer of 53 bits, has the exponent -1126: no double is ever shifted to the right.) Sums of products count units of
2**-2252.

The work is done by cutting numbers on a common grid: parts of few bits on one grid, and their products, add up exactly
in plain floating point (Rump, Ogita, Oishi, "Accurate floating-point summation", SIAM J. Sci. Comput. 31, 2008; for
products Ozaki, Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication", Numer. Algor. 59, 2012).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray, IntArray

UNIT_EXPONENT = -1126
ONE = 1 << -UNIT_EXPONENT
SQUARE_ONE = ONE * ONE

_SUM_BITS, _SUM_CHUNK = 36, 1 << 17  # 2**17 numbers of at most 35 bits and a sign add up in 52 bits
_DOT_BITS, _DOT_CHUNK = 20, 1 << 13  # 2**13 products of two numbers of 19 bits and a sign add up in 51 bits; longer
# dot products OpenBLAS gives to several threads, which then wait for each other longer than the product takes
_SURE_LEVELS = 53 // _DOT_BITS
_NO_BUCKET = 1_000
_NOWHERE = np.empty(0, dtype=np.intp)
_SUM_LEVELS, _DOT_LEVELS = 4, 8
_BUCKET_BITS = 64  # numbers of so like exponents are cut to the end in 6 levels
_MIN_EXPONENT, _MAX_EXPONENT = -500, 480  # of a grid: so far neither shifts nor products overflow or underflow


def exact_sum(values: FloatArray) -> int:
    """The sum of finite doubles (n,), without any rounding; `math.fsum` is its oracle.

    >>> to_float(exact_sum(np.array([1e300, 1.0, -1e300, 2**-1074])))
    1.0
    """
    total = 0
    for start in range(0, len(values), _SUM_CHUNK):
        cut = _cut(values[start : start + _SUM_CHUNK], _SUM_BITS, _SUM_LEVELS)
        for exponent, part in cut.parts:
            total += _units(float(np.add.reduce(part)), exponent)
        total += _scattered_sum(cut.rest[cut.unfinished()])
    return total


def exact_group_sums(values: FloatArray, groups: IntArray, n_groups: int) -> list[int]:
    """Exact sums of `values` (n,) by group: sum g adds the values whose entry in `groups` (n,) is g."""
    totals = [0] * n_groups
    for start in range(0, len(values), _SUM_CHUNK):
        chunk = groups[start : start + _SUM_CHUNK]
        cut = _cut(values[start : start + _SUM_CHUNK], _SUM_BITS, _SUM_LEVELS)
        for exponent, part in cut.parts:
            sums = np.ldexp(np.bincount(chunk, weights=part, minlength=n_groups), -exponent).astype(np.int64)
            shift = exponent - UNIT_EXPONENT
            totals = [total + (units << shift) for total, units in zip(totals, sums.tolist(), strict=True)]
        apart = cut.unfinished()
        for shift, bucket in _buckets(cut.rest[apart]):
            rows = apart[bucket]
            scaled = exact_group_sums(np.ldexp(cut.rest[rows], -shift), chunk[rows], n_groups)
            totals = [total + _shifted(units, shift) for total, units in zip(totals, scaled, strict=True)]
    return totals


def exact_power_sums(rows: FloatArray) -> list[tuple[int, int]]:
    """The sum of each row of (q, n) and of its squares, as `exact_sum` and `exact_dot` give them one by one."""
    totals = [(0, 0)] * len(rows)
    for start in range(0, rows.shape[1], _DOT_CHUNK):
        chunk = rows[:, start : start + _DOT_CHUNK]
        sums = _grid_power_sums(chunk) or [(exact_sum(row), exact_dot(row, row)) for row in chunk]
        totals = [(a + c, b + d) for (a, b), (c, d) in zip(totals, sums, strict=True)]
    return totals


def exact_dot(x: FloatArray, y: FloatArray) -> int:
    """The sum of the products x_i y_i (n,), in units of 2**-2252: of every product there is."""
    total = 0
    for start in range(0, len(x), _DOT_CHUNK):
        x_chunk, y_chunk = x[start : start + _DOT_CHUNK], y[start : start + _DOT_CHUNK]
        x_cut = _cut(x_chunk, _DOT_BITS, _DOT_LEVELS)
        y_cut = x_cut if y is x else _cut(y_chunk, _DOT_BITS, _DOT_LEVELS)
        apart = np.union1d(x_cut.unfinished(), y_cut.unfinished())
        total += _cut_dot(x_cut, y_cut, apart) + _scattered_dot(x_chunk[apart], y_chunk[apart])
    return total


def _grid_power_sums(rows: FloatArray) -> list[tuple[int, int]] | None:
    """All rows at once, for the price of one cut; None where that leaves a rest."""
    largest = np.maximum(np.maximum.reduce(rows, axis=1), -np.minimum.reduce(rows, axis=1))
    if not np.isfinite(largest).all():
        raise ValueError("exact sums take finite numbers")
    tops = np.frexp(largest)[1] - _DOT_BITS + 1
    if tops.max() > _MAX_EXPONENT or tops.min() < _MIN_EXPONENT // 2:
        return None
    parts, rest = _cut_rows(rows, tops)
    if rest is not None:
        return None
    levels = range(len(parts))
    pairs = [(i, j) for i in levels for j in levels[i:]]
    sums = [np.add.reduce(part, axis=1) for part in parts]
    dots = [np.vecdot(parts[i], parts[j]) * (1.0 + (i < j)) for i, j in pairs]
    return [
        (
            sum(_units(float(s[row]), top - _DOT_BITS * i) for i, s in zip(levels, sums, strict=True)),
            sum(
                _square_units(float(d[row]), 2 * top - _DOT_BITS * (i + j))
                for (i, j), d in zip(pairs, dots, strict=True)
            ),
        )
        for row, top in enumerate(tops.tolist())
    ]


def _cut_rows(rows: FloatArray, tops: NDArray[np.intc]) -> tuple[list[FloatArray], FloatArray | None]:
    parts: list[FloatArray] = []
    shift = np.ldexp(1.5, tops + 52)[:, None]
    rest = rows
    while len(parts) < _DOT_LEVELS:
        part = rest + shift
        part -= shift
        parts.append(part)
        rest = np.subtract(rest, part, out=rest if len(parts) > 1 else None)
        if len(parts) > _SURE_LEVELS and not rest.any():
            return parts, None
        shift = shift * 2.0**-_DOT_BITS
    return parts, rest


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


def _units(value: float, exponent: int) -> int:
    return int(math.ldexp(value, -exponent)) << (exponent - UNIT_EXPONENT)


@dataclass(slots=True)
class _Cut:
    """Numbers (n,) as a sum: parts, each of whole multiples of 2**exponent, and a rest."""

    parts: list[tuple[int, FloatArray]]
    rest: FloatArray
    done: bool = False

    def unfinished(self) -> NDArray[np.intp]:
        """Where the rest is not zero."""
        return _NOWHERE if self.done else np.flatnonzero(self.rest)


def _cut(values: FloatArray, bits: int, max_levels: int) -> _Cut:
    """Cut finite `values` (n,) into parts of less than `bits` bits, signs included.

    The rest is zero but for numbers far smaller than the largest one, or beyond the range in which a grid is safe.
    """
    largest = max(float(np.maximum.reduce(values)), -float(np.minimum.reduce(values)))
    if not math.isfinite(largest):
        raise ValueError("exact sums take finite numbers")
    exponent = math.frexp(largest)[1] - bits + 1
    cut = _Cut([], values, done=not largest)
    sure_levels = 53 // bits  # a double has 53 bits: before so many parts are cut, looking for a rest is no use
    while not cut.done and len(cut.parts) < max_levels and _MIN_EXPONENT < exponent < _MAX_EXPONENT:
        part = _multiples(cut.rest, exponent)
        cut.parts.append((exponent, part))
        cut.rest = cut.rest - part
        exponent -= bits
        cut.done = len(cut.parts) > sure_levels and not cut.rest.any()
    return cut


def _multiples(values: FloatArray, exponent: int) -> FloatArray:
    """`values` rounded to multiples of 2**exponent, which adding and taking away a large number does."""
    shift = math.ldexp(1.5, exponent + 52)
    multiples = values + shift
    multiples -= shift
    return multiples


def _scattered_sum(values: FloatArray) -> int:
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


def _cut_dot(x: _Cut, y: _Cut, left_out: NDArray[np.intp]) -> int:
    """The dot product of the parts, in which rows `left_out` become 0."""
    if left_out.size:
        for _, part in (*x.parts, *y.parts):
            part[left_out] = 0.0
    if x is y:
        return _cut_square(x)
    return sum(_square_units(float(p @ q), a + b) for a, p in x.parts for b, q in y.parts)


def _cut_square(x: _Cut) -> int:
    squares = sum(_square_units(float(p @ p), 2 * a) for a, p in x.parts)
    return squares + 2 * sum(_square_units(float(p @ q), a + b) for (a, p), (b, q) in combinations(x.parts, 2))


def _scattered_dot(x: FloatArray, y: FloatArray) -> int:
    """The dot product of numbers of any size: of those of like exponents together, scaled to the middle."""
    total = 0
    for x_shift, x_rows in _buckets(x):
        for y_shift, y_rows in _buckets(y[x_rows]):
            x_cut = _cut(np.ldexp(x[x_rows][y_rows], -x_shift), _DOT_BITS, _DOT_LEVELS)
            y_cut = _cut(np.ldexp(y[x_rows][y_rows], -y_shift), _DOT_BITS, _DOT_LEVELS)
            for a, p in x_cut.parts:
                for b, q in y_cut.parts:
                    total += _square_units(float(p @ q), a + b, x_shift + y_shift)
    return total


def _buckets(values: FloatArray) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Where the numbers (n,) of like exponents stand, and the power of two that brings them near 1; not the zeros."""
    buckets = np.where(values == 0.0, _NO_BUCKET, np.frexp(values)[1] // _BUCKET_BITS)
    for bucket in np.unique(buckets).tolist():
        if bucket != _NO_BUCKET:
            yield bucket * _BUCKET_BITS, np.flatnonzero(buckets == bucket)


def _square_units(value: float, exponent: int, scale: int = 0) -> int:
    """`value` times 2**scale in units of products; `value` is a whole multiple of 2**exponent."""
    return _shifted(int(math.ldexp(value, -exponent)), exponent + scale - 2 * UNIT_EXPONENT)


def _shifted(count: int, places: int) -> int:
    """To the right only zeros go: a grid may be finer than the numbers on it."""
    return count << places if places >= 0 else count >> -places
