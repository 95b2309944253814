"""Moments of columns of numerators over columns of denominators: exact sums, and sums of products."""

from collections.abc import Iterator, Mapping
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.sums.exact import MOST, NotFinite
from app.core.sums.segments import segment_sums

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouped, Grouping


class Moments(NamedTuple):
    """The sums behind a weighted mean and its standard error, over rows with numerator z_i and denominator v_i.

    Moments of equal sums are equal, whatever unit they are counted in.

    Attributes:
        n: Rows of positive weight with a finite numerator.
        n_infinite: Rows of positive weight with an infinite numerator, which are in no sum.
        n_undefined: Rows of positive weight with a numerator that is NaN, as of 0/0; they are in no sum either.
        z, v: Exact sums of z_i and v_i, in units of 2**place.
        zz, zv, vv: Exact sums of their products, in units of 2**(2 * place).
    """

    n: int = 0
    n_infinite: int = 0
    n_undefined: int = 0
    z: int = 0
    v: int = 0
    zz: int = 0
    zv: int = 0
    vv: int = 0
    place: int = 0

    def __add__(self, other: "Moments") -> "Moments":  # type: ignore[override]  # not a longer tuple
        a, b = (self, other) if self[8] == other[8] else self.aligned(other)
        return _moments((*map(add, a[:8], b[:8]), a[8]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moments) and tuple.__eq__(*self.aligned(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:3])

    def aligned(self, other: "Moments") -> tuple["Moments", "Moments"]:
        """Moments counted in units of the smaller of their places."""
        up = self.place - other.place
        if up > 0:
            return self.raised(up, up, other.place), other
        return self, other.raised(-up, -up, self.place) if up else other

    def scaled(self, z_places: int, v_places: int) -> "Moments":
        """The moments for numerators 2**z_places times and denominators 2**v_places times as large."""
        least = min(z_places, v_places)
        return self.raised(z_places - least, v_places - least, self.place + least)

    def raised(self, z_up: int, v_up: int, place: int) -> "Moments":
        """The moments with z and v shifted by so many bits, and each product by those of both its factors."""
        n, n_infinite, n_undefined, z, v, zz, zv, vv, _ = self
        products = zz << 2 * z_up, zv << z_up + v_up, vv << 2 * v_up
        return _moments((n, n_infinite, n_undefined, z << z_up, v << v_up, *products, place))


def moments_of_rows(matrix: FloatArray, pairs: tuple[tuple[int, int], ...], weight_row: int = -1) -> list[Moments]:
    """The moments of pairs of rows of a matrix (m, n), each row a quantity.

    Args:
        pairs: Row of the numerators and row of the denominators; -1 or less for a denominator of 1 or more in
            every row. Where a numerator is infinite or no number, the pair leaves the row of the batch out.
        weight_row: The row of weights; only positive ones are counted in `n`. -1 where there are none.

    Raises:
        NotFinite: A denominator is infinite or NaN.

    >>> moments_of_rows(np.array([[1.0, 2.0, np.inf]]), ((0, -1),))
    [Moments(n=2, n_infinite=1, n_undefined=0, z=3, v=2, zz=5, zv=3, vv=2, place=0)]
    """
    if matrix.shape[1] > MOST:
        parts = (np.ascontiguousarray(matrix[:, i : i + MOST]) for i in range(0, matrix.shape[1], MOST))
        found = (moments_of_rows(part, pairs, weight_row) for part in parts)
        return [reduce(add, of_pair) for of_pair in zip(*found, strict=True)]
    return moments_and_groups(matrix, weight_row, pairs, ())[0]


def moments_and_groups(
    matrix: FloatArray, weight_row: int, pairs: tuple[tuple[int, int], ...], groupings: tuple["Grouping", ...]
) -> tuple[list[Moments], list["Grouped"]]:
    """The moments of pairs of rows, as `moments_of_rows` takes them, and sums by group, of at most `MOST` columns.

    Args:
        groupings: The group of each column (n,), the number of groups, and rows as `group_sums` takes them. Or, for
            bins, the row of the numbers that fall into them, the lower ends, whether bins hold these, and rows.

    Returns:
        Moments, and for each grouping what `group_sums` returns.

    Raises:
        NotFinite: A denominator, or a number that is summed by group, is infinite or NaN.
        ValueError: A group is out of range.
    """
    found = compiled.sums(matrix, weight_row, pairs, groupings)
    if found is None:
        raise NotFinite
    return list(map(_moments, found[0])), found[1]


_moments = partial(tuple.__new__, Moments)
"""`Moments` of a tuple of nine numbers, in a third of the time."""


class PackedMoments(Mapping[str, Moments]):
    """Moments by name as a kernel packs them: means need no more; numbers of Python are made when asked for.

    Attributes:
        packed: The moments, one after the other.
        numbers: The number of the moments of each name; several names may have the same.
    """

    __slots__ = ("_moments", "numbers", "packed")

    def __init__(self, packed: bytes, numbers: dict[str, int]) -> None:
        self.packed, self.numbers = packed, numbers
        self._moments: list[Moments] | None = None

    @classmethod
    def of(cls, moments: Mapping[str, Moments]) -> "PackedMoments":
        """Pack moments, those of each name by themselves, unless they are packed already."""
        if isinstance(moments, PackedMoments):
            return moments
        return cls(compiled.pack(list(moments.values())), {name: number for number, name in enumerate(moments)})

    def __getitem__(self, name: str) -> Moments:
        if self._moments is None:
            self._moments = list(map(_moments, compiled.unpack(self.packed)))
        return self._moments[self.numbers[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def column_moments(z: FloatArray, v: FloatArray) -> Moments:
    """The moments of numerators (n,) over denominators (n,) of any length."""
    parts = (
        moments_of_rows(np.array((z[start : start + MOST], v[start : start + MOST])), ((0, 1),))[0]
        for start in range(0, len(z), MOST)
    )
    return reduce(add, parts, Moments())


def clustered_moments(matrix: FloatArray, pair: tuple[int, int], weight_row: int, codes: IntArray) -> Moments:
    """The moments of clusters: n counts them, and products are those of sums within clusters, each rounded once.

    Args:
        pair, weight_row: Rows of the matrix, as `moments_of_rows` takes them.
        codes: (n,) the cluster of each row; the rows of a cluster stand side by side.
    """
    z, v = matrix[pair[0]], matrix[pair[1]] if pair[1] >= 0 else np.ones(matrix.shape[1])
    of_rows, finite = column_moments(z, v), np.isfinite(z)
    counted = finite & (v > 0.0) if weight_row < 0 else finite & (v > 0.0) & (matrix[weight_row] > 0.0)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    n = int(np.count_nonzero(np.logical_or.reduceat(counted, starts)))
    z, z_places = _sums_of_clusters(np.where(finite, z, 0.0), starts)
    v, v_places = _sums_of_clusters(np.where(finite, v, 0.0), starts)
    return with_products(of_rows, column_moments(z, v).scaled(z_places, v_places))._replace(n=n)


def _sums_of_clusters(values: FloatArray, starts: IntArray) -> tuple[FloatArray, int]:
    """The sums of clusters that begin at some places, and the power of two in whose units none overflows."""
    sums = segment_sums(values, starts)
    if np.isfinite(sums).all():
        return sums, 0
    return segment_sums(np.ldexp(values, -64), starts), 64


def with_products(of_rows: Moments, of_clusters: Moments) -> Moments:
    """The moments of rows with n and the sums of products replaced by those of clusters."""
    rows, clusters = of_rows.aligned(of_clusters)
    return rows._replace(zz=clusters.zz, zv=clusters.zv, vv=clusters.vv)
