"""The header of JSON Lines: the names that all rows of a body share, and the kinds of their values."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from app.core.columns import BoolArray, Column, Ragged
from app.core.tasks import candidate_of
from app.errors import FieldError, InvalidInput, describe, pointer
from app.wire.fields import SLICE, Field
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.ndjson.lines import Rows
from app.wire.numbered import Group


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
        optional: The names that rows may lack, for null is a value there and some programs leave it out.
        nested: Whether the rows of a column were lists in the first part, by its name.
    """

    names: frozenset[str]
    slice_names: frozenset[str]
    columns: list[str]
    groups: list[Group]
    unset: frozenset[str]
    is_open: bool
    optional: frozenset[str] = frozenset()
    nested: Mapping[str, bool] = field(default_factory=dict)


def header_of(rows: Rows, limits: Limits, columns: ColumnMap) -> Header:
    """The header that most of some rows have, the first of a body."""
    naming = columns.naming
    named = set(naming.items)
    mask = next((one.texts[0] for one in naming.named if one.field.name == "mask"), "mask")
    names = _names_of_most([row for row in rows if not _leaves_out(row.get(mask))] or rows)
    names |= {name for row in rows for name in row if name in named}
    slices = [row["slices"] for row in rows if type(row.get("slices")) is dict]
    slice_names = _names_of_most(slices) if slices else frozenset[str]()
    listed = [name for name in dict.fromkeys(chain.from_iterable(rows)) if name in names and name != "slices"]
    listed += [SLICE + name for name in dict.fromkeys(chain.from_iterable(slices)) if name in slice_names]
    groups = columns.groups(dict(enumerate(listed)), limits) if listed or "slices" not in names else []
    if naming.ignores_extra:
        names, slice_names = _read_of(listed, groups, names)
    n_scored = sum(_are_scored(rows, listed, groups))
    kept = {listed[place] for group in groups if group.field.takes_null for place in group.places}
    unset = frozenset(name for name in names - kept if n_scored and all(row.get(name) is None for row in rows))
    chosen = [group for group in groups if not unset.issuperset(listed[place] for place in group.places)]
    return Header(names, slice_names, listed, chosen, unset, naming.ignores_extra, frozenset(kept & named))


def _are_scored(rows: Rows, listed: list[str], groups: list[Group]) -> list[bool]:
    """The marks of rows that may be scored: the mask does not leave them out as a whole."""
    masks = [listed[group.places[0]] for group in groups if group.field.name == "mask" and not group.nested]
    return [not _leaves_out(row.get(masks[0])) for row in rows] if masks else [True] * len(rows)


def _leaves_out(mark: object) -> bool:
    """Tell if the mask of a row leaves out all of it."""
    return mark is False or (type(mark) is list and True not in mark)


def _read_of(listed: list[str], groups: list[Group], names: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of rows that are read, and those of their `slices`."""
    used = {listed[place] for group in groups for place in group.places}
    slices = frozenset(name.removeprefix(SLICE) for name in used if name not in names)
    return names & (used | {"slices"} if slices else used), slices


def _names_of_most(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The names of most rows."""
    ((names, _),) = Counter(map(frozenset, rows)).most_common(1)
    return names


def check_names(rows: Rows, header: Header, first_row: int) -> None:
    """Refuse rows whose names are not those of the header.

    Raises:
        InvalidInput: A row lacks a name or has another one, or a value where the first part had none.
    """
    numbers = range(first_row, first_row + len(rows))
    are_scored = _are_scored(rows, header.columns, header.groups)
    numbered = list(zip(numbers, rows, are_scored, strict=True))
    errors, n_errors = _key_errors((), numbered, header.names - header.optional, is_open=header.is_open)
    filled = [
        (_path((), name), number)
        for name in sorted(header.unset)
        for number, row in zip(numbers, rows, strict=True)
        if row.get(name) is not None
    ]
    rule = "must be null in all rows or in none, found another"
    errors = chain(errors, (FieldError(f"{pointer(*path)}/{i}", "wrong_type", rule) for path, i in filled))
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
            yield FieldError(pointer(*_path(holder, name), i), "missing", f"{rule} none")
        for name in () if is_open else sorted(row.keys() - names):
            yield FieldError(pointer(*_path(holder, name), i), "unknown_field", f"{rule} one that the other rows lack")


def _path(holder: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The names that lead to a field, those of a candidate apart."""
    candidate = candidate_of(name)
    return (*holder, name) if candidate is None else ("candidates", *candidate)


def is_nested(column: Column) -> bool:
    """Tell if the rows of a column are lists."""
    return isinstance(column, Ragged) or column.ndim > 1


def settled(header: Header, columns: list[Column], nulls: Mapping[str, BoolArray]) -> Header:
    """The header as later parts have it: with the kinds of the first part, and lists where that has them."""
    if header.nested:
        return header
    both = list(zip(header.groups, columns, strict=True))
    nested = {group.field.name: is_nested(values) for group, values in both}
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
