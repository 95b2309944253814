"""Arrow arrays, of IPC streams and of Parquet files, as columns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from app.core.columns import Column, IntArray, Ragged
from app.errors import InvalidInput, MalformedBody, TooLarge, clip
from app.wire.columns import rows_of
from app.wire.limits import Limits
from app.wire.numbered import Group, groups_of
from app.wire.typed import SLICE, Field, Place, gathered, in_order, in_rows

MAX_STRING_BYTES = 1 << 26
"""Of the strings of one column of a part: views and dictionaries may name one long string again and again."""

INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the columns in which it keeps the numbers of rows."""

PART_ROWS = 1 << 16
PART_BYTES = 4 << 20


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns what pyarrow raises about a body into `MalformedBody`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, StopIteration) as error:
        raise MalformedBody(f"must be {what}: {clip(str(error))}") from error


@contextmanager
def readable(field: Field) -> Iterator[None]:
    """Turns what pyarrow cannot do with the values of a column into `InvalidInput`."""
    try:
        yield
    except pa.ArrowException as error:
        rule = f"must hold values that can be read: {clip(str(error))}"
        raise InvalidInput.at(field.pointer, "wrong_type", rule) from error


def groups_of_schema(schema: pa.Schema, limits: Limits) -> list[Group]:
    """The columns of a request that those of a schema make; a struct `slices` counts as its children.

    Raises:
        TooLarge: More columns than `max_columns`.
        InvalidInput: A name is no column of a scoring request, or comes twice.
    """
    names: list[str] = []
    for field in schema:
        names += _children(field.type) if _is_slices(field.name, field.type) else [field.name]
    return groups_of({place: name for place, name in enumerate(names) if not INDEX.fullmatch(name)}, limits)


def parts_of(batch: pa.RecordBatch, groups: list[Group], first_row: int) -> Iterator[dict[str, Any]]:
    """Columns of a valid record batch, of at most `PART_ROWS` rows and about `PART_BYTES` at a time.

    Of a batch that makes several they are copies: the batch can go while its parts stay.
    """
    n_bytes = max(batch.get_total_buffer_size(), 8 * sum(map(_n_values, batch.columns)))
    step = max(1, min(PART_ROWS, PART_BYTES * len(batch) // max(1, n_bytes)))
    for start in range(0, len(batch), step):
        row = first_row + start
        arrays = list(_arrays(batch.slice(start, step), row))
        columns = [_column(group, arrays, row) for group in groups]
        if step < len(batch):
            columns = list(map(_copied, columns))
        yield gathered([group.field for group in groups], columns)


def _n_values(array: pa.Array) -> int:
    if types.is_fixed_size_list(array.type):
        return len(array) * int(array.type.list_size)
    if types.is_list(array.type) or types.is_large_list(array.type):
        return len(array.values)
    return len(array)


def _copied(column: Column) -> Column:
    return Ragged(column.values.copy(), column.offsets) if isinstance(column, Ragged) else column.copy()


def _arrays(batch: pa.RecordBatch, first_row: int) -> Iterable[pa.Array]:
    """The columns of a batch in the order of the names in `groups_of_schema`.

    Raises:
        InvalidInput: A struct `slices` is null in some row.
    """
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if not _is_slices(name, array.type):
            yield array
            continue
        _refuse_nulls(Field(name, "/slices", ()), array, in_order(first_row), "an object")
        yield from (array.field(i) for i in range(array.type.num_fields))


def _column(group: Group, arrays: Sequence[pa.Array], first_row: int) -> Column:
    with readable(group.field):
        if not group.nested:
            return column_of_array(group.field, arrays[group.places[0]], first_row)
        return _stacked(group, arrays, first_row)


def _stacked(group: Group, arrays: Sequence[pa.Array], first_row: int) -> Column:
    columns = [_values(group.field, arrays[place], _beside(first_row, j)) for j, place in enumerate(group.places)]
    if len({column.dtype.kind for column in columns}) > 1:
        rule = "must hold values of one type in all columns, found several"
        raise InvalidInput.at(group.field.pointer, "wrong_type", rule)
    return np.stack(columns, axis=1)


def _beside(first_row: int, j: int) -> Place:
    return lambda position: (first_row + position, j)


def column_of_array(field: Field, array: pa.Array, first_row: int) -> Column:
    """The values of an Arrow array, without copying where they stand side by side as they are needed.

    Args:
        first_row: Rows of the body before this array, for the pointers of errors.

    Raises:
        InvalidInput: Of a type that the field may not hold, or null where only values may be.
        TooLarge: The strings hold more than `MAX_STRING_BYTES`.
    """
    array = _storage(field, array)
    if types.is_fixed_size_list(array.type):
        width = array.type.list_size
        if width < 1:
            raise InvalidInput.at(
                field.pointer, "wrong_shape", "must hold lists of at least one value, found empty ones"
            )
        _refuse_nulls(field, array, in_order(first_row), "a list")
        return _values(field, array.flatten(), in_order(first_row, width)).reshape(-1, width)
    if types.is_list(array.type) or types.is_large_list(array.type) or _is_list_view(array.type):
        _refuse_nulls(field, array, in_order(first_row), "a list")
        offsets = _offsets(field, array)
        return rows_of(_values(field, array.flatten(), in_rows(first_row, offsets)), np.diff(offsets))
    return _values(field, array, in_order(first_row))


def _storage(field: Field, array: pa.Array) -> pa.Array:
    """An array without its extension type.

    Raises:
        InvalidInput: Of tensors that are no lists.
    """
    if isinstance(array.type, pa.FixedShapeTensorType) and len(array.type.shape) != 1:
        rule = f"must hold a list a row, found tensors of shape {clip(str(array.type.shape))}"
        raise InvalidInput.at(field.pointer, "wrong_shape", rule)
    if isinstance(array.type, pa.Bool8Type):
        return compute.not_equal(array.storage, 0)
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _is_list_view(type_: pa.DataType) -> bool:
    return bool(types.is_list_view(type_) or types.is_large_list_view(type_))


def _offsets(field: Field, array: pa.Array) -> IntArray:
    """(n + 1,) where the rows of an array of lists begin and end in its flattened values.

    Raises:
        InvalidInput: Rows share values, which then would be read time and again.
    """
    if not _is_list_view(array.type):
        offsets: IntArray = array.offsets.to_numpy().astype(np.int64)
        offsets -= offsets[0]
        return offsets
    starts, lengths = (part.to_numpy().astype(np.int64) for part in (array.offsets, array.sizes))
    starts, ends = starts[lengths > 0], (starts + lengths)[lengths > 0]
    if len(starts) and lengths.sum() > ends.max() - starts.min():
        raise InvalidInput.at(field.pointer, "wrong_type", "must hold lists, found views of lists that share values")
    return np.concatenate([[0], np.cumsum(lengths)])


def _is_slices(name: str, type_: pa.DataType) -> bool:
    return name == "slices" and types.is_struct(type_)


def _children(struct: pa.StructType) -> list[str]:
    return [SLICE + struct.field(i).name for i in range(struct.num_fields)]


def _values(field: Field, array: pa.Array, place: Place) -> NDArray[Any]:
    array = _storage(field, array)
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
    _check_views(array)
    strings: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return strings


def _check_views(array: pa.Array) -> None:
    if types.is_string_view(array.type) and len(array):
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)[array.offset : array.offset + len(array)]
        if views[:, 0].sum(dtype=np.int64) > MAX_STRING_BYTES:
            raise TooLarge(f"the strings of a record batch must hold at most {MAX_STRING_BYTES} bytes")


def _named(field: Field, array: pa.DictionaryArray, place: Place) -> NDArray[Any]:
    """Strings by their places in a dictionary, each made once, and only those that occur."""
    used, codes = np.unique(array.indices.to_numpy(), return_inverse=True)
    names = array.dictionary
    if types.is_string_view(names.type):  # of views, pyarrow cannot take some
        _check_views(names)
        names = names.cast(pa.large_string())
    names = names.take(pa.array(used))
    if names.null_count:
        _refuse_nulls(field, names.take(pa.array(codes)), place, "a value")
    return _strings(names)[codes]


def _refuse_nulls(field: Field, array: pa.Array, place: Place, what: str) -> None:
    if array.null_count:
        positions = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist()
        raise field.refusal(positions, place, "wrong_type", lambda _: f"must be {what}, found null")
