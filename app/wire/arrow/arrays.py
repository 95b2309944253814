"""Arrow arrays, of IPC streams and of Parquet files, as columns."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from app.core.batch.texts import NULL, texts_of
from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, Column, IntArray, Ragged, marked_rows, owned
from app.errors import InvalidInput, MalformedBody, clip
from app.wire.arrow.dictionaries import Dictionaries, categories_of, check_views, refuse_nulls, repeated
from app.wire.arrow.schema import Chosen, is_slices
from app.wire.arrow.storage import of_decimals, storage, written
from app.wire.columns import STRING, rows_of
from app.wire.fields import Field, Masks, Place, gathered, in_order, in_rows, value_mask
from app.wire.numbered import ONE_TYPE, Group

AS_DICTIONARY = re.compile(r"dictionary<values=(\w+), indices=\w+, ordered=\d>")
"""A type that pyarrow reads into a dictionary, though the file has it plain; errors name the plain type."""

PART_ROWS = 1 << 16
"""The most rows of a part that is scored at once."""
PART_BYTES = 4 << 20
"""The bytes of a part, as nearly as whole rows allow."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn errors of pyarrow about a body into `MalformedBody`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, StopIteration) as error:
        raise MalformedBody(f"must be {what}: {clip(str(error))}") from error


@contextmanager
def readable(field: Field) -> Iterator[None]:
    """Turn errors of pyarrow about the values of a column into `InvalidInput`."""
    try:
        yield
    except pa.ArrowException as error:
        rule = f"must hold values that can be read: {clip(str(error))}"
        raise InvalidInput.at(field.pointer, "wrong_type", rule) from error


def parts_of(
    batch: pa.RecordBatch, chosen: Chosen, first_row: int, dictionaries: Dictionaries
) -> Iterator[dict[str, Any]]:
    """Yield the columns of a valid record batch, at most `PART_ROWS` rows and about `PART_BYTES` at a time.

    They are views of the batch, but for the last of several, a copy: the batch can go while that one waits for more.
    Where the batch has other columns too, all are copies, or few bytes would keep many.
    """
    n_bytes = max(batch.get_total_buffer_size(), 8 * sum(map(_n_values, batch.columns)))
    step = max(1, min(PART_ROWS, PART_BYTES * len(batch) // max(1, n_bytes)))
    for start in at_checkpoints(range(0, len(batch), step)):
        row = first_row + start
        arrays = dict(_arrays(batch.slice(start, step), chosen))
        if chosen.categories is not None and chosen.columns.categories is None:
            chosen.columns.categories = categories_of(arrays[chosen.categories])
        is_copied = chosen.is_partial or 0 < start >= len(batch) - step
        make = partial(_part, chosen, arrays, row, dictionaries, is_copied=is_copied)
        part = chosen.columns.tried(row, min(step, len(batch) - start), make)
        if part is not None:
            yield part


def _part(  # noqa: PLR0913 the last argument comes when rows are left out
    chosen: Chosen,
    arrays: Mapping[int, pa.Array],
    first_row: int,
    dictionaries: Dictionaries,
    rows: IntArray | None,
    *,
    is_copied: bool,
) -> dict[str, Any]:
    """The columns of arrays at some rows, of None at all."""
    if rows is not None:
        arrays = {place: array.take(pa.array(rows)) for place, array in arrays.items()}
    columns = list(_columns(chosen.groups, arrays, first_row, dictionaries))
    return gathered([group.field for group in chosen.groups], map(owned, columns) if is_copied else columns)


def _n_values(array: pa.Array) -> int:
    if types.is_fixed_size_list(array.type):
        return len(array) * int(array.type.list_size)
    if types.is_list(array.type) or types.is_large_list(array.type):
        return len(array.values)
    return len(array)


def _arrays(batch: pa.RecordBatch, chosen: Chosen) -> Iterator[tuple[int, pa.Array]]:
    """The columns of a batch, which has the chosen ones, with their places; a null struct has null children."""
    for name, first, array in zip(batch.schema.names, chosen.first, batch.columns, strict=bool(chosen.first)):
        yield from enumerate(array.flatten() if is_slices(name, array.type) else [array], first)


def _columns(
    groups: list[Group], arrays: Mapping[int, pa.Array], first_row: int, dictionaries: Dictionaries
) -> Iterator[Column]:
    masks = Masks()
    for group in groups:
        scored = masks.of(group.field)
        with readable(group.field):
            if group.nested:
                column = _stacked(group, arrays, first_row, scored, dictionaries)
            else:
                column = column_of_array(group.field, arrays[group.places[0]], first_row, scored, dictionaries)
        masks.add(group.field, column)
        yield column


def _stacked(
    group: Group, arrays: Mapping[int, pa.Array], first_row: int, scored: Column | None, dictionaries: Dictionaries
) -> Column:
    width = len(group.places)
    marks = value_mask(scored, np.full(len(arrays[group.places[0]]), width))
    columns = [
        _values(
            group.field,
            arrays[place],
            _beside(first_row, j),
            None if marks is None else marks[j::width],
            dictionaries,
        )
        for j, place in enumerate(group.places)
    ]
    if len({column.dtype.kind for column in columns}) > 1:
        raise InvalidInput.at(group.field.pointer, "wrong_type", ONE_TYPE)
    return np.stack(columns, axis=1)


def _beside(first_row: int, j: int) -> Place:
    return lambda position: (first_row + position, j)


def column_of_array(
    field: Field, array: pa.Array, first_row: int, scored: Column | None, dictionaries: Dictionaries
) -> Column:
    """The values of an Arrow array, without copying where they stand side by side as they are needed.

    Args:
        first_row: Rows of the body before this array, for the pointers of errors.
        scored: The mask, of a value a row or of lists; where it is False, null may stand.

    Raises:
        InvalidInput: Of a type that the field may not hold, or null where only values may be.
        TooLarge: The strings hold more than `MAX_STRING_BYTES`.
    """
    array, place = storage(field, array), in_order(first_row)
    is_list = types.is_list(array.type) or types.is_large_list(array.type) or _is_list_view(array.type)
    if is_list or types.is_fixed_size_list(array.type):
        if array.null_count == len(array) > 0 and scored is not None and not marked_rows(scored).any():
            return Ragged(np.empty(0, field.kinds[0].dtype), np.zeros(len(array) + 1, np.int64))
        array = _without_nulls(field, array, place, value_mask(scored, np.ones(len(array), np.int64)), "a list")
    if types.is_fixed_size_list(array.type):
        width = array.type.list_size
        if width < 1:
            raise InvalidInput.at(
                field.pointer, "wrong_shape", "must hold lists of at least one value, found empty ones"
            )
        marks = value_mask(scored, np.full(len(array), width))
        return _values(field, array.flatten(), in_order(first_row, width), marks, dictionaries).reshape(-1, width)
    if is_list:
        offsets = _offsets(field, array)
        marks = value_mask(scored, np.diff(offsets))
        return rows_of(
            _values(field, array.flatten(), in_rows(first_row, offsets), marks, dictionaries), np.diff(offsets)
        )
    return _values(field, array, place, value_mask(scored, np.ones(len(array), np.int64)), dictionaries)


def _is_list_view(type_: pa.DataType) -> bool:
    return bool(types.is_list_view(type_) or types.is_large_list_view(type_))


def _offsets(field: Field, array: pa.Array) -> IntArray:
    """The offsets (n + 1,) at which the rows of an array of lists begin and end in its flattened values.

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


def _values(
    field: Field, array: pa.Array, place: Place, scored: BoolArray | None, dictionaries: Dictionaries
) -> NDArray[Any]:
    """The values of an array without lists; `scored` has a mark for each."""
    array = storage(field, array)
    if not field.takes_null:
        return _cast(field, array, place, scored, dictionaries)
    if types.is_null(array.type):
        return np.full(len(array), NULL, np.object_)
    array = written(array)
    is_null: BoolArray = array.is_null().to_numpy(zero_copy_only=False)
    values = _cast(field, array, place, np.zeros(len(array), np.bool_), dictionaries)
    is_null = is_null if scored is None else is_null & scored
    return texts_of(values, is_null) if values.dtype.kind == "f" or is_null.any() else values


def _cast(
    field: Field, array: pa.Array, place: Place, scored: BoolArray | None, dictionaries: Dictionaries
) -> NDArray[Any]:
    type_ = array.type.value_type if types.is_dictionary(array.type) else array.type
    if types.is_null(type_) and not len(array):  # the values of lists that are all empty have no type
        return np.empty(0, field.kinds[0].dtype)
    if types.is_decimal(type_) and (field.kinds[0].dtype.kind == "f" or field.rule.takes_whole):
        array = of_decimals(field, array)
        type_ = array.type
    kind = field.kind(_code(type_), AS_DICTIONARY.sub(r"\1", str(type_)), _hint(field, type_))
    if kind.dtype.kind != "f":
        array = _without_nulls(field, array, place, scored, "a value")
    if kind.dtype.kind != "O":
        array = array.dictionary_decode() if types.is_dictionary(array.type) else array
        return field.cast(array.to_numpy(zero_copy_only=False), kind, place, scored)
    if field.name != "cluster_id" and (types.is_string(array.type) or types.is_large_string(array.type)):
        return repeated(array)  # clusters are many
    if types.is_dictionary(array.type):
        return dictionaries.named(field, array, place, scored)
    check_views(array)
    strings: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return strings


def _code(type_: pa.DataType) -> str:
    """The code in NumPy for values of a type; `-` for a type that no column holds."""
    if types.is_floating(type_):
        return "f"
    if types.is_integer(type_):
        return "i"
    if types.is_boolean(type_):
        return "b"
    is_text = types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)
    return "O" if is_text else "-"


def _without_nulls(field: Field, array: pa.Array, place: Place, scored: BoolArray | None, what: str) -> pa.Array:
    """An array that holds the first of its values where it was null and is not scored.

    Raises:
        InvalidInput: It is null where it is scored.
    """
    if not array.null_count:
        return array
    is_null: BoolArray = array.is_null().to_numpy(zero_copy_only=False)
    refuse_nulls(field, is_null, place, scored, what)
    filled = np.flatnonzero(~is_null)
    if len(filled):
        return array.take(pa.array(np.where(is_null, filled[0], np.arange(len(array)))))
    type_ = array.type.value_type if types.is_dictionary(array.type) else array.type
    return pa.array([""] * len(array), type_) if _code(type_) == "O" else pa.array(np.zeros(len(array)), type_)


def _hint(field: Field, type_: pa.DataType) -> str:
    """The advice about a type that no column holds; empty if nothing is known to help."""
    if types.is_struct(type_) or types.is_map(type_):
        lists = f"; send a list column, or numbered columns {field.name}_0, {field.name}_1 and so on"
        return f"{lists} (of vectors, Spark makes lists by vector_to_array)" if field.rule.nested else ""
    if _code(type_) == "O" and field.kinds[0].dtype.kind == "f":
        return "; cast to double"
    if _code(type_) == "-" and STRING in field.kinds:
        return "; cast to string"
    return ""
