"""Arrow arrays, of IPC streams and of Parquet files, as columns."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from app.core.columns import Column
from app.errors import InvalidInput, MalformedBody, TooLarge
from app.wire.json import clipped
from app.wire.limits import Limits
from app.wire.typed import SLICE, Field, Place, fields_of, gathered, in_order, in_rows, rows_of

MAX_STRING_BYTES = 1 << 26
"""Of the strings of one column of a part: views and dictionaries may name one long string again and again."""


PART_ROWS = 1 << 16
PART_BYTES = 8 << 20


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns what pyarrow raises about a body into `MalformedBody`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, StopIteration) as error:
        raise MalformedBody(f"must be {what}: {clipped(str(error))}") from error


def names_of(schema: pa.Schema, limits: Limits) -> list[Field]:
    """The fields of a schema; a struct `slices` counts as its children.

    Raises:
        TooLarge: More columns than `max_columns`.
        InvalidInput: A name is no column of a scoring request, or comes twice.
    """
    names: list[str] = []
    for field in schema:
        names += _children(field.type) if _is_slices(field.name, field.type) else [field.name]
    return fields_of(names, limits)


def parts_of(batch: pa.RecordBatch, fields: list[Field], first_row: int) -> Iterator[dict[str, Any]]:
    """Columns of a valid record batch, of at most `PART_ROWS` rows and about `PART_BYTES` at a time."""
    step = max(1, min(PART_ROWS, PART_BYTES * len(batch) // max(1, batch.get_total_buffer_size())))
    for start in range(0, len(batch), step):
        row = first_row + start
        arrays = _arrays(batch.slice(start, step), row)
        yield gathered(fields, [column_of_array(f, array, row) for f, array in zip(fields, arrays, strict=True)])


def _arrays(batch: pa.RecordBatch, first_row: int) -> Iterable[pa.Array]:
    """The columns of a batch in the order of `names_of`.

    Raises:
        InvalidInput: A struct `slices` is null in some row.
    """
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if not _is_slices(name, array.type):
            yield array
            continue
        _refuse_nulls(Field(name, "/slices", ()), array, in_order(first_row), "an object")
        yield from (array.field(i) for i in range(array.type.num_fields))


def column_of_array(field: Field, array: pa.Array, first_row: int) -> Column:
    """The values of an Arrow array, without copying where they stand side by side as they are needed.

    Args:
        first_row: Rows of the body before this array, for the pointers of errors.

    Raises:
        InvalidInput: Of a type that the field may not hold, or null where only values may be.
        TooLarge: The strings hold more than `MAX_STRING_BYTES`.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if types.is_fixed_size_list(array.type):
        width = array.type.list_size
        if width < 1:
            raise InvalidInput.at(
                field.pointer, "wrong_shape", "must hold lists of at least one value, found empty ones"
            )
        _refuse_nulls(field, array, in_order(first_row), "a list")
        return _values(field, array.flatten(), in_order(first_row, width)).reshape(-1, width)
    if types.is_list(array.type) or types.is_large_list(array.type):
        _refuse_nulls(field, array, in_order(first_row), "a list")
        offsets = array.offsets.to_numpy().astype(np.int64)
        offsets -= offsets[0]
        return rows_of(_values(field, array.flatten(), in_rows(first_row, offsets)), offsets)
    return _values(field, array, in_order(first_row))


def _is_slices(name: str, type_: pa.DataType) -> bool:
    return name == "slices" and types.is_struct(type_)


def _children(struct: pa.StructType) -> list[str]:
    return [SLICE + struct.field(i).name for i in range(struct.num_fields)]


def _values(field: Field, array: pa.Array, place: Place) -> NDArray[Any]:
    type_ = array.type.value_type if types.is_dictionary(array.type) else array.type
    kind = field.kind(_code(type_), str(array.type))
    if kind.dtype.kind != "f":
        _refuse_nulls(field, array, place, "a value")
    if kind.dtype.kind != "O":
        array = array.dictionary_decode() if types.is_dictionary(array.type) else array
        return field.cast(array.to_numpy(zero_copy_only=False), kind, place)
    return _named(field, array, place) if types.is_dictionary(array.type) else _strings(array)


def _code(type_: pa.DataType) -> str:
    """NumPy's code for what values of a type become; none for a type that no column holds."""
    if types.is_floating(type_):
        return "f"
    if types.is_integer(type_):
        return "i"
    if types.is_boolean(type_):
        return "b"
    is_text = types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)
    return "O" if is_text else "-"


def _strings(array: pa.Array) -> NDArray[Any]:
    if types.is_string_view(array.type):
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)[array.offset : array.offset + len(array)]
        if views[:, 0].sum(dtype=np.int64) > MAX_STRING_BYTES:
            raise TooLarge(f"the strings of a record batch must hold at most {MAX_STRING_BYTES} bytes")
    strings: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return strings


def _named(field: Field, array: pa.DictionaryArray, place: Place) -> NDArray[Any]:
    """Strings by their places in a dictionary, each made once, and only those that occur."""
    used, codes = np.unique(array.indices.to_numpy(), return_inverse=True)
    names = array.dictionary.take(pa.array(used))
    if names.null_count:
        _refuse_nulls(field, names.take(pa.array(codes)), place, "a value")
    return _strings(names)[codes]


def _refuse_nulls(field: Field, array: pa.Array, place: Place, what: str) -> None:
    if array.null_count:
        positions = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist()
        raise field.refusal(positions, place, "wrong_type", lambda _: f"must be {what}, found null")
