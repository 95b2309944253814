"""What a request is made of before it becomes a batch: named columns of values."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of uneven length, end to end.

    Attributes:
        values: All values, row after row.
        offsets: (n + 1,) where row i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: NDArray[Any]
    offsets: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: IntArray) -> "Ragged":
        """Some of the rows, in the order given."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        return Ragged(self.values[places], offsets)

    def pointer(self, field: str, position: int) -> str:
        """The JSON pointer of the value at `position` of `values`."""
        row = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return f"/{field}/{row}/{position - int(self.offsets[row])}"


Column: TypeAlias = NDArray[Any] | Ragged
