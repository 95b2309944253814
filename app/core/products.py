"""Exact sums of products of doubles, as integers that count units of 2**-2252."""

import math
from collections.abc import Sequence
from operator import mul

import numpy as np

from app.core.columns import FloatArray
from app.core.grid import ROOM, Cut, buckets, cut_of
from app.core.sums import FEW, ONE, UNIT_EXPONENT, scattered_sum, shifted, units, whole_counts

SQUARE_ONE = ONE * ONE

_BITS, _CHUNK, _LEVELS = 20, 1 << 14, 8  # 2**14 products of two numbers of 19 bits and a sign add up in 52 bits


def exact_power_sums(values: FloatArray) -> tuple[int, int]:
    """The sum of finite doubles (n,) and of their squares, which are in units of 2**-2252."""
    return exact_power_sums_of([values])[0]


def exact_power_sums_of(columns: Sequence[FloatArray]) -> list[tuple[int, int]]:
    """`exact_power_sums` of each of several columns (n,); of short ones together, which takes fewer steps."""
    if not columns:
        return []
    n = len(columns[0])
    if n * len(columns) > max(n, _CHUNK):
        return list(map(exact_power_sums, columns))
    if n <= FEW:
        return _few_power_sums(columns, n)
    totals, squares = [0] * len(columns), [0] * len(columns)
    for start in range(0, n, _CHUNK):
        parts = [column[start : start + _CHUNK] for column in columns]
        _add_power_sums(parts[0] if len(parts) == 1 else np.concatenate(parts), totals, squares)
    return list(zip(totals, squares, strict=True))


def _few_power_sums(columns: Sequence[FloatArray], n: int) -> list[tuple[int, int]]:
    counts, shift = whole_counts(np.concatenate(columns))
    rows = [counts[column * n : (column + 1) * n] for column in range(len(columns))]
    return [(sum(row) << shift, sum(map(mul, row, row)) << 2 * shift) for row in rows]


def _add_power_sums(chunk: FloatArray, totals: list[int], squares: list[int]) -> None:
    """Add those of columns of equal length that stand one behind the other in `chunk`."""
    n_columns = len(totals)
    room = ROOM.rows(_LEVELS + 1)[:, : len(chunk)]
    cut = cut_of(chunk, _BITS, room)
    apart, n_levels = cut.unfinished(), len(cut.parts)
    if apart.size:
        cut.parts[:, apart] = 0.0
    room[n_levels] = 1.0  # the product with it is the sum
    parts = room[: n_levels + 1].reshape(n_levels + 1, n_columns, -1)
    for level in range(n_levels):
        for column in range(n_columns):
            *dots, part = (parts[level:, column] @ parts[level, column]).tolist()
            totals[column] += units(part, cut.exponent(level))
            for other, dot in enumerate(dots, level):
                doubled = dot * (1.0 + (other > level))
                squares[column] += _square_units(doubled, cut.exponent(level) + cut.exponent(other))
    for column in range(n_columns) if apart.size else ():
        values = chunk[apart[apart // (len(chunk) // n_columns) == column]]
        totals[column] += scattered_sum(values)
        squares[column] += _scattered_dot(values, values)


def exact_dot(x: FloatArray, y: FloatArray) -> int:
    """The sum of the products x_i y_i (n,), in units of 2**-2252: of every product there is."""
    if y is x:
        return exact_power_sums(x)[1]
    if len(x) <= FEW:
        (x_counts, x_shift), (y_counts, y_shift) = whole_counts(x), whole_counts(y)
        return int(sum(map(mul, x_counts, y_counts))) << x_shift + y_shift
    total = 0
    for start in range(0, len(x), _CHUNK // 2):
        x_chunk, y_chunk = x[start : start + _CHUNK // 2], y[start : start + _CHUNK // 2]
        rooms = np.split(ROOM.rows(2 * _LEVELS + 2), 2)
        x_cut, y_cut = cut_of(x_chunk, _BITS, rooms[0]), cut_of(y_chunk, _BITS, rooms[1])
        apart = np.union1d(x_cut.unfinished(), y_cut.unfinished())
        x_cut.parts[:, apart] = y_cut.parts[:, apart] = 0.0
        total += _cut_dot(x_cut, y_cut) + _scattered_dot(x_chunk[apart], y_chunk[apart])
    return total


def _cut_dot(x: Cut, y: Cut) -> int:
    """The dot product of the parts."""
    dots = enumerate((x.parts @ y.parts.T).tolist())
    return sum(_square_units(dot, x.exponent(i) + y.exponent(j)) for i, row in dots for j, dot in enumerate(row))


def _scattered_dot(x: FloatArray, y: FloatArray) -> int:
    """The dot product of numbers of any size: of those of like exponents together, scaled to the middle."""
    total = 0
    for x_shift, x_rows in buckets(x):
        for y_shift, y_rows in buckets(y[x_rows]):
            total += shifted(
                exact_dot(np.ldexp(x[x_rows][y_rows], -x_shift), np.ldexp(y[x_rows][y_rows], -y_shift)),
                x_shift + y_shift,
            )
    return total


def _square_units(value: float, exponent: int) -> int:
    """`value`, a whole multiple of 2**exponent, in units of products."""
    return int(math.ldexp(value, -exponent)) << (exponent - 2 * UNIT_EXPONENT)
