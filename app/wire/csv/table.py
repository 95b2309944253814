"""CSV (RFC 4180): a header of column names, then a row a sample."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from app.core.batch.texts import NULL, texts_of
from app.core.batch.truth import MAX_LOOKED_AT, lacking_classes, rowwise
from app.core.columns import BoolArray, Column, IntArray
from app.core.paying import hold
from app.errors import InvalidInput, MalformedBody
from app.wire.columns import BOOLEAN, INTEGER, NAMES, NUMBER, STRING
from app.wire.csv.cells import WHOLE, Cells
from app.wire.csv.header import column_names, header_fault
from app.wire.csv.quotes import Quotes
from app.wire.fields import Field, Masks, gathered, holds_scored
from app.wire.foreign import NOT_UTF_8
from app.wire.limits import Limits
from app.wire.mapping.class_names import kind_of_names
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import AUTO, Classes
from app.wire.numbered import Group
from app.wire.sources import Source
from app.wire.text import blocks

CELL_BYTES = 16
"""The memory that a byte of text takes in a table and its columns, where cells are short."""

LABELS = {
    None: (WHOLE, BOOLEAN),
    AUTO: (WHOLE, BOOLEAN, STRING),
    "integers": (WHOLE, STRING),
    "booleans": (BOOLEAN, STRING),
    "strings": (STRING,),
}
"""The kinds that labels may have, by that of the class names."""

KINDS = {"whole": WHOLE, "integer": INTEGER, "boolean": BOOLEAN, "number": NUMBER, "string": STRING}
"""The kinds that settled columns have, by names that are kept."""

Refuse: TypeAlias = Callable[[arrow_csv.InvalidRow], str]
"""A callback of pyarrow for a row of another length; the answer "error" ends the reading."""


def parts(source: Source, limits: Limits, columns: ColumnMap) -> Iterator[dict[str, Any]]:
    r"""Yield the columns of a CSV body, a mebibyte of text or so at a time.

    (n, k) columns come as `probabilities_0` to `probabilities_{k-1}`. The text is UTF-8, with or without a byte order
    mark; lines end with `\n` or `\r\n`, the last may end with the body; empty ones are skipped. Blanks around names in
    the header are dropped, and those around numbers and booleans. Numbers are decimal, or inf or nan; an empty field is
    NaN among numbers and refused elsewhere, while `""` is an empty string. A column that is empty throughout the first
    block is not set, and must be empty to the end. Booleans are `true`, `True` or `TRUE`.

    Labels are integers, or booleans if most are; where there are classes, strings if not all are like the classes.
    Clusters and slices are integers if all of the first block are, or booleans, else strings. What it decides must
    hold for the rest, but for blocks in which no row is scored. What may only be an integer may be written `1.0`.

    Raises:
        MalformedBody: No CSV with a header, or a row of another length.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the body.
        TooLarge: A row or the number of columns is beyond the limits.

    >>> from io import BytesIO
    >>> from app.wire.mapping.naming import own_names
    >>> table = b"labels,probabilities_0,probabilities_1\n1,0.25,0.75\n0,1,0\n"
    >>> list(parts(BytesIO(table), Limits(100, 10, 100, 10), ColumnMap(own_names("multiclass"))))
    [{'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  , 0.  ]])}]
    """
    groups: list[Group] = []
    n_rows, n_columns = 0, 0

    def place() -> str:
        return f"row {n_rows}" if groups else "the header"

    quotes = Quotes(place)

    def row_end(text: bytearray, start: int) -> int:
        try:
            return quotes.row_end(text, start)
        except MalformedBody:
            if not groups and (fault := header_fault(bytes(text[: limits.max_line_bytes]))):
                raise MalformedBody(fault) from None
            raise

    for block in blocks(source, limits, row_end, place):
        hold("decoded", CELL_BYTES * len(block))
        text = block
        if not groups:
            names, text = column_names(block, columns.naming)
            groups, n_columns = _groups(names, limits, columns), len(names)
        if not text.strip(b"\r\n"):
            continue
        table = _table(text, groups, n_columns, n_rows)
        groups, found = _read_parts(groups, table, n_rows, columns)
        n_rows += len(table)
        yield from found


def _read_parts(
    groups: list[Group], table: pa.Table, first_row: int, columns: ColumnMap
) -> tuple[list[Group], list[dict[str, Any]]]:
    """The groups for the rows that follow, and the columns of a table as one part; no part if all rows are skipped."""
    make = partial(_part, groups, table, first_row, is_settled=columns.kinds is not None)
    made = columns.tried(first_row, len(table), make)
    if made is None:
        return groups, []
    settled, part = made
    return _settled_by(part, settled, columns) or groups, [part]


def _part(
    groups: list[Group], table: pa.Table, first_row: int, rows: IntArray | None, *, is_settled: bool
) -> tuple[list[Group], dict[str, Any]]:
    """The groups as some rows of a table settle them, of None all, and the columns of these rows."""
    some = table if rows is None else table.take(pa.array(rows))
    settled, found = _columns(groups, some, first_row, is_settled=is_settled)
    return settled, gathered([group.field for group in settled if group.field.kinds], found)


def _settled_by(part: dict[str, Any], settled: list[Group], columns: ColumnMap) -> list[Group] | None:
    """The groups as the first part with scored rows settles them for all that follow; None before."""
    if columns.kinds is None and not holds_scored(part.get("mask")):
        return None
    columns.kinds = dict(filter(None, map(_kind_of, settled)))
    return settled


def _groups(names: list[str], limits: Limits, columns: ColumnMap) -> list[Group]:
    groups = columns.groups(dict(enumerate(names)), limits)
    found = [replace(group, field=_in_csv(group.field, columns.classes)) for group in groups]
    return [replace(group, field=_of_kind(group.field, columns.kinds or {})) for group in found]


def _kind_of(group: Group) -> tuple[str, str] | None:
    """The name of a field and that of its kind, once that is settled; the latter is empty for a column not set."""
    if len(group.field.kinds) > 1:
        return None
    return group.field.name, next((name for name, kind in KINDS.items() if group.field.kinds == (kind,)), "")


def _of_kind(field: Field, kinds: Mapping[str, str]) -> Field:
    """The field with the kind that is settled for it, if one is."""
    if field.name not in kinds:
        return field
    return field.of_kinds(*(kind for name, kind in KINDS.items() if name == kinds[field.name]))


def _in_csv(field: Field, classes: Classes) -> Field:
    """The field with the kinds that it may have in CSV, where texts alone do not tell numbers from names."""
    if field.name == "labels":
        return field.of_kinds(*LABELS[AUTO if classes == AUTO else kind_of_names(classes)])
    if field.takes_null:
        return field.of_kinds(INTEGER, STRING, BOOLEAN)
    if field.kinds == (INTEGER,):
        return field.of_kinds(WHOLE)
    return field.of_kinds(NUMBER) if field.kinds[0].dtype == NUMBER.dtype else field


def _table(text: bytes, groups: list[Group], n_columns: int, first_row: int) -> pa.Table:
    """The columns of groups with numbers read as such; with all cells as texts if one of them is no number."""
    types = {place: _type(group.field) for group in groups for place in group.places}
    try:
        return _read(text, types, n_columns)
    except pa.ArrowException:
        return _texts(text, list(types), n_columns, first_row)


def _type(field: Field) -> pa.DataType:
    return pa.float64() if field.kinds == (NUMBER,) else pa.string()


def _read(text: bytes, types: dict[int, pa.DataType], n_columns: int, refuse: Refuse | None = None) -> pa.Table:
    # pyarrow drops a byte order mark at the start of each text, even where the body only goes on.
    text = b"\n" + text if text.startswith(BOM_UTF8) else text
    names = list(map(str, range(n_columns)))
    reading = arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names)
    parsing = arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse)
    converting = arrow_csv.ConvertOptions(
        column_types={str(place): type_ for place, type_ in types.items()},
        include_columns=list(map(str, types)),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    pool = pa.system_memory_pool()  # which keeps nothing for the next request
    return arrow_csv.read_csv(pa.BufferReader(text), reading, parsing, converting, memory_pool=pool)


def _texts(text: bytes, places: list[int], n_columns: int, first_row: int) -> pa.Table:
    """The columns at some places with all cells as texts.

    Raises:
        MalformedBody: A row is no UTF-8 or of another length.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        row = first_row + n_rows_of(text[: error.start])
        found = f"found the byte {text[error.start]:#x}"
        raise MalformedBody(f"row {row} must be UTF-8, {found}; {NOT_UTF_8}") from error
    uneven: list[tuple[int, int]] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        uneven.append((first_row + row.number - 1, row.actual_columns))
        return "error"

    try:
        return _read(text, dict.fromkeys(places, pa.string()), n_columns, note)
    except pa.ArrowException as error:
        row, n_found = uneven[0]
        raise MalformedBody(f"row {row} must have {n_columns} fields like the header, found {n_found}") from error


def n_rows_of(text: bytes) -> int:
    """The number of whole rows at the beginning of a text."""
    without_quotes = re.sub(rb'"[^"]*("|\Z)', b"x", text)
    return len(re.split(rb"[\r\n]+", without_quotes.lstrip(b"\r\n"))) - 1


def _columns(
    groups: list[Group], table: pa.Table, first_row: int, *, is_settled: bool
) -> tuple[list[Group], list[Column]]:
    """The columns of the groups that are set, and the groups with the kinds that the cells of a block settle."""
    settled, columns, refusals = [], [], []
    masks = Masks()
    for group in groups:
        scored = masks.of(group.field)
        cells = _cells(group, table, first_row, scored if isinstance(scored, np.ndarray) else None)
        field = group.field if is_settled and len(group.field.kinds) < 2 else _settled(group, cells)
        settled.append(replace(group, field=field))
        try:
            column = _column(group.field, field, cells)
        except InvalidInput as refusal:
            refusals.append(refusal.with_traceback(None))  # which would hold this frame, and so itself
            continue
        if column is not None:
            columns.append(column)
            masks.add(group.field, column)
    if refusals:
        raise InvalidInput.joined(refusals)
    return settled, columns


def _cells(group: Group, table: pa.Table, first_row: int, scored: BoolArray | None) -> Cells:
    texts = pa.concat_arrays([chunk for place in group.places for chunk in table.column(str(place)).chunks])
    return Cells(texts, group.field.pointer, first_row, len(group.places) if group.nested else None, scored)


def _settled(group: Group, cells: Cells) -> Field:
    """The field with the one kind that its cells are; with none where it is not set."""
    is_empty = cells.texts.null_count == len(cells.texts)
    if is_empty and group.field.takes_null:
        return group.field
    if not group.nested and is_empty and cells.are_scored():
        return group.field.of_kinds()
    return group.field.of_kinds(cells.kind(group.field.kinds))


def _column(field: Field, settled: Field, cells: Cells) -> Column | None:
    if not settled.kinds:
        if refusal := cells.filled():
            raise refusal
        return None
    if field.takes_null and cells.texts.null_count:
        return _with_null(settled, cells)
    (kind,) = settled.kinds
    if field.pointer.startswith(NAMES):
        return cells.values(kind, _decided(cells) if kind == INTEGER else "")
    if field.name != "labels" or kind == STRING or cells.width is not None:
        return cells.values(kind, ", or nothing at all for NaN" if kind == NUMBER else "")
    try:
        return cells.values(kind, ", or a name where the query gives `classes`")
    except InvalidInput:
        if kind == WHOLE and cells.first_row == 0 and cells.are_words():
            raise lacking_classes(cells.texts.slice(0, MAX_LOOKED_AT).drop_null().to_pylist()) from None
        raise


def _with_null(settled: Field, cells: Cells) -> Column:
    """The texts of a slice some of whose rows have no value."""
    is_null: BoolArray = cells.texts.is_null().to_numpy(zero_copy_only=False)
    if is_null.all():
        return np.full(len(is_null), NULL if cells.are_scored() else "", np.object_)
    filled = replace(cells, texts=cells.texts.fill_null(cells.texts.drop_null()[0]))
    scored = rowwise(cells.scored)
    (kind,) = settled.kinds
    values = filled.values(kind, _decided(cells) if kind == INTEGER else "")
    is_null = is_null if scored is None else is_null & scored
    return texts_of(values, is_null) if is_null.any() else values


def _decided(cells: Cells) -> str:
    """The reason why names must be integers here, and ways to have others."""
    ways = "begin all with a letter, or send strings in another format"
    return f" like all in the first mebibyte ({ways})" if cells.first_row else f" of 64 bits ({ways})"
