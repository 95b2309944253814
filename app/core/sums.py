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
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray, IntArray

UNIT_EXPONENT = -1126
ONE = 1 << -UNIT_EXPONENT
SQUARE_ONE = ONE * ONE

_FEW = 32
"""Up to so many numbers Python's integers are quicker than calls of NumPy."""

_SUM_BITS, _SUM_CHUNK = 38, 1 << 15  # 2**15 numbers of at most 37 bits and a sign add up in 52 bits
_DOT_BITS, _DOT_CHUNK = 20, 1 << 14  # 2**14 products of two numbers of 19 bits and a sign add up in 52 bits
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
    if len(values) <= _FEW:
        counts, shift = _counts(values)
        return sum(counts) << shift
    total = 0
    for start in range(0, len(values), _SUM_CHUNK):
        cut = _cut(values[start : start + _SUM_CHUNK], _SUM_BITS, _room.rows(_SUM_LEVELS + 1))
        for level, part in enumerate(np.add.reduce(cut.parts, axis=1).tolist()):
            total += _units(part, cut.exponent(level))
        total += _scattered_sum(cut.rest[cut.unfinished()])
    return total


def exact_group_sums(values: FloatArray, groups: IntArray, n_groups: int) -> list[int]:
    """Exact sums of `values` (n,) by group: sum g adds the values whose entry in `groups` (n,) is g."""
    totals = [0] * n_groups
    if len(values) <= _FEW:
        counts, shift = _counts(values)
        for group, count in zip(groups.tolist(), counts, strict=True):
            totals[group] += count
        return [total << shift for total in totals]
    for start in range(0, len(values), _SUM_CHUNK):
        chunk = groups[start : start + _SUM_CHUNK]
        cut = _cut(values[start : start + _SUM_CHUNK], _SUM_BITS, _room.rows(_SUM_LEVELS + 1))
        for level, part in enumerate(cut.parts):
            exponent = cut.exponent(level)
            sums = np.ldexp(np.bincount(chunk, weights=part, minlength=n_groups), -exponent).astype(np.int64)
            shift = exponent - UNIT_EXPONENT
            totals = [total + (units << shift) for total, units in zip(totals, sums.tolist(), strict=True)]
        apart = cut.unfinished()
        rest = cut.rest[apart]
        for shift, bucket in _buckets(rest):
            scaled = exact_group_sums(np.ldexp(rest[bucket], -shift), chunk[apart[bucket]], n_groups)
            totals = [total + _shifted(units, shift) for total, units in zip(totals, scaled, strict=True)]
    return totals


def exact_power_sums(values: FloatArray) -> tuple[int, int]:
    """The sum of finite doubles (n,) and of their squares, which are in units of 2**-2252."""
    return exact_power_sums_of([values])[0]


def exact_power_sums_of(columns: Sequence[FloatArray]) -> list[tuple[int, int]]:
    """`exact_power_sums` of each of several columns (n,); of short ones together, which takes fewer steps."""
    if not columns:
        return []
    n = len(columns[0])
    if n * len(columns) > max(n, _DOT_CHUNK):
        return list(map(exact_power_sums, columns))
    if n <= _FEW:
        return _few_power_sums(columns, n)
    totals, squares = [0] * len(columns), [0] * len(columns)
    for start in range(0, n, _DOT_CHUNK):
        parts = [column[start : start + _DOT_CHUNK] for column in columns]
        _add_power_sums(parts[0] if len(parts) == 1 else np.concatenate(parts), totals, squares)
    return list(zip(totals, squares, strict=True))


def _few_power_sums(columns: Sequence[FloatArray], n: int) -> list[tuple[int, int]]:
    counts, shift = _counts(np.concatenate(columns))
    rows = [counts[column * n : (column + 1) * n] for column in range(len(columns))]
    return [(sum(row) << shift, sum(map(mul, row, row)) << 2 * shift) for row in rows]


def _add_power_sums(chunk: FloatArray, totals: list[int], squares: list[int]) -> None:
    """Add those of columns of equal length that stand one behind the other in `chunk`."""
    n_columns = len(totals)
    room = _room.rows(_DOT_LEVELS + 1)[:, : len(chunk)]
    cut = _cut(chunk, _DOT_BITS, room)
    apart, n_levels = cut.unfinished(), len(cut.parts)
    if apart.size:
        cut.parts[:, apart] = 0.0
    room[n_levels] = 1.0  # the product with it is the sum
    parts = room[: n_levels + 1].reshape(n_levels + 1, n_columns, -1)
    for level in range(n_levels):
        for column in range(n_columns):
            *dots, part = (parts[level:, column] @ parts[level, column]).tolist()
            totals[column] += _units(part, cut.exponent(level))
            for other, dot in enumerate(dots, level):
                doubled = dot * (1.0 + (other > level))
                squares[column] += _square_units(doubled, cut.exponent(level) + cut.exponent(other))
    for column in range(n_columns) if apart.size else ():
        values = chunk[apart[apart // (len(chunk) // n_columns) == column]]
        totals[column] += _scattered_sum(values)
        squares[column] += _scattered_dot(values, values)


def exact_dot(x: FloatArray, y: FloatArray) -> int:
    """The sum of the products x_i y_i (n,), in units of 2**-2252: of every product there is."""
    if y is x:
        return exact_power_sums(x)[1]
    if len(x) <= _FEW:
        (x_counts, x_shift), (y_counts, y_shift) = _counts(x), _counts(y)
        return int(sum(map(mul, x_counts, y_counts))) << x_shift + y_shift
    total = 0
    for start in range(0, len(x), _DOT_CHUNK // 2):
        x_chunk, y_chunk = x[start : start + _DOT_CHUNK // 2], y[start : start + _DOT_CHUNK // 2]
        rooms = np.split(_room.rows(2 * _DOT_LEVELS + 2), 2)
        x_cut, y_cut = _cut(x_chunk, _DOT_BITS, rooms[0]), _cut(y_chunk, _DOT_BITS, rooms[1])
        apart = np.union1d(x_cut.unfinished(), y_cut.unfinished())
        x_cut.parts[:, apart] = y_cut.parts[:, apart] = 0.0
        total += _cut_dot(x_cut, y_cut) + _scattered_dot(x_chunk[apart], y_chunk[apart])
    return total


def exact(value: float) -> int:
    """One finite double as an exact sum."""
    (count,), shift = _counts(np.array([value]))
    return count << shift


def _counts(values: FloatArray) -> tuple[list[int], int]:
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
        raise ValueError("exact sums take finite numbers") from error
    n_bits = max([denominator.bit_length() for _, denominator in ratios], default=1)
    counts = [numerator << n_bits - denominator.bit_length() for numerator, denominator in ratios]
    return counts, 1 - UNIT_EXPONENT - n_bits


def to_float(total: int) -> float:
    """The double nearest to an exact sum.

    Raises:
        OverflowError: The sum lies beyond the largest double.
    """
    return total / ONE


class _Room(threading.local):
    """Memory of one thread that every cut uses again: fresh memory costs more than the arithmetic done in it."""

    def __init__(self) -> None:
        self._doubles = np.empty((_SUM_LEVELS + 1) * _SUM_CHUNK)

    def rows(self, n_rows: int) -> FloatArray:
        """As many rows of equal length as asked for."""
        return self._doubles[: len(self._doubles) // n_rows * n_rows].reshape(n_rows, -1)


_room = _Room()


@dataclass(slots=True)
class _Cut:
    """Numbers (n,) as a sum: parts (levels, n), each a whole multiple of a power of two, and a rest (n,)."""

    top: int
    bits: int
    parts: FloatArray
    rest: FloatArray
    done: bool

    def exponent(self, level: int) -> int:
        """Parts of a level are whole multiples of two to this power."""
        return self.top - self.bits * level

    def unfinished(self) -> NDArray[np.intp]:
        """Where the rest is not zero."""
        return _NOWHERE if self.done else np.flatnonzero(self.rest)


def _cut(values: FloatArray, bits: int, room: FloatArray) -> _Cut:
    """Cut finite `values` (n,) into parts of less than `bits` bits, signs included.

    The rest is zero but for numbers far smaller than the largest one, or beyond the range in which a grid is safe.

    Args:
        room: Where the parts go, a level a row, and in the last row the rest.
    """
    low = float(np.minimum.reduce(values))
    largest = max(float(np.maximum.reduce(values)), -low)
    if not math.isfinite(largest):
        raise ValueError("exact sums take finite numbers")
    room = room[:, : len(values)]
    exponent = math.frexp(largest)[1] - bits + 1
    cut = _Cut(exponent, bits, room[:0], values, done=not largest)
    last_bit = math.frexp(low)[1] - 53 if low > 0.0 else None  # of the smallest number: no other ends below it
    for level, part in enumerate(room[:-1]):
        if cut.done or not _MIN_EXPONENT < exponent < _MAX_EXPONENT:
            break
        shift = math.ldexp(1.5, exponent + 52)
        np.subtract(np.add(cut.rest, shift, out=part), shift, out=part)  # rounds to multiples of 2**exponent
        cut.rest = np.subtract(cut.rest, part, out=room[-1])
        cut.parts = room[: level + 1]
        cut.done = (level >= 53 // bits and not cut.rest.any()) if last_bit is None else exponent <= last_bit
        exponent -= bits
    return cut


def _units(value: float, exponent: int) -> int:
    return int(math.ldexp(value, -exponent)) << (exponent - UNIT_EXPONENT)


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


def _cut_dot(x: _Cut, y: _Cut) -> int:
    """The dot product of the parts."""
    dots = enumerate((x.parts @ y.parts.T).tolist())
    return sum(_square_units(dot, x.exponent(i) + y.exponent(j)) for i, row in dots for j, dot in enumerate(row))


def _scattered_dot(x: FloatArray, y: FloatArray) -> int:
    """The dot product of numbers of any size: of those of like exponents together, scaled to the middle."""
    total = 0
    for x_shift, x_rows in _buckets(x):
        for y_shift, y_rows in _buckets(y[x_rows]):
            total += _shifted(
                exact_dot(np.ldexp(x[x_rows][y_rows], -x_shift), np.ldexp(y[x_rows][y_rows], -y_shift)),
                x_shift + y_shift,
            )
    return total


def _buckets(values: FloatArray) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Where the numbers (n,) of like exponents stand, and the power of two that brings them near 1; not the zeros."""
    buckets = np.where(values == 0.0, _NO_BUCKET, np.frexp(values)[1] // _BUCKET_BITS)
    for bucket in np.unique(buckets).tolist():
        if bucket != _NO_BUCKET:
            yield bucket * _BUCKET_BITS, np.flatnonzero(buckets == bucket)


def _square_units(value: float, exponent: int) -> int:
    """`value`, a whole multiple of 2**exponent, in units of products."""
    return int(math.ldexp(value, -exponent)) << (exponent - 2 * UNIT_EXPONENT)


def _shifted(count: int, places: int) -> int:
    """To the right only zeros go: a grid may be finer than the numbers on it."""
    return count << places if places >= 0 else count >> -places
