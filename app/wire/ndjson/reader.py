"""The reader of JSON Lines: an object a row, its fields named like the columns."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from app.core.batch.texts import texts_of
from app.core.batch.truth import rowwise
from app.core.checkpoints import ended_by, never
from app.core.columns import BoolArray, Column, IntArray
from app.errors import FieldError, InvalidInput
from app.wire.fields import SLICE, Field, Masks, gathered, holds_scored
from app.wire.json.lists import column_of
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.ndjson.header import Header, check_names, header_of, is_nested, settled
from app.wire.ndjson.lines import Rows, refuse_repeated_names, rows_of, with_candidates
from app.wire.numbered import Group
from app.wire.sources import Source
from app.wire.text import blocks

_TURN = Lock()
"""The turn of the one thread that makes columns of lines: several would only keep the interpreter from each other and
from the event loop."""


def parts(source: Source, limits: Limits, columns: ColumnMap) -> Iterator[dict[str, Any]]:
    r"""Yield the columns of a JSON Lines body, a mebibyte of text or so at a time.

    All rows have the same fields, and the values of a field one type; a field that is null in all rows is not set.
    Lines end with `\n` or `\r\n`, the last may end with the body; empty ones are skipped, and so is a byte order mark.

    Raises:
        MalformedBody: A line is not a JSON object.
        InvalidInput: A field is unknown, not in every row, or holds what it may not; rows are counted over the body.
        TooLarge: A line or the number of fields is beyond the limits.

    >>> from io import BytesIO
    >>> from app.wire.mapping.naming import own_names
    >>> lines = b'{"labels": 1, "probabilities": 0.5}\n{"labels": 0, "probabilities": 1}\n'
    >>> list(parts(BytesIO(lines), Limits(100, 10, 100, 10), ColumnMap(own_names("binary"))))
    [{'labels': array([1, 0]), 'probabilities': array([0.5, 1. ])}]
    """
    header: Header | None = None
    n_rows = 0

    def place() -> str:
        return f"row {n_rows}"

    for block in blocks(source, limits, _row_end, place):
        text = block if n_rows else block.removeprefix(BOM_UTF8)
        with _TURN, ended_by(never):  # a checkpoint may wait for others, who may wait for this turn
            n_read, header, part = _part(text, n_rows, header, limits, columns)
        if part is not None:
            yield part
        n_rows += n_read


def _part(
    text: bytes, n_rows: int, header: Header | None, limits: Limits, names: ColumnMap
) -> tuple[int, Header | None, dict[str, Any] | None]:
    """The number of rows in a text that `n_rows` rows precede, the header for what follows, and the columns."""
    rows = rows_of(text, n_rows)
    if not rows:
        return 0, header, None
    refuse_repeated_names(text, rows, n_rows)
    made = names.tried(n_rows, len(rows), partial(_made, rows, n_rows, header, limits, names))
    return (len(rows), header, None) if made is None else (len(rows), *made)


def _made(  # noqa: PLR0913 the last argument comes when rows are left out
    rows: Rows, n_rows: int, header: Header | None, limits: Limits, names: ColumnMap, kept: IntArray | None
) -> tuple[Header, dict[str, Any]]:
    """The header for what follows, and the columns of some rows, of None all."""
    rows = rows if kept is None else [rows[place] for place in kept.tolist()]
    if names.naming.has_candidates:
        rows = with_candidates(rows, n_rows)
    if header is None or not header.nested:
        header = header_of(rows, limits, names)
    check_names(rows, header, n_rows)
    nulls = _nulls(rows, header)
    columns = _columns(rows, header, n_rows, nulls)
    part = gathered([group.field for group in header.groups], _with_null(header.groups, columns, nulls))
    if holds_scored(part.get("mask")):
        header = settled(header, columns, nulls)
    return header, part


def _nulls(rows: Rows, header: Header) -> dict[str, BoolArray]:
    """The marks of the rows in which a slice is null, for those that are in some."""
    found = {
        group.field.name: np.array([value is None for value in _values(group, rows, header)], np.bool_)
        for group in header.groups
        if group.field.takes_null
    }
    return {name: is_null for name, is_null in found.items() if is_null.any()}


def _with_null(groups: list[Group], columns: list[Column], nulls: Mapping[str, BoolArray]) -> Iterator[Column]:
    """Yield the columns; slices by numbers, and those that are null in scored rows, become texts."""
    scored = None
    for group, column in zip(groups, columns, strict=True):
        if group.field.name == "mask":
            scored = rowwise(column)
        is_null = nulls.get(group.field.name)
        if is_null is not None and scored is not None:
            is_null = is_null & scored
        if group.field.takes_null and isinstance(column, np.ndarray):
            is_plain = column.dtype.kind != "f" and (is_null is None or not is_null.any())
            yield column if is_plain else texts_of(column, is_null)
        else:
            yield column


def _row_end(text: bytearray, start: int) -> int:
    return text.rfind(b"\n", start) + 1


def _columns(rows: Rows, header: Header, first_row: int, nulls: Mapping[str, BoolArray]) -> list[Column]:
    columns: list[Column] = []
    refusals: list[InvalidInput] = []
    masks = Masks()
    for group in header.groups:
        scored = masks.of(group.field)
        try:
            values = _values(group, rows, header)
            if group.field.name in nulls:
                values = _filled(values)
            column = _column(group.field, values, scored, first_row)
            if holds_scored(scored):
                _check_nested(group.field, column, header.nested.get(group.field.name), first_row)
        except InvalidInput as refusal:
            refusals.append(refusal.with_traceback(None))  # which would hold this frame, and so itself
            continue
        columns.append(column)
        masks.add(group.field, column)
    if refusals:
        raise InvalidInput.joined(refusals)
    return columns


def _filled(values: list[Any]) -> list[Any]:
    """The values of a slice with the first one in place of null; empty texts if there is none."""
    first = next((value for value in values if value is not None), "")
    return [first if value is None else value for value in values]


def _values(group: Group, rows: Rows, header: Header) -> list[Any]:
    """The values of rows in a column, lists where several of their names make one."""
    names = [header.columns[place] for place in group.places]
    if group.nested:
        return [[row.get(name) for name in names] for row in rows]
    if names[0] in header.names:
        return [row.get(names[0]) for row in rows]
    name = names[0].removeprefix(SLICE)
    return [slices.get(name) if type(slices := row.get("slices")) is dict else None for row in rows]


def _column(place: Field, values: list[Any], scored: Column | None, first_row: int) -> Column:
    try:
        column = column_of(place.pointer, place.rule, values, scored)
    except InvalidInput as refusal:
        errors = [_moved(error, place.pointer, first_row) for error in refusal.errors]
        raise InvalidInput(errors, refusal.n_errors) from None
    if column is None:
        raise TypeError("a list makes a column")
    return column


def _moved(error: FieldError, place: str, first_row: int) -> FieldError:
    """An error about a row of a part, as one about that row of the body."""
    row, *rest = error.pointer.removeprefix(place + "/").split("/")
    return replace(error, pointer="/".join((place, str(first_row + int(row)), *rest)))


def _check_nested(column: Field, values: Column, nested: bool | None, first_row: int) -> None:
    """Refuse a part that is all lists where the first part had none, or the other way round."""
    if nested is None or nested == is_nested(values):
        return
    wanted = "a list" if nested else "a single value"
    errors = (
        FieldError(f"{column.pointer}/{first_row + i}", "wrong_type", f"must be {wanted}, as in the rows before")
        for i in range(len(values))
    )
    raise InvalidInput(errors, len(values))
