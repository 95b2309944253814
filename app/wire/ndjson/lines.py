"""Lines of NDJSON as rows: an object each, read at once and held to bounds before they are."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import orjson

from app.core.kernels.json_columns import count_byte, json_signs
from app.core.tasks import candidate_column
from app.errors import FieldError, InvalidInput, MalformedBody, TooLarge, clip, describe, pointer
from app.wire.foreign import KEPT_WHOLE, not_utf_8
from app.wire.json.heavy import MIN_BYTES, check_weight
from app.wire.json.names import n_names, refusal, refuse_repeated, repeated
from app.wire.json.reader import NO_NUMBER, NUMBERS, syntax_fault
from app.wire.json.weight import pay_for_objects

LINE = re.compile(rb"[^ \t\r\n][^\n]*")
"""A line from its first sign on, so that lines of blanks are none."""
MAX_HOLDERS = 200_000
"""The most lists and objects in the rows that are read at once, a mebibyte or so; sound ones are longer."""
SLICE_BYTES = 2**16
"""The bytes of lines that are read in one step: a millisecond or two, for which the event loop waits."""
AS_LINES = '; write one object a line, without brackets or commas around them (pandas: orient="records", lines=True)'

Rows: TypeAlias = list[dict[str, Any]]


def rows_of(text: bytes, first_row: int) -> Rows:
    """The objects of whole lines, of which `first_row` others precede.

    Raises:
        MalformedBody: A line is no JSON object.
        TooLarge: The lines hold more lists and objects than may be read at once.
    """
    pay_for_objects(text)
    if json_signs(text)[2] > MAX_HOLDERS:
        raise TooLarge(
            f"rows from {first_row} on must hold at most {MAX_HOLDERS} lists and objects in {len(text)} bytes"
        )
    rows: Rows = []
    for lines in _slices(text):
        _read(lines, rows, first_row)
    return rows


def _slices(text: bytes) -> Iterator[list[bytes]]:
    """Yield the lines of a text, some at a time; a gigabyte of empty ones makes none."""
    end = 0
    while end < len(text):
        start, end = end, text.find(b"\n", end + SLICE_BYTES) + 1 or len(text)
        yield LINE.findall(text, start, end)


def _read(lines: list[bytes], rows: Rows, first_row: int) -> None:
    n_before = len(rows)
    for row, line in enumerate(lines, first_row + n_before):
        if len(line) > MIN_BYTES:
            check_weight(line, f"row {row}")
    try:
        rows.extend(map(orjson.loads, lines))
    except orjson.JSONDecodeError as error:
        # `extend` keeps the rows before the error, so their number tells the line.
        fault = _fault(lines[len(rows) - n_before], error)
        raise MalformedBody(f"row {first_row + len(rows)} {fault}") from None
    for i, line in enumerate(lines, n_before):
        if type(rows[i]) is not dict:
            hint = AS_LINES if line.startswith(b"[") else ""
            raise MalformedBody(f"row {first_row + i} must be a JSON object, found {describe(rows[i])}{hint}")


def with_candidates(rows: Rows, first_row: int) -> Rows:
    """The rows with the fields of their candidates as fields of their own, under names as columns of tables have them.

    Raises:
        InvalidInput: What should hold candidates holds anything else.
    """
    if not any("candidates" in row for row in rows):
        return rows
    found, wrong = [], []
    for i, row in enumerate(rows):
        candidates = row.get("candidates")
        if type(candidates) is dict and all(type(fields) is dict for fields in candidates.values()):
            own = {
                candidate_column(name, field): value
                for name, fields in candidates.items()
                for field, value in fields.items()
            }
            found.append({name: value for name, value in row.items() if name != "candidates"} | own)
            continue
        found.append({name: value for name, value in row.items() if name != "candidates"})
        if "candidates" in row and row.get("mask") is not False:
            wrong.append(FieldError(pointer("candidates", first_row + i), "wrong_type", _no_candidates(candidates)))
    if wrong:
        raise InvalidInput(wrong, len(wrong))
    return found


def _no_candidates(found: object) -> str:
    """The error of what should hold candidates."""
    if type(found) is not dict:
        return f"must be an object of candidates, found {describe(found)}"
    name, other = next((name, fields) for name, fields in found.items() if type(fields) is not dict)
    return f"must hold an object for each candidate, found {describe(other)} for {clip(name)}"


def refuse_repeated_names(text: bytes, rows: Rows, first_row: int) -> None:
    """Refuse lines in which a name stands twice in one object, of which the rows hold the last value alone.

    Raises:
        InvalidInput: The pointers name field and row.
    """
    n_plain = sum(map(len, rows)) + sum(len(slices) for row in rows if type(slices := row.get("slices")) is dict)
    if count_byte(text, b":") == n_plain:
        return
    try:
        refuse_repeated(text, sum(map(n_names, rows)))
    except InvalidInput:
        lines = filter(None, map(bytes.strip, text.split(b"\n")))
        raise refusal((*path, first_row + i) for i, line in enumerate(lines) for path in repeated(line)) from None


def _fault(line: bytes, error: orjson.JSONDecodeError) -> str:
    line = line.rstrip(b" \t\r")
    if fault := not_utf_8(line):
        return fault
    hint = NUMBERS if NO_NUMBER.search(line) else ""
    if line.startswith(b"["):
        hint = AS_LINES
    elif line == b"{":
        hint = "; JSON over several lines is application/json, a field a column"
    elif b"}{" in line.replace(b" ", b""):
        hint = f"; {KEPT_WHOLE}"
    fault = syntax_fault(error, f"{error.msg} at character {error.pos}")
    return f"must be a JSON object on one line{fault}{hint}"
