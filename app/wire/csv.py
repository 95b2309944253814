"""CSV (RFC 4180): a header of column names, then a row a sample."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from app.core.columns import Column
from app.errors import FieldError, InvalidInput, MalformedBody
from app.wire.json import BOOLEAN, INTEGER, LARGEST_INT, NUMBER, STRING, Kind, found
from app.wire.limits import Limits
from app.wire.sources import Source
from app.wire.text import blocks
from app.wire.typed import Field, check_columns, fields_of, gathered

NUMBERED = re.compile(r"(probabilities|targets|logits|log_probabilities|labels|mask)_(0|[1-9]\d{0,6})")
BESIDE_QUOTES = np.frombuffer(b',\r\n"', np.uint8)
PATTERNS = {INTEGER: r"\A-?(0|[1-9][0-9]*)\z", BOOLEAN: r"\A(true|false)\z"}
A_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan(\(\w*\))?)\s*", re.ASCII | re.IGNORECASE)
NO_LISTS = "; CSV holds no lists: send JSON Lines, Arrow or Parquet"


@dataclass(frozen=True, slots=True)
class Group:
    """The columns of a table that make one column of a request.

    Attributes:
        places: Of the columns in the table.
        nested: Whether the column is (n, k); else it is (n,).
    """

    field: Field
    places: tuple[int, ...]
    nested: bool

    def pointer(self, place: int, first_row: int, row: int) -> str:
        """Where the value of a row after `first_row` of one of the columns stands."""
        pointer = f"{self.field.pointer}/{first_row + row}"
        return f"{pointer}/{self.places.index(place)}" if self.nested else pointer


def parts(source: Source, limits: Limits) -> Iterator[dict[str, Any]]:
    r"""Columns of a CSV body, of about a mebibyte of text at a time.

    (n, k) columns come as `probabilities_0` to `probabilities_{k-1}`. The text is UTF-8, with or without a byte order
    mark; lines end with `\n` or `\r\n`, the last may end with the body; empty ones are skipped. Numbers are decimal, or
    inf or nan; an empty field is NaN among numbers and refused elsewhere, while `""` is an empty string. Labels,
    clusters and slices are integers if all of the first block are, booleans if all are `true` or `false`, else strings;
    what the first block decides must hold for the rest.

    Raises:
        MalformedBody: No CSV with a header, or a row of another length.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the body.
        TooLarge: A row or the number of columns is beyond the limits.

    >>> from io import BytesIO
    >>> table = b"labels,probabilities_0,probabilities_1\n1,0.25,0.75\n0,1,0\n"
    >>> list(parts(BytesIO(table), Limits(100, 10, 100, 10)))
    [{'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  , 0.  ]])}]
    """
    names: list[str] = []
    groups: list[Group] = []
    n_rows = 0
    for block in blocks(source, limits, _rows_end):
        _check_quotes(block.removeprefix(BOM_UTF8), n_rows)
        text = block
        if not names:
            names, text = _header(block)
            groups = _groups(names, limits)
        if not text.strip():
            continue
        table = _table(text, names, groups, n_rows)
        groups = [_settled(group, table) for group in groups]
        yield gathered([g.field for g in groups], [_column(g, table, n_rows) for g in groups])
        n_rows += len(table)


def _rows_end(text: bytearray) -> int:
    if b'"' not in text:
        return text.rfind(b"\n") + 1
    signs = np.frombuffer(bytes(text), np.uint8)
    ends = np.flatnonzero(signs == ord("\n"))
    n_quotes = np.searchsorted(np.flatnonzero(signs == ord('"')), ends)
    outside = ends[n_quotes % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _check_quotes(block: bytes, first_row: int) -> None:
    """Of any two quotes the first opens a field or follows a quote, the second closes a field or precedes a quote."""
    if b'"' not in block:
        return
    signs = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(signs == ord('"'))
    beside = signs[np.concatenate([quotes[::2] - 1, quotes[1::2] + 1])]
    if len(quotes) % 2 or not np.isin(beside, BESIDE_QUOTES).all():
        rule = "must hold quotes only around whole fields, and doubled inside of them"
        raise MalformedBody(f"{rule}, found others in row {first_row} or later")


def _header(block: bytes) -> tuple[list[str], bytes]:
    line, _, rest = block.partition(b"\n")
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r")], strict=True), []), rest
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedBody(f"must begin with a line of column names: {error}") from error


def _groups(names: list[str], limits: Limits) -> list[Group]:
    """The columns of a request that the columns of a table make.

    Raises:
        InvalidInput: A name is unknown or comes twice, or numbers do not count from 0.
    """
    check_columns(len(names), limits)
    plain: list[tuple[str, dict[int, int]]] = []
    numbered: dict[str, dict[int, int]] = {}
    for place, name in enumerate(names):
        match = NUMBERED.fullmatch(name)
        if match is None:
            plain.append((name, {0: place}))
        elif numbered.setdefault(match[1], {}).setdefault(int(match[2]), place) != place:
            raise InvalidInput.at(f"/{match[1]}", "duplicate", f"must have {name} once, found it again")
    merged = [*plain, *numbered.items()]
    fields = fields_of([name for name, _ in merged], limits)
    for name, places in numbered.items():
        gap = next((j for j in range(len(places)) if j not in places), None)
        if gap is not None:
            raise InvalidInput.at(f"/{name}", "missing", f"must be numbered from 0 without gaps, found no {name}_{gap}")
    return [
        Group(field, tuple(places[j] for j in sorted(places)), nested=i >= len(plain))
        for i, (field, (_, places)) in enumerate(zip(fields, merged, strict=True))
    ]


def _table(text: bytes, names: list[str], groups: list[Group], first_row: int) -> pa.Table:
    types = {str(place): _type(group) for group in groups for place in group.places}
    reading = arrow_csv.ReadOptions(
        use_threads=False, block_size=len(text) + 1, column_names=list(map(str, range(len(names))))
    )
    converting = arrow_csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        return arrow_csv.read_csv(pa.BufferReader(text), reading, parsing, converting)
    except pa.ArrowException as error:
        raise _refusal(text, len(names), groups, first_row) from error


def _type(group: Group) -> pa.DataType:
    return pa.float64() if group.field.kinds == (NUMBER,) else pa.string()


def _refusal(text: bytes, n_columns: int, groups: list[Group], first_row: int) -> InvalidInput | MalformedBody:
    """What is wrong with a text that pyarrow refused, found row by row."""
    try:
        rows = [row for row in csv.reader(StringIO(text.decode(), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        return MalformedBody(f"must be CSV in UTF-8: {error}")
    for i, row in enumerate(rows, first_row):
        if len(row) != n_columns:
            return MalformedBody(f"row {i} must have {n_columns} fields like the header, found {len(row)}")
    wrong = [
        (group.pointer(place, first_row, i), row[place])
        for group in groups
        if group.field.kinds == (NUMBER,)
        for i, row in enumerate(rows)
        for place in group.places
        if row[place] and not A_NUMBER.fullmatch(row[place])
    ]
    if not wrong:
        rule = "must have numbers, or empty fields without quotes for NaN"
        return MalformedBody(f"{rule}, found another field in rows {first_row} to {first_row + len(rows)}")
    errors = (FieldError(pointer, "wrong_type", _not_a_number(value)) for pointer, value in wrong)
    return InvalidInput(errors, len(wrong))


def _not_a_number(text: str) -> str:
    return f"must be {NUMBER.word}, {found(text)}{NO_LISTS if text.startswith('[') else ''}"


def _settled(group: Group, table: pa.Table) -> Group:
    """A group of one kind: the first that all its values are."""
    kinds = group.field.kinds
    if len(kinds) == 1:
        return group
    columns = [table.column(place).drop_null() for place in group.places]
    kind = STRING
    for narrow in PATTERNS:
        if narrow in kinds and all(compute.all(_matches(c, narrow)).as_py() is not False for c in columns):
            kind = narrow
            break
    return replace(group, field=replace(group.field, kinds=(kind,)))


def _matches(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    return column.is_valid() if kind == STRING else compute.match_substring_regex(column, PATTERNS[kind])


def _column(group: Group, table: pa.Table, first_row: int) -> Column:
    columns = [
        _values(group.field.kinds[0], table.column(place), partial(group.pointer, place, first_row))
        for place in group.places
    ]
    return np.stack(columns, axis=1) if group.nested else columns[0]


def _values(kind: Kind, column: pa.ChunkedArray, pointer: Callable[[int], str]) -> NDArray[Any]:
    if kind != NUMBER:
        is_right = _matches(column, kind).fill_null(False).to_numpy()
        _check(is_right, column, pointer, "wrong_type", f"must be {kind.word}")
    if kind == INTEGER:
        column = _integers(column, pointer)
    values: NDArray[Any] = column.to_numpy()
    return values == "true" if kind == BOOLEAN else values


def _integers(column: pa.ChunkedArray, pointer: Callable[[int], str]) -> pa.ChunkedArray:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        is_right = np.array([-LARGEST_INT - 1 <= int(text) <= LARGEST_INT for text in column.to_pylist()])
        _check(is_right, column, pointer, "out_of_range", f"must lie in [{-LARGEST_INT - 1}, {LARGEST_INT}]")
        raise


def _check(
    is_right: NDArray[np.bool_], column: pa.ChunkedArray, pointer: Callable[[int], str], code: str, rule: str
) -> None:
    if not is_right.all():
        rows = np.flatnonzero(~is_right).tolist()
        raise InvalidInput((FieldError(pointer(i), code, f"{rule}, {_found(column[i])}") for i in rows), len(rows))


def _found(text: pa.StringScalar) -> str:
    return found(text.as_py()) if text.is_valid else "found an empty field"
