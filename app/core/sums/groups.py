"""Exact sums by group, such as a calibration bin or a class."""

from operator import add

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.records import record
from app.core.sums.exact import Exact, NotFinite


@record
class GroupSums:
    """Sums by group (bin or class), a list for each column.

    Attributes:
        columns: The sums of each column, by name. Columns whose names begin with n hold counts; all others hold exact
            sums in units of 2**place.
    """

    columns: dict[str, list[int]]
    place: int = 0

    def __getitem__(self, column: str) -> list[int]:
        return self.columns[column]

    def __add__(self, other: "GroupSums") -> "GroupSums":
        place = min(self.place, other.place)
        ours, theirs = self._in_units(place), other._in_units(place)
        return GroupSums({name: list(map(add, sums, theirs[name])) for name, sums in ours.items()}, place)

    def _in_units(self, place: int) -> dict[str, list[int]]:
        up = self.place - place
        if not up:
            return self.columns
        return {
            name: sums if is_count(name) else [total << up for total in sums] for name, sums in self.columns.items()
        }

    def exact(self, column: str) -> list[Exact]:
        """The sums of a column, or its counts."""
        return [Exact(total, 0 if is_count(column) else self.place) for total in self.columns[column]]

    def scaled(self, places: int) -> "GroupSums":
        """The sums for weights 2**places times as large; counts stay as they are."""
        return GroupSums(self.columns, self.place + places)


def is_count(column: str) -> bool:
    """Tell whether a column counts rows."""
    return column.startswith("n")


def group_sums(
    groups: IntArray, n_groups: int, matrix: FloatArray, rows: tuple[int, ...], weight_row: int = -1
) -> tuple[list[int], list[list[int]], int]:
    """Counts by group, and exact sums by group of rows of a matrix (m, n).

    Args:
        groups: (n,) the group of each column of the matrix.
        rows: Rows of the matrix; -1 stands for a row of ones, -2 for one of twos, and so on.
        weight_row: The row of weights; only positive ones are counted. -1 where there are none.

    Returns:
        Rows of positive weight in each group; a list of sums for each of `rows`; the place whose units these count.

    Raises:
        NotFinite: A number is infinite or NaN.
        ValueError: A group is out of range.

    >>> counts, (sums, ones), place = group_sums(np.array([0, 2, 0]), 3, np.array([[0.5, 1.0, 2.0]]), (0, -1))
    >>> counts, [total * 2.0**place for total in sums], [total * 2.0**place for total in ones]
    ([2, 0, 1], [2.5, 0.0, 1.0], [2.0, 0.0, 1.0])
    """
    found = compiled.sums(matrix, weight_row, (), ((np.ascontiguousarray(groups), n_groups, rows),))
    if found is None:
        raise NotFinite
    return found[1][0]
