"""The scoring of rows that come in parts: the sums of parts add up, so no more than one part is kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from app.core.batch.checked import MAX_SLICES, batch_of
from app.core.batch.texts import texts_of
from app.core.checkpoints import at_checkpoints
from app.core.columns import Column, joined_columns, kind_of
from app.core.paying import hold
from app.errors import InvalidInput, TooLarge
from app.service.left_out import completed
from app.service.scoring import ScoreRequest, answer_of, part_at_once, part_of, score
from app.service.sections import Part
from app.service.sizes import n_bytes_of

MIN_PART_BYTES = 1 << 18
"""The bytes of columns below which parts are joined before they are scored: each part costs what some thousand rows
do."""
MIN_SLICED_BYTES = 1 << 22
"""The same for rows with slices, each of which has sums of its own in every part."""

PART_BYTES = 2048
"""The memory of a part besides its columns."""
TIMES_HELD = 4
"""The memory of rows that are needed at once, in times of their own: they are joined, sorted, and added up by group."""


class AllAtOnce(NamedTuple):
    """The need of all rows at once.

    Attributes:
        purpose: The words for what needs them, in errors.
        n_bytes: The memory that work on such rows takes at most, joining them included.
    """

    purpose: str
    n_bytes: Callable[[ScoreRequest], int]


SCORED_AT_ONCE = AllAtOnce(
    "cluster_id, gradient, bootstrap and metrics that do not merge need",
    lambda rows: TIMES_HELD * n_bytes_of_rows(rows),
)

_BYTES_PER_LOSS = 8


def score_parts(parts: Iterable[ScoreRequest], max_held_bytes: int, n_threads: int = 1) -> dict[str, Any]:
    """Score the rows of all parts as one batch: the same numbers, to the last bit, as of all rows at once.

    Args:
        parts: Requests that differ in their rows only.
        max_held_bytes: The bytes of rows that may be kept where the answer needs them: columns for clusters, gradients,
            the bootstrap and metrics that do not merge, a loss a row for `per_sample`.
        n_threads: The number of threads that share the rows of a large part.

    Raises:
        InvalidInput: As for `score`; pointers count rows from the first part. Or the parts hold no row at all.
        TooLarge: More rows would have to be kept than may be.
    """
    parts = completed(parts)
    first = next(parts, None)
    if first is None:
        raise InvalidInput.at("", "empty", "must hold at least one sample, found none")
    alike, in_parts = _alike(chain(iter([first]), parts)), not _needs_all_rows(first)
    del first  # or its columns, and a record batch whose views they are, would be held to the end
    if not in_parts:
        return score(_together(_gathered(alike), SCORED_AT_ONCE, max_held_bytes), n_threads)
    return _added_up(_gathered(alike), max_held_bytes, n_threads)


def rows_together(parts: Iterable[ScoreRequest], need: AllAtOnce, max_held_bytes: int) -> ScoreRequest:
    """The rows of all parts as one request.

    Args:
        parts: At least one.

    Raises:
        InvalidInput: The parts have different columns, or of different types.
        TooLarge: The rows take more memory than they may; the error tells how many would fit.
    """
    return _together(_gathered(_alike(completed(parts))), need, max_held_bytes)


def _needs_all_rows(request: ScoreRequest) -> bool:
    by_rows = request.question.plan.needs_rows or request.bootstrap or "gradient" in request.include
    return bool(by_rows) or "cluster_id" in request.columns


def _alike(parts: Iterable[ScoreRequest]) -> Iterator[ScoreRequest]:
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
            raise InvalidInput.at(f"{place}/{name}", "missing", rule)
        if first[name] != further[name]:
            rule = f"must hold values of one type, found another from row {n_rows} on"
            raise InvalidInput.at(f"{place}/{name}/{n_rows}", "wrong_type", rule)


def _gathered(parts: Iterator[ScoreRequest]) -> Iterator[ScoreRequest]:
    """The same rows in parts that are not small."""
    kept: list[ScoreRequest] = []
    n_bytes = 0
    for part in at_checkpoints(parts):
        kept.append(part)
        n_bytes += n_bytes_of_rows(part) + PART_BYTES
        if n_bytes >= (MIN_SLICED_BYTES if part.slices else MIN_PART_BYTES):
            yield _joined(kept)
            kept, n_bytes = [], 0
    if kept:
        yield _joined(kept)


def _added_up(parts: Iterator[ScoreRequest], max_held_bytes: int, n_threads: int) -> dict[str, Any]:
    first = next(parts)
    question, total = first.question, _scored(first, 0, n_threads)
    del first
    for request in parts:
        part = _scored(request, total.summary.state.n_samples, n_threads)
        _check_width(total, part)
        total += part
        _check_held(total, max_held_bytes)
    return answer_of(question, total)


def _scored(request: ScoreRequest, first_row: int, n_threads: int) -> Part:
    part = part_at_once(request, first_row, n_threads)
    if part is None:
        batch = batch_of(request.task, request.columns, request.options, request.slices, first_row)
        part = part_of(batch, request.question.plan, request.include, n_threads)
    part.summary.inspected.sample()  # else the rows of the first part would be held until the second is scored
    return part


def _check_width(total: Part, part: Part) -> None:
    before, state = total.summary.state, part.summary.state
    if state.n_classes != before.n_classes:
        rule = f"must have {before.n_classes} values like the rows before, found {state.n_classes}"
        raise InvalidInput.at(f"/{part.form}/{before.n_samples}", "wrong_shape", rule)


def _check_held(total: Part, max_held_bytes: int) -> None:
    n_losses = sum(map(len, total.losses))
    if n_losses * _BYTES_PER_LOSS > max_held_bytes:
        most = max_held_bytes // _BYTES_PER_LOSS
        raise TooLarge(f"a body that comes in parts must have at most {most} rows for per_sample")
    n_slices = sum(map(len, total.summary.slices.values()))
    if n_slices > MAX_SLICES:
        rule = f"must have at most {MAX_SLICES} different values in all, found {n_slices}"
        raise InvalidInput.at("/slices", "out_of_range", rule)


def _together(parts: Iterator[ScoreRequest], need: AllAtOnce, max_held_bytes: int) -> ScoreRequest:
    kept: list[ScoreRequest] = []
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


def _joined(parts: list[ScoreRequest]) -> ScoreRequest:
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


def _n_rows(request: ScoreRequest) -> int:
    return len(next(iter(request.columns.values())))


def n_bytes_of_rows(request: ScoreRequest) -> int:
    """The bytes that the columns of a request take in memory at most."""
    return sum(map(n_bytes_of, chain(request.columns.values(), request.slices.values())))
