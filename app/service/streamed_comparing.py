"""The comparing of rows that come in parts: differences add up, so no more than one part is kept."""

from collections.abc import Iterable, Iterator
from typing import Any

from app.errors import InvalidInput, pointer
from app.service.candidates import CompareRequest
from app.service.compared_parts import ComparedPart, check_slices, compared_part
from app.service.comparing import compare, comparison_of
from app.service.row_parts import TIMES_HELD, AllAtOnce, gathered, n_bytes_of_rows, together

COMPARED_AT_ONCE = AllAtOnce("cluster_id needs", lambda rows: TIMES_HELD * n_bytes_of_rows(rows))


def compare_parts(parts: Iterable[CompareRequest], max_held_bytes: int, n_threads: int = 1) -> dict[str, Any]:
    """Compare candidates on the rows of all parts: the same answer, to the last bit, as of all rows at once.

    Args:
        parts: Requests that differ in their rows only.
        max_held_bytes: The bytes of rows that may be kept where they are in clusters.
        n_threads: The number of threads that share the rows of a large part.

    Raises:
        InvalidInput: As for `compare`; pointers count rows from the first part. Or the parts hold no row at all.
        TooLarge: More rows would have to be kept than may be.
    """
    first, rows = gathered(parts)
    is_clustered = "cluster_id" in first.columns
    del first  # or its columns, and a record batch whose views they are, would be held to the end
    if is_clustered:
        return compare(together(rows, COMPARED_AT_ONCE, max_held_bytes), n_threads)
    return _added_up(rows, n_threads)


def _added_up(parts: Iterator[CompareRequest], n_threads: int) -> dict[str, Any]:
    first = next(parts)
    question, total = first.question, _compared(first, 0, n_threads)
    del first
    for request in parts:
        part = _compared(request, total.sent.summary.state.n_samples, n_threads)
        _check_width(total, part, request)
        total += part
        check_slices(question, sum(map(len, total.sent.summary.slices.values())))
    return comparison_of(question, total)


def _compared(request: CompareRequest, first_row: int, n_threads: int) -> ComparedPart:
    part = compared_part(request, first_row, n_threads)
    for scored in part.scores.values():
        scored.summary.inspected.sample()  # else the rows of this part would be held until the next is scored
    return part


def _check_width(total: ComparedPart, part: ComparedPart, request: CompareRequest) -> None:
    before, state = total.sent.summary.state, part.sent.summary.state
    if state.n_classes != before.n_classes:
        baseline = request.question.baseline
        place = pointer("candidates", baseline, request.question.candidates[baseline][0], before.n_samples)
        rule = f"must have {before.n_classes} values like the rows before, found {state.n_classes}"
        raise InvalidInput.at(place, "wrong_shape", rule)
