"""CSV (RFC 4180): a header of column names, then a row a sample."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import csv as arrow_csv

from app.core.columns import Column
from app.errors import InvalidInput, MalformedBody, describe
from app.wire.cells import WHOLE, Cells
from app.wire.columns import BOOLEAN, INTEGER, NUMBER, STRING
from app.wire.limits import Limits
from app.wire.numbered import Group, groups_of
from app.wire.quotes import Quotes
from app.wire.sources import Source
from app.wire.text import blocks
from app.wire.typed import Field, check_columns, gathered

Refuse: TypeAlias = Callable[[arrow_csv.InvalidRow], str]
"""What pyarrow calls with a row of another length; "error" ends the reading."""


def parts(source: Source, limits: Limits, *, has_classes: bool = False) -> Iterator[dict[str, Any]]:
    r"""Columns of a CSV body, of about a mebibyte of text at a time.

    (n, k) columns come as `probabilities_0` to `probabilities_{k-1}`. The text is UTF-8, with or without a byte order
    mark; lines end with `\n` or `\r\n`, the last may end with the body; empty ones are skipped. Blanks around names in
    the header are dropped, and those around numbers and booleans. Numbers are decimal, or inf or nan; an empty field is
    NaN among numbers and refused elsewhere, while `""` is an empty string. Booleans are `true`, `True` or `TRUE`.

    Labels are strings with `has_classes`, else booleans if the first one is, else integers. Clusters and slices are
    integers if all of the first block are, or booleans, else strings as they stand. What the first block decides must
    hold for the rest. What may only be an integer may be written `1.0`.

    Raises:
        MalformedBody: No CSV with a header, or a row of another length.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the body.
        TooLarge: A row or the number of columns is beyond the limits.

    >>> from io import BytesIO
    >>> table = b"labels,probabilities_0,probabilities_1\n1,0.25,0.75\n0,1,0\n"
    >>> list(parts(BytesIO(table), Limits(100, 10, 100, 10)))
    [{'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  , 0.  ]])}]
    """
    groups: list[Group] = []
    n_rows = 0

    def place() -> str:
        return f"row {n_rows}" if groups else "the header"

    for block in blocks(source, limits, Quotes(place).row_end, place):
        text = block
        if not groups:
            names, text = _header(block)
            groups = _groups(names, limits, has_classes=has_classes)
        if not text.strip(b"\r\n"):
            continue
        table = _table(text, groups, n_rows)
        cells = [_cells(group, table, n_rows) for group in groups]
        groups = list(map(_settled, groups, cells))
        yield gathered([group.field for group in groups], map(_column, groups, cells))
        n_rows += len(table)


def _header(text: bytes) -> tuple[list[str], bytes]:
    line, _, rest = text.removeprefix(BOM_UTF8).lstrip(b"\r\n").partition(b"\n")
    line = line.rstrip(b"\r")
    if b"\r" in line:
        raise MalformedBody(r"the header must end with \n or \r\n, found a lone \r")
    try:
        names = [name.strip(" \t") for name in next(csv.reader([line.decode()], strict=True), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedBody(f"must begin with a line of column names: {error}") from error
    if len(names) == 1 and re.search("[;\t|]", names[0]):
        raise MalformedBody("the header must have commas between names, found another separator")
    return names, rest


def _groups(names: list[str], limits: Limits, *, has_classes: bool) -> list[Group]:
    check_columns(len(names), limits)
    if "" in names:
        rule = f"must have a name for every column in the header, found none for column {names.index('')}"
        raise InvalidInput.at("", "missing", f"{rule}; pandas leaves its index out with index=False")
    groups = groups_of(dict(enumerate(names)), limits)
    return [replace(group, field=_typed(group.field, has_classes=has_classes)) for group in groups]


def _typed(field: Field, *, has_classes: bool) -> Field:
    """A field with the kinds that it may be in CSV, where a text alone does not tell a number from a name."""
    if field.name == "labels":
        return replace(field, kinds=(STRING,) if has_classes else (WHOLE, BOOLEAN))
    return replace(field, kinds=(WHOLE,)) if field.kinds == (INTEGER,) else field


def _table(text: bytes, groups: list[Group], first_row: int) -> pa.Table:
    types = {place: _type(group.field) for group in groups for place in group.places}
    try:
        return _read(text, types)
    except pa.ArrowException as error:
        texts = _texts(text, len(types), first_row)
        refusals = [
            refusal
            for group in groups
            if group.field.kinds == (NUMBER,)
            if (refusal := _cells(group, texts, first_row).refusal(NUMBER, ", or nothing at all for NaN"))
        ]
        n_errors = sum(refusal.n_errors for refusal in refusals)
        raise InvalidInput(chain.from_iterable(refusal.errors for refusal in refusals), n_errors) from error


def _type(field: Field) -> pa.DataType:
    return pa.float64() if field.kinds == (NUMBER,) else pa.string()


def _read(text: bytes, types: dict[int, pa.DataType], refuse: Refuse | None = None) -> pa.Table:
    # pyarrow drops a mark at the start of what it gets, which may be in the middle of the body.
    text = b"\n" + text if text.startswith(BOM_UTF8) else text
    names = list(map(str, range(len(types))))
    reading = arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names)
    parsing = arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse)
    converting = arrow_csv.ConvertOptions(
        column_types={str(place): type_ for place, type_ in types.items()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return arrow_csv.read_csv(pa.BufferReader(text), reading, parsing, converting)


def _texts(text: bytes, n_columns: int, first_row: int) -> pa.Table:
    """All cells as they stand.

    Raises:
        MalformedBody: A row is no UTF-8 or of another length.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        row = first_row + _n_rows(text[: error.start])
        raise MalformedBody(f"row {row} must be UTF-8, found the byte {text[error.start]:#x}") from error
    uneven: list[tuple[int, int]] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        uneven.append((first_row + row.number - 1, row.actual_columns))
        return "error"

    try:
        return _read(text, dict.fromkeys(range(n_columns), pa.string()), note)
    except pa.ArrowException as error:
        row, n_found = uneven[0]
        raise MalformedBody(f"row {row} must have {n_columns} fields like the header, found {n_found}") from error


def _n_rows(text: bytes) -> int:
    """How many whole rows a text of rows begins with."""
    without_quotes = re.sub(rb'"[^"]*("|\Z)', b"x", text)
    return len(re.split(rb"[\r\n]+", without_quotes.lstrip(b"\r\n"))) - 1


def _cells(group: Group, table: pa.Table, first_row: int) -> Cells:
    texts = pa.concat_arrays([chunk for place in group.places for chunk in table.column(place).chunks])
    return Cells(texts, group.field.pointer, first_row, len(group.places) if group.nested else None)


def _settled(group: Group, cells: Cells) -> Group:
    return replace(group, field=replace(group.field, kinds=(cells.kind(group.field.kinds),)))


def _column(group: Group, cells: Cells) -> Column:
    (kind,) = group.field.kinds
    if group.field.name != "labels" or kind == STRING or group.nested:
        return cells.values(kind)
    try:
        return cells.values(kind, ", or a name where the query gives `classes`")
    except InvalidInput:
        if kind == WHOLE and cells.first_row == 0 and cells.are_words():
            rule = "must give the class names in column order when labels are names, as in ?classes=ham&classes=spam"
            raise InvalidInput.at("/classes", "missing", f"{rule}, found {describe(cells.texts[0].as_py())}") from None
        raise
