"""Columns that say which group a row belongs to: clusters of dependent rows, and slices of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.columns import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The group of each row.

    Attributes:
        codes: (n,) position in `names` of the group of each row.
        names: The distinct values of the column, in order, as they stand for names in JSON.
    """

    codes: IntArray
    names: list[str]

    def rows(self) -> Iterator[tuple[str, IntArray]]:
        """The rows of each group, rising, by name."""
        counts = np.bincount(self.codes, minlength=len(self.names))
        order = np.argsort(self.codes, kind="stable")
        return zip(self.names, np.split(order, np.cumsum(counts)[:-1]), strict=True)

    def take(self, rows: IntArray | slice) -> "Grouping":
        """The grouping of some rows; groups that lose all rows keep their name."""
        return Grouping(self.codes[rows], self.names)


def grouping_of(values: NDArray[Any]) -> Grouping:
    """Group the rows of (n,) integers, booleans or strings by value."""
    if values.dtype == object:  # not np.unique, which gives every string the room of the longest
        index = {name: code for code, name in enumerate(sorted(set(values.tolist())))}
        return Grouping(np.array([index[name] for name in values.tolist()], dtype=np.int64), list(index))
    names, codes = np.unique(values, return_inverse=True)
    shown = [str(name).lower() for name in names.tolist()]  # true, not True
    return Grouping(codes.astype(np.int64, copy=False), shown)
