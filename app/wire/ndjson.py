"""The reader of JSON Lines: an object a row, its fields named like the columns."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from threading import Lock
from typing import Any

import numpy as np

from app.core.batch.texts import texts_of
from app.core.batch.truth import rowwise
from app.core.columns import BoolArray, Column, Ragged
from app.errors import FieldError, InvalidInput, describe, pointer
from app.wire.fields import SLICE, Field, gathered, holds_scored
from app.wire.json.lists import column_of
from app.wire.limits import Limits
from app.wire.lines import Rows, refuse_repeated_names, rows_of
from app.wire.mapping.column_map import ColumnMap
from app.wire.numbered import Group
from app.wire.sources import Source
from app.wire.text import blocks

_TURN = Lock()
"""The turn of the one thread that makes columns of lines: several would only keep the interpreter from each other and
from the event loop."""


@dataclass(frozen=True, slots=True)
class Header:
    """The names and types that all rows of a body share.

    Attributes:
        names: The names of most rows that are read; all must have them, but for rows that are not scored.
        slice_names: The same for the object `slices`.
        columns: The names of the columns in the order of their places, those in `slices` with a mark before.
        groups: The columns of the request that are set, that of the mask first.
        unset: The names that are null in all rows of the first part; they must be in all further ones.
        is_open: Whether rows may have other names too, which are not looked at.
        nested: Whether the rows of a column were lists in the first part, by its name.
    """

    names: frozenset[str]
    slice_names: frozenset[str]
    columns: list[str]
    groups: list[Group]
    unset: frozenset[str]
    is_open: bool
    nested: Mapping[str, bool] = field(default_factory=dict)


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
        with _TURN:
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
    if header is None or not header.nested:
        header = _header(rows, limits, names)
    _check_names(rows, header, n_rows)
    nulls = _nulls(rows, header)
    columns = _columns(rows, header, n_rows, nulls)
    part = gathered([group.field for group in header.groups], _with_null(header.groups, columns, nulls))
    if holds_scored(part.get("mask")):
        header = _settled(header, columns, nulls)
    return len(rows), header, part


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


def _header(rows: Rows, limits: Limits, columns: ColumnMap) -> Header:
    names = _names_of_most(rows)
    slices = [row["slices"] for row in rows if type(row.get("slices")) is dict]
    slice_names = _names_of_most(slices) if slices else frozenset[str]()
    listed = [name for name in dict.fromkeys(chain.from_iterable(rows)) if name in names and name != "slices"]
    listed += [SLICE + name for name in dict.fromkeys(chain.from_iterable(slices)) if name in slice_names]
    groups = columns.groups(dict(enumerate(listed)), limits) if listed or "slices" not in names else []
    if columns.naming.ignores_extra:
        names, slice_names = _read_of(listed, groups, names)
    n_scored = sum(_are_scored(rows, listed, groups))
    kept = {listed[place] for group in groups if group.field.takes_null for place in group.places}
    unset = frozenset(name for name in names - kept if n_scored and all(row.get(name) is None for row in rows))
    chosen = [group for group in groups if not unset.issuperset(listed[place] for place in group.places)]
    return Header(names, slice_names, listed, chosen, unset, columns.naming.ignores_extra)


def _are_scored(rows: Rows, listed: list[str], groups: list[Group]) -> list[bool]:
    """The marks of rows that may be scored: the mask does not leave them out as a whole."""
    masks = [listed[group.places[0]] for group in groups if group.field.name == "mask" and not group.nested]
    return [row.get(masks[0]) is not False for row in rows] if masks else [True] * len(rows)


def _read_of(listed: list[str], groups: list[Group], names: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of rows that are read, and those of their `slices`."""
    used = {listed[place] for group in groups for place in group.places}
    slices = frozenset(name.removeprefix(SLICE) for name in used if name not in names)
    return names & (used | {"slices"} if slices else used), slices


def _names_of_most(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The names of most rows."""
    ((names, _),) = Counter(map(frozenset, rows)).most_common(1)
    return names


def _check_names(rows: Rows, header: Header, first_row: int) -> None:
    numbers = range(first_row, first_row + len(rows))
    are_scored = _are_scored(rows, header.columns, header.groups)
    numbered = list(zip(numbers, rows, are_scored, strict=True))
    errors, n_errors = _key_errors((), numbered, header.names, is_open=header.is_open)
    filled = [
        (name, number)
        for name in sorted(header.unset)
        for number, row in zip(numbers, rows, strict=True)
        if row.get(name) is not None
    ]
    rule = "must be null in all rows or in none, found another"
    errors = chain(errors, (FieldError(pointer(*at), "wrong_type", rule) for at in filled))
    n_errors += len(filled)
    if "slices" in header.names - header.unset:
        all_slices = [row.get("slices") for row in rows]
        wrong = [i for i, found in enumerate(all_slices) if type(found) is not dict and are_scored[i]]
        errors = chain(errors, (_no_object(first_row + i, all_slices[i]) for i in wrong))
        objects = [
            (number, slices, scored)
            for number, slices, scored in zip(numbers, all_slices, are_scored, strict=True)
            if type(slices) is dict
        ]
        key_errors, n_key_errors = _key_errors(("slices",), objects, header.slice_names, is_open=header.is_open)
        errors, n_errors = chain(errors, key_errors), n_errors + len(wrong) + n_key_errors
    if n_errors:
        raise InvalidInput(errors, n_errors)


def _no_object(row: int, found: object) -> FieldError:
    return FieldError(pointer("slices", row), "wrong_type", f"must be an object, found {describe(found)}")


def _key_errors(
    holder: tuple[str, ...],
    rows: Sequence[tuple[int, Mapping[str, Any], bool]],
    names: frozenset[str],
    *,
    is_open: bool,
) -> tuple[Iterator[FieldError], int]:
    """The errors of numbered rows, each with whether it is scored: one that is not may lack names; and their number.

    There may be a thousand in each of many rows, so none is made before it is told.

    Args:
        is_open: Whether rows may have further names.
    """
    uneven = [entry for entry in rows if (not names <= entry[1].keys() if is_open else entry[1].keys() != names)]
    n_lacking = sum(len(names - row.keys()) for _, row, is_scored in uneven if is_scored)
    n_more = 0 if is_open else sum(len(row.keys() - names) for _, row, _ in uneven)
    return _told(holder, uneven, names, is_open=is_open), n_lacking + n_more


def _told(
    holder: tuple[str, ...],
    rows: Sequence[tuple[int, Mapping[str, Any], bool]],
    names: frozenset[str],
    *,
    is_open: bool,
) -> Iterator[FieldError]:
    rule = "must be a field of every row or of none, found"
    for i, row, is_scored in rows:
        for name in sorted(names - row.keys()) if is_scored else ():
            yield FieldError(pointer(*holder, name, i), "missing", f"{rule} none")
        for name in () if is_open else sorted(row.keys() - names):
            yield FieldError(pointer(*holder, name, i), "unknown_field", f"{rule} one that the other rows lack")


def _columns(rows: Rows, header: Header, first_row: int, nulls: Mapping[str, BoolArray]) -> list[Column]:
    columns: list[Column] = []
    refusals: list[InvalidInput] = []
    scored: Column | None = None
    for group in header.groups:
        try:
            values = _values(group, rows, header)
            if group.field.name in nulls:
                values = _filled(values)
            column = _column(group.field, values, scored, first_row)
            if holds_scored(scored):
                _check_nested(group.field, column, header.nested.get(group.field.name), first_row)
        except InvalidInput as refusal:
            refusals.append(refusal)
            continue
        columns.append(column)
        if group.field.name == "mask":
            scored = column
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
    if nested is None or nested == _is_nested(values):
        return
    wanted = "a list" if nested else "a single value"
    errors = (
        FieldError(f"{column.pointer}/{first_row + i}", "wrong_type", f"must be {wanted}, as in the rows before")
        for i in range(len(values))
    )
    raise InvalidInput(errors, len(values))


def _is_nested(column: Column) -> bool:
    return isinstance(column, Ragged) or column.ndim > 1


def _settled(header: Header, columns: list[Column], nulls: Mapping[str, BoolArray]) -> Header:
    """The header as later parts have it: with the kinds of the first part, and lists where that has them."""
    if header.nested:
        return header
    both = list(zip(header.groups, columns, strict=True))
    nested = {group.field.name: _is_nested(values) for group, values in both}
    groups = [
        group
        if group.field.name in nulls and nulls[group.field.name].all()
        else replace(group, field=_of_dtype(group.field, values))
        for group, values in both
    ]
    return replace(header, groups=groups, nested=nested)


def _of_dtype(column: Field, values: Column) -> Field:
    dtype = (values.values if isinstance(values, Ragged) else values).dtype
    return column.of_kinds(*(kind for kind in column.kinds if kind.dtype == dtype))
