"""Columns that say which group a row belongs to: clusters of dependent rows, and slices of a batch."""

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
        names: The distinct values of the column, in order.
    """

    codes: IntArray
    names: list[Any]

    def take(self, rows: IntArray) -> "Grouping":
        """The grouping of some rows; groups that lose all rows keep their name."""
        return Grouping(self.codes[rows], self.names)


def grouping_of(values: NDArray[Any]) -> Grouping:
    """Group the rows of (n,) integers, booleans or strings by value."""
    names, codes = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
    return Grouping(codes.astype(np.int64, copy=False), names.tolist())
