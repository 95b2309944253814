"""Columns: named values, as a request holds them before it becomes a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from app.core.tasks import COLUMNS, ValueKind
from app.errors import InvalidInput

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

    def take(self, rows: IntArray | slice) -> "Ragged":
        """The rows at some positions, in the order given; a slice without a step gives a view."""
        if isinstance(rows, slice):
            offsets = self.offsets[rows.start : rows.stop + 1]
            return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        return Ragged(self.values[places], offsets)

    def pointer(self, field: str, position: int) -> str:
        """The JSON pointer of the value at `position` of `values`."""
        row = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return f"/{field}/{row}/{position - int(self.offsets[row])}"


Column: TypeAlias = NDArray[Any] | Ragged


def marked_rows(mask: Column) -> BoolArray:
    """The rows (n,) in which a mask marks something: one of a value a row, or of lists, which may be empty."""
    if isinstance(mask, Ragged):
        return np.diff(np.flatnonzero(mask.values).searchsorted(mask.offsets)) > 0
    return mask if mask.ndim == 1 else np.logical_or.reduce(mask, axis=1)


def owned(column: Column) -> Column:
    """The column, as a copy where it is a view of memory that holds more."""
    if isinstance(column, Ragged):
        return Ragged(_owned(column.values), _owned(column.offsets))
    return _owned(column)


def _owned(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.base is None else values.copy()


def joined_columns(parts: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """The columns of several parts, joined by rows."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(parts: list[Column]) -> Column:
    """Join the parts of a column; parts whose rows differ in length make it ragged."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    ragged = list(map(_ragged, parts))
    starts = np.cumsum([0, *(len(part.values) for part in ragged)])
    offsets = [part.offsets[1:] + start for part, start in zip(ragged, starts, strict=False)]
    return Ragged(np.concatenate([part.values for part in ragged]), np.concatenate([[0], *offsets]))


def _ragged(column: Column) -> Ragged:
    if isinstance(column, Ragged):
        return column
    n_rows, width = column.shape
    return Ragged(column.ravel(), np.arange(n_rows + 1, dtype=np.int64) * width)


_WORDS = {"b": "booleans", "i": "integers", "f": "numbers", "U": "strings"}
_NUMBERS = "fi"
_LETTERS: dict[ValueKind, str] = {
    "number": _NUMBERS,
    "score": _NUMBERS,
    "integer": "i",
    "boolean": "b",
    "string": "U",
}
_KINDS = {name: "".join(_LETTERS[kind] for kind in column.kinds) for name, column in COLUMNS.items()}
_DTYPES: dict[str, DTypeLike] = {"b": np.bool_, "i": np.int64, "f": np.float64, "U": np.object_}


def kind_of(column: Column) -> str:
    """The letter for the kind of a column's values: b booleans, i integers, f numbers, U strings, V anything else."""
    kind = (column.values if isinstance(column, Ragged) else column).dtype.kind
    return {"u": "i", "O": "U"}.get(kind, kind if kind in _WORDS else "V")


def checked_column(field: str, column: Column, pointer: str) -> Column:
    """Check the kind of a field's values and cast them to the core's type for it; float32 and float64 are kept.

    Raises:
        InvalidInput: The values are of a kind that the field never holds, such as numbers with a fraction for labels.
    """
    kind, allowed = kind_of(column), _KINDS[field]
    if kind not in allowed:
        words = " or ".join(_WORDS[letter] for letter in allowed)
        raise InvalidInput.at(pointer, "wrong_type", f"must hold {words}, found {_WORDS.get(kind, 'something else')}")
    if isinstance(column, Ragged):
        return replace(column, values=_cast(column.values, kind, allowed))
    return _cast(column, kind, allowed)


def _cast(values: NDArray[Any], kind: str, allowed: str) -> NDArray[Any]:
    if allowed == _NUMBERS:
        dtype: DTypeLike = values.dtype.newbyteorder("=") if values.dtype.char in "df" else np.float64
    else:
        dtype = _DTYPES[kind]
    return np.require(values, dtype, "A")
