"""Moments of a column of numerators over one of denominators, and which of several objects are one."""

from typing import Any, NamedTuple

import numpy as np

from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.sums.exact import UNIT_EXPONENT, exact_dot, exact_power_sums, exact_sum
from app.core.sums.segments import segment_sums
from app.core.sums.state import Moments


class Identities:
    """Numbers for objects, equal where two names have one object; it keeps them, so that none is taken for another.

    None, which stands for a column of zeros or ones, has a number like any array.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Any]] = {}

    def number(self, item: Any) -> int:
        """The place of the object among those asked for so far."""
        number, _ = self._known.setdefault(id(item), (len(self._known), item))
        return number


class Entry(NamedTuple):
    """Numerators z and denominators v of n counted rows, and how many more were infinite or no number."""

    z: FloatArray
    v: FloatArray
    n: int
    n_infinite: int = 0
    n_undefined: int = 0


def holds_floats(column: Any) -> bool:
    """Tell columns of numbers from those of booleans, and from those that stand for zeros."""
    return column is not None and column.dtype.kind != "b"  # comparing types is slow


def hits(column: BoolArray | None) -> tuple[int, int]:
    """The sum of zeros and ones, of zeros where there is no column, and that of their squares."""
    total = 0 if column is None else int(np.count_nonzero(column)) << -UNIT_EXPONENT
    return total, total << -UNIT_EXPONENT


def plain_moments(n: int, sums: tuple[int, int]) -> Moments:
    """The moments of n rows that count for 1 each, given the sums of their numerators and of the squares of these."""
    (total, squares), length = sums, n << -UNIT_EXPONENT
    return Moments(n, 0, total, length, squares, total << -UNIT_EXPONENT, length << -UNIT_EXPONENT)


def runs(codes: IntArray) -> IntArray:
    """(n,) numbers that rise by 1 wherever the code changes, from 0."""
    numbers: IntArray = np.cumsum(np.diff(codes, prepend=codes[0]) != 0)
    return numbers


def clustered_moments(entry: Entry, codes: IntArray, weighs: BoolArray | np.bool_) -> Moments:
    """The moments in which n counts clusters; products are those of sums within clusters, each rounded once."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    n = int(np.count_nonzero(np.logical_or.reduceat(weighs & (entry.v > 0.0), starts)))
    z, v, places = segment_sums(entry.z, starts), segment_sums(entry.v, starts), 0
    if not np.isfinite(z).all():
        z, places = segment_sums(np.ldexp(entry.z, -64), starts), 64  # in units in which doubles hold the sums
    (_, zz), (_, vv) = exact_power_sums(z), exact_power_sums(v)
    products = zz << 2 * places, exact_dot(z, v) << places, vv
    return Moments(n, entry.n_infinite, exact_sum(entry.z), exact_sum(entry.v), *products, entry.n_undefined)
