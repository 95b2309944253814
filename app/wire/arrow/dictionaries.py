"""The strings of dictionaries, which batch after batch may use: each becomes an object of Python once."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from app.core import kernels
from app.core.batch.texts import NULL
from app.core.columns import BoolArray, IntArray
from app.errors import TooLarge
from app.wire.fields import Field, Place

MAX_STRING_BYTES = 1 << 26
"""The most bytes of the strings of one column of a part: views and dictionaries may repeat one long string."""
MAX_CATEGORIES = 100_000
"""The most categories that can be the classes of a request."""

NOT_MADE = 0


class _Known(NamedTuple):
    """A dictionary as it came, the same without views, and its strings as far as they are made."""

    came: pa.Array
    plain: pa.Array
    strings: NDArray[Any]


class Dictionaries:
    """The last dictionary of each column of a body, with the strings of it that have occurred."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def named(self, field: Field, array: pa.DictionaryArray, place: Place, scored: BoolArray | None) -> NDArray[Any]:
        """The strings (n,) behind their positions in a dictionary; one that is null and not scored is the first other.

        Raises:
            InvalidInput: A string is null where it is scored.
            TooLarge: The strings hold more than `MAX_STRING_BYTES`.
        """
        used, codes = _used(array.indices.to_numpy().astype(np.int64, copy=False))
        strings = self._strings(field.pointer, array.dictionary, used)
        are_null = np.array([text is None for text in strings.tolist()], np.bool_)
        if field.takes_null:
            strings[are_null] = NULL
        elif are_null.any():
            is_null = are_null[codes]
            refuse_nulls(field, is_null, place, scored, "a value")
            filled = np.flatnonzero(~is_null)
            strings[are_null] = strings[codes[filled[0]]] if len(filled) else ""
        return strings[codes]

    def _strings(self, name: str, dictionary: pa.Array, used: IntArray) -> NDArray[Any]:
        """The strings at some positions of the dictionary of a column; None for null."""
        known = self._known.get(name)
        if known is None or not _are_one(known.came, dictionary):
            check_views(dictionary)
            # pyarrow cannot `take` from views
            plain = dictionary.cast(pa.large_string()) if types.is_string_view(dictionary.type) else dictionary
            known = self._known[name] = _Known(dictionary, plain, np.full(len(dictionary), NOT_MADE, np.object_))
        missing = used[np.equal(known.strings[used], NOT_MADE).astype(np.bool_)]
        if len(missing):
            known.strings[missing] = known.plain.take(pa.array(missing)).to_numpy(zero_copy_only=False)
        found: NDArray[Any] = known.strings[used]
        return found


def _are_one(known: pa.Array, other: pa.Array) -> bool:
    """Tell if two arrays are views of the same memory, which cannot hold anything else as long as one is held."""
    return _places(known) == _places(other)


def _places(array: pa.Array) -> tuple[object, ...]:
    buffers = [(buffer.address, buffer.size) if buffer else None for buffer in array.buffers()]
    return array.type, array.offset, len(array), buffers


def categories_of(array: pa.DictionaryArray) -> tuple[str, ...]:
    """The names of categories, in the order of their dictionary; none where there are too many, or other values."""
    values = array.dictionary
    if len(values) > MAX_CATEGORIES or not (types.is_integer(values.type) or _is_text(values.type)):
        return ()
    check_views(values)
    return tuple(str(value) for value in values.to_pylist() if value is not None)


def _is_text(type_: pa.DataType) -> bool:
    return bool(types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_))


def repeated(array: pa.Array) -> NDArray[Any]:
    """The strings of an array without null; of a few that come many times, as names of slices do, each is made once."""
    _, offsets, text = array.buffers()
    dtype = np.int64 if types.is_large_string(array.type) else np.int32
    starts = np.frombuffer(offsets, dtype)[array.offset :][: len(array) + 1] if len(array) else np.zeros(1)
    found = kernels.distinct_texts(np.frombuffer(text or b"", np.uint8), starts.astype(np.int64))
    strings: NDArray[Any]
    if found is None:
        strings = array.to_numpy(zero_copy_only=False)
        return strings
    codes, first = found
    # a call of `take` lasts longer than single strings do
    strings = np.array([array[place].as_py() for place in first.tolist()], np.object_)
    return strings[codes]


def check_views(array: pa.Array) -> None:
    """Refuse views of strings that hold more than `MAX_STRING_BYTES` together.

    Raises:
        TooLarge: They do.
    """
    if types.is_string_view(array.type) and len(array):
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)[array.offset : array.offset + len(array)]
        if views[:, 0].sum(dtype=np.int64) > MAX_STRING_BYTES:
            raise TooLarge(f"the strings of a record batch must hold at most {MAX_STRING_BYTES} bytes")


def refuse_nulls(field: Field, is_null: BoolArray, place: Place, scored: BoolArray | None, what: str) -> None:
    """Refuse nulls where something is scored.

    Raises:
        InvalidInput: There are some; the pointers name each.
    """
    wrong = np.flatnonzero(is_null if scored is None else is_null & scored)
    if len(wrong):
        raise field.refusal(wrong.tolist(), place, "wrong_type", lambda _: f"must be {what}, found null")


def _used(indices: IntArray) -> tuple[IntArray, IntArray]:
    """The different ones among indices, and which of these each is."""
    found = kernels.distinct(indices)
    if found is None:
        return np.unique(indices, return_inverse=True)
    codes, first = found
    return indices[first], codes
