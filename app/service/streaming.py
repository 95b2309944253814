"""The scoring of rows that come in parts: the sums of parts add up, so no more than one part is kept."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from app.core.batch.checked import MAX_SLICES, batch_of
from app.core.columns import IntArray
from app.errors import InvalidInput, TooLarge
from app.service.left_out import taken
from app.service.questions import Question
from app.service.row_parts import TIMES_HELD, AllAtOnce, gathered, n_bytes_of_rows, together
from app.service.scoring import ScoreRequest, answer_of, part_at_once, part_of, score
from app.service.sections import Part

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
    first, rows = gathered(parts)
    in_parts = not _needs_all_rows(first)
    del first  # or its columns, and a record batch whose views they are, would be held to the end
    if not in_parts:
        return score(together(rows, SCORED_AT_ONCE, max_held_bytes), n_threads)
    return _added_up(rows, max_held_bytes, n_threads)


def part_of_rows(parts: Iterable[ScoreRequest], n_threads: int = 1) -> tuple[Question, Part] | None:
    """Sum up rows whose sums are to be added to those of others, with the sums within their clusters.

    Returns:
        The question, and the sums of all rows; None of no part.

    Raises:
        InvalidInput: As for `score`; pointers count rows from the first part.
    """
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        return None
    question = first.question
    asked = question.asking_state() if "cluster_id" in first.columns else question
    rows = chain(iter([first]), parts)
    del first
    return question, _total(gathered(request._replace(question=asked) for request in rows)[1], n_threads)


def sound_rows(request: ScoreRequest, rows: IntArray | None) -> ScoreRequest:
    """The request with some of its rows, of None all, once these are checked.

    Raises:
        InvalidInput: A row is at fault; pointers count from the first of these rows.
    """
    found = request if rows is None else taken(request, rows)
    batch_of(found.task, found.columns, found.options, found.slices)
    return found


def _needs_all_rows(request: ScoreRequest) -> bool:
    by_rows = request.question.plan.needs_rows or request.bootstrap or "gradient" in request.include
    return bool(by_rows) or "cluster_id" in request.columns


def _added_up(parts: Iterator[ScoreRequest], max_held_bytes: int, n_threads: int) -> dict[str, Any]:
    first = next(parts)
    question, rows = first.question, chain(iter([first]), parts)
    del first
    return answer_of(question, _total(rows, n_threads, max_held_bytes))


def _total(parts: Iterator[ScoreRequest], n_threads: int, max_held_bytes: int = 0) -> Part:
    """The sum of at least one part."""
    total = _scored(next(parts), 0, n_threads)
    for request in parts:
        part = _scored(request, total.summary.state.n_samples, n_threads)
        _check_width(total, part)
        total += part
        _check_held(total, max_held_bytes)
    return total


def _scored(request: ScoreRequest, first_row: int, n_threads: int) -> Part:
    part = part_at_once(request, first_row, n_threads)
    if part is None:
        batch = batch_of(request.task, request.columns, request.options, request.slices, first_row)
        part = part_of(batch, request.question.plan, request.include, n_threads)
    part.summary.inspected.sample()  # else the rows of the first part would be held until the second is scored
    return part.by_row() if part.clusters else part


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
