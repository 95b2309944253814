"""Requests that hold the rows of a body part by part: they are alike, not small, and become one where need be."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from app.core.batch.texts import texts_of
from app.core.checkpoints import at_checkpoints
from app.core.columns import Column, joined_columns, kind_of
from app.core.paying import hold
from app.core.tasks import candidate_of
from app.errors import InvalidInput, TooLarge, pointer
from app.service.left_out import Rows, completed
from app.service.sizes import n_bytes_of

MIN_PART_BYTES = 1 << 21
"""The bytes of columns below which parts are joined before they are scored: each part costs what some ten thousand rows
do. A wrong row is told once so many bytes are there."""
MIN_SLICED_BYTES = 1 << 22
"""The same for rows with slices, each of which has sums of its own in every part."""

PART_BYTES = 2048
"""The memory of a part besides its columns."""


class AllAtOnce(NamedTuple):
    """The need of all rows at once.

    Attributes:
        purpose: The words for what needs them, in errors.
        n_bytes: The memory that work on such rows takes at most, joining them included.
    """

    purpose: str
    n_bytes: Callable[[Any], int]


TIMES_HELD = 4
"""The memory of rows that are needed at once, in times of their own: they are joined, sorted, and added up by group."""


def gathered(parts: Iterable[Rows]) -> tuple[Rows, Iterator[Rows]]:
    """The first part, and all parts with those that are small joined.

    Raises:
        InvalidInput: There is no part. Later, a part has other columns, or of other types, than those before.
    """
    parts = completed(parts)
    first = next(parts, None)
    if first is None:
        raise InvalidInput.at("", "empty", "must hold at least one sample, found none")
    return first, _gathered(_alike(chain(iter([first]), parts)))


def rows_together(parts: Iterable[Rows], need: AllAtOnce, max_held_bytes: int) -> Rows:
    """The rows of all parts as one request.

    Args:
        parts: At least one.

    Raises:
        InvalidInput: The parts have different columns, or of different types.
        TooLarge: The rows take more memory than they may; the error tells how many would fit.
    """
    return together(_gathered(_alike(completed(parts))), need, max_held_bytes)


def _alike(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the parts, and refuse one whose columns or types differ from those of the parts before."""
    columns: dict[str, str] = {}
    slices: dict[str, str] = {}
    n_rows = 0
    for part in parts:
        own, own_slices = _kinds(part.columns), dict.fromkeys(part.slices, "")  # null makes texts of numbers
        if n_rows:
            _check_columns(columns, own, "", n_rows)
            _check_columns(slices, own_slices, "/slices", n_rows)
        columns, slices = own, own_slices
        n_rows += _n_rows(part)
        yield part


def _kinds(columns: Mapping[str, Column]) -> dict[str, str]:
    return {name: kind_of(column) for name, column in columns.items()}


def _check_columns(first: Mapping[str, str], further: Mapping[str, str], place: str, n_rows: int) -> None:
    if first == further:
        return
    for name in sorted(first.keys() | further.keys()):
        if name not in first or name not in further:
            rule = f"must be in all rows or in none, found a change before row {n_rows}"
            raise InvalidInput.at(place + _place(name), "missing", rule)
        if first[name] != further[name]:
            rule = f"must hold values of one type, found another from row {n_rows} on"
            raise InvalidInput.at(f"{place}{_place(name)}/{n_rows}", "wrong_type", rule)


def _place(column: str) -> str:
    """The pointer of a column, which may be one of a candidate."""
    candidate = candidate_of(column)
    return pointer("candidates", *candidate) if candidate else f"/{column}"


def _gathered(parts: Iterator[Rows]) -> Iterator[Rows]:
    """The same rows in parts that are not small."""
    kept: list[Rows] = []
    n_bytes = 0
    for part in at_checkpoints(parts):
        kept.append(part)
        n_bytes += n_bytes_of_rows(part) + PART_BYTES
        if len(kept) > 1:
            hold("held", 2 * n_bytes)
        if n_bytes >= (MIN_SLICED_BYTES if part.slices else MIN_PART_BYTES):
            yield _joined(kept)
            kept, n_bytes = [], 0
    if kept:
        yield _joined(kept)


def together(parts: Iterator[Rows], need: AllAtOnce, max_held_bytes: int) -> Rows:
    """The rows of parts that `gathered` gave as one request.

    Raises:
        TooLarge: The rows take more memory than they may; the error tells how many would fit.
    """
    kept: list[Rows] = []
    n_rows = n_bytes = n_needed = 0
    for part in at_checkpoints(parts):
        n_rows += _n_rows(part)
        n_bytes += n_bytes_of_rows(part)
        n_needed += need.n_bytes(part)
        if n_bytes > max_held_bytes:
            most = n_rows * max_held_bytes // n_bytes
            raise TooLarge(
                f"{need.purpose} all rows at once: the columns must fit in {max_held_bytes} bytes, as about {most} "
                "rows like these do"
            )
        hold("held", n_needed)
        kept.append(part.owned() if kept else part)
    return _joined(kept)


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    columns = joined_columns([part.columns for part in parts])
    return parts[0]._replace(columns=columns, slices=joined_columns(_of_one_kind([part.slices for part in parts])))


def _of_one_kind(parts: list[Mapping[str, Column]]) -> list[Mapping[str, Column]]:
    """The slices of several parts, as texts where they are numbers in some and, for some are null, texts in others."""
    mixed = {name for name in parts[0] if len({kind_of(part[name]) for part in parts}) > 1}
    if not mixed:
        return parts
    return [
        {name: texts_of(np.asarray(values)) if name in mixed else values for name, values in part.items()}
        for part in parts
    ]


def _n_rows(request: Rows) -> int:
    return len(next(iter(request.columns.values())))


def n_bytes_of_rows(request: Rows) -> int:
    """The bytes that the columns of a request take in memory at most."""
    return sum(map(n_bytes_of, chain(request.columns.values(), request.slices.values())))
