"""JSON Lines: an object a row, its fields named like the columns."""

from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Any, TypeAlias

import orjson

from app.core.columns import Column, Ragged
from app.errors import FieldError, InvalidInput, MalformedBody, describe, pointer
from app.wire.json import UNKNOWN_TO_JSON, column_of
from app.wire.limits import Limits
from app.wire.sources import Source
from app.wire.text import blocks
from app.wire.typed import SLICE, Field, fields_of, gathered

Rows: TypeAlias = list[dict[str, Any]]


def parts(source: Source, limits: Limits) -> Iterator[dict[str, Any]]:
    r"""Columns of a JSON Lines body, of about a mebibyte of text at a time.

    All rows have the fields of the first, and their values its types. Lines end with `\n` or `\r\n`, the last may
    end with the body; empty ones are skipped. A byte order mark is refused, as in JSON.

    Raises:
        MalformedBody: A line is not a JSON object.
        InvalidInput: A field is unknown, not in every row, or holds what it may not; rows are counted over the body.
        TooLarge: A line or the number of fields is beyond the limits.

    >>> from io import BytesIO
    >>> lines = b'{"labels": 1, "probabilities": 0.5}\n{"labels": 0, "probabilities": 1}\n'
    >>> list(parts(BytesIO(lines), Limits(100, 10, 100, 10)))
    [{'labels': array([1, 0]), 'probabilities': array([0.5, 1. ])}]
    """
    first: dict[str, Any] = {}
    fields: list[Field] = []
    n_rows = 0

    def place() -> str:
        return f"row {n_rows}"

    for block in blocks(source, limits, _row_end, place):
        rows = _rows(block, n_rows)
        if not rows:
            continue
        first = first or rows[0]
        _check_names(rows, first, n_rows)
        fields = fields or fields_of(_names(rows[0]), limits)
        columns = [_column(field, _values(field, rows), first, n_rows) for field in fields]
        fields = [_settled(field, column) for field, column in zip(fields, columns, strict=True)]
        yield gathered(fields, columns)
        n_rows += len(rows)


def _row_end(text: bytearray, start: int) -> int:
    return text.rfind(b"\n", start) + 1


def _rows(block: bytes, first_row: int) -> Rows:
    lines = [line for line in (line.strip(b" \t\r") for line in block.split(b"\n")) if line]
    rows: Rows = []
    try:
        rows.extend(map(orjson.loads, lines))
    except orjson.JSONDecodeError as error:
        # The rows before the error are there: no line is parsed again to find it.
        hint = "; JSON has no NaN and no Infinity" if UNKNOWN_TO_JSON.search(lines[len(rows)]) else ""
        rule = f"row {first_row + len(rows)} must be a JSON object on one line"
        raise MalformedBody(f"{rule}: {error.msg} at character {error.pos}{hint}") from None
    for i, row in enumerate(rows):
        if type(row) is not dict:
            raise MalformedBody(f"row {first_row + i} must be a JSON object, found {describe(row)}")
    return rows


def _names(row: dict[str, Any]) -> list[str]:
    names = [name for name in row if name != "slices"]
    return names + [SLICE + name for name in row.get("slices", ())]


def _check_names(rows: Rows, first: dict[str, Any], first_row: int) -> None:
    _check_keys((), rows, first, first_row)
    if "slices" not in first:
        return
    slices = list(map(itemgetter("slices"), rows))
    for i, value in enumerate(slices):
        if type(value) is not dict:
            rule = f"must be an object, found {describe(value)}"
            raise InvalidInput.at(f"/slices/{first_row + i}", "wrong_type", rule)
    _check_keys(("slices",), slices, first["slices"], first_row)


def _check_keys(holder: tuple[str, ...], rows: Rows, first: dict[str, Any], first_row: int) -> None:
    keys = first.keys()
    for i, row in enumerate(rows):
        if row.keys() != keys:
            place = first_row + i
            absent, rule = keys - row.keys(), "must be a field of every row or of none, found"
            errors = [FieldError(pointer(*holder, n, place), "missing", f"{rule} none") for n in sorted(absent)]
            errors += [
                FieldError(pointer(*holder, n, place), "unknown_field", f"{rule} one that the first row lacks")
                for n in sorted(row.keys() - keys)
            ]
            raise InvalidInput(errors, len(errors))


def _values(field: Field, rows: Rows) -> list[Any]:
    if field.name in rows[0]:
        return list(map(itemgetter(field.name), rows))
    return list(map(itemgetter(field.name.removeprefix(SLICE)), map(itemgetter("slices"), rows)))


def _column(field: Field, values: list[Any], first: dict[str, Any], first_row: int) -> Column:
    is_list = isinstance(_values(field, [first])[0], list)
    if isinstance(values[0], list) != is_list:
        rule = "must be a list like the first row" if is_list else "must be a single value like the first row"
        raise InvalidInput.at(f"{field.pointer}/{first_row}", "wrong_type", f"{rule}, found {describe(values[0])}")
    try:
        column = column_of(field.pointer, field.kinds, values)
    except InvalidInput as refusal:
        errors = [_moved(error, field.pointer, first_row) for error in refusal.errors]
        raise InvalidInput(errors, refusal.n_errors) from None
    if column is None:
        raise TypeError("a list makes a column")
    return column


def _moved(error: FieldError, pointer: str, first_row: int) -> FieldError:
    """An error about a row of a part, as one about that row of the body."""
    row, *rest = error.pointer.removeprefix(pointer + "/").split("/")
    return replace(error, pointer="/".join((pointer, str(first_row + int(row)), *rest)))


def _settled(field: Field, column: Column) -> Field:
    """The field as later parts have it: of the kind that the first part was."""
    values = column.values if isinstance(column, Ragged) else column
    return replace(field, kinds=tuple(kind for kind in field.kinds if kind.dtype == values.dtype))
