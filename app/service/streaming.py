"""Scoring rows in parts: their states add up, so parts may arrive one by one, and threads may share them."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from itertools import chain, starmap
from typing import Any

from app.core.batches import MAX_SLICES, batch_of
from app.core.columns import Column, Ragged, joined_columns, kind_of, n_bytes_of
from app.core.metric import Metric
from app.core.registry import metrics_for
from app.errors import InvalidInput, TooLarge
from app.service.scoring import ScoreRequest, answer_of, part_of, score_at_once
from app.service.sections import Part

PIECE_BYTES = 4 << 20
"""Of columns: so many rows are scored at a time, by one thread; with fewer, threads cost more than they save."""

_BYTES_PER_LOSS = 8


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads that share the rows of one request."""

    executor: Executor
    n: int


def score(request: ScoreRequest, threads: Threads | None = None) -> dict[str, Any]:
    """Score one batch; threads change nothing but the time it takes.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    if threads is None or _needs_all_rows(request) or _n_bytes(request) <= PIECE_BYTES:
        return score_at_once(request)
    try:
        return _added_up(_pieces(request), threads, _n_bytes(request))
    except InvalidInput:
        return score_at_once(request)  # all rows at once know all errors


def score_parts(parts: Iterable[ScoreRequest], max_held_bytes: int, threads: Threads | None = None) -> dict[str, Any]:
    """Score the rows of all parts as one batch: the same numbers, to the last bit, as of all rows at once.

    Args:
        parts: Requests that differ in their rows only.
        max_held_bytes: What may be kept of rows where the answer needs them: columns for clusters, gradients, the
            bootstrap and metrics on request, a loss a row for `per_sample`.

    Raises:
        InvalidInput: As for `score`; pointers count rows from the first part. Or the parts hold no row at all.
        TooLarge: More rows would have to be kept than may be.
    """
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        raise InvalidInput.at("", "empty", "must hold at least one sample, found none")
    alike = chain([first], _alike(first, parts))
    if _needs_all_rows(first):
        return score_at_once(_together(alike, max_held_bytes))
    return _added_up(chain.from_iterable(map(_pieces, alike)), threads, max_held_bytes)


def _needs_all_rows(request: ScoreRequest) -> bool:
    on_request = request.metrics or request.bootstrap or "gradient" in request.include
    return bool(on_request) or "cluster_id" in request.columns


def _alike(first: ScoreRequest, parts: Iterable[ScoreRequest]) -> Iterator[ScoreRequest]:
    """The further parts, as long as their columns are those of the first part and hold the like."""
    n_rows = _n_rows(first)
    for part in parts:
        _check_columns(first.columns, part.columns, "", n_rows)
        _check_columns(first.slices, part.slices, "/slices", n_rows)
        yield part
        n_rows += _n_rows(part)


def _check_columns(first: Mapping[str, Column], further: Mapping[str, Column], place: str, n_rows: int) -> None:
    for name in sorted(first.keys() | further.keys()):
        if name not in first or name not in further:
            rule = f"must be in all rows or in none, found a change before row {n_rows}"
            raise InvalidInput.at(f"{place}/{name}", "missing", rule)
        if kind_of(first[name]) != kind_of(further[name]):
            rule = f"must hold values of one type, found another from row {n_rows} on"
            raise InvalidInput.at(f"{place}/{name}/{n_rows}", "wrong_type", rule)


def _added_up(pieces: Iterator[ScoreRequest], threads: Threads | None, max_held_bytes: int) -> dict[str, Any]:
    first = next(pieces)
    scored = _in_order(_numbered(chain([first], pieces)), threads)
    metrics, total = next(scored)
    for _, part in scored:
        _check_width(total, part)
        total += part
        _check_held(total, max_held_bytes)
    return answer_of(first, metrics, total)


def _numbered(pieces: Iterator[ScoreRequest]) -> Iterator[tuple[ScoreRequest, int]]:
    """Pieces with the number of their first row."""
    first_row = 0
    for piece in pieces:
        yield piece, first_row
        first_row += _n_rows(piece)


def _scored(piece: ScoreRequest, first_row: int) -> tuple[list[Metric], Part]:
    batch = batch_of(piece.task, piece.columns, piece.options, piece.slices, first_row)
    metrics = metrics_for(batch, piece.metrics)
    return metrics, part_of(batch, metrics, piece.include)


def _in_order(
    pieces: Iterator[tuple[ScoreRequest, int]], threads: Threads | None
) -> Iterator[tuple[list[Metric], Part]]:
    """The scored pieces as they came; threads work on no more than there are, so that few are in memory."""
    if threads is None:
        yield from starmap(_scored, pieces)
        return
    under_way: deque[Future[tuple[list[Metric], Part]]] = deque()
    for piece in pieces:
        under_way.append(threads.executor.submit(_scored, *piece))
        while under_way and (under_way[0].done() or len(under_way) > threads.n):
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _check_width(total: Part, part: Part) -> None:
    before, state = total.summary.state, part.summary.state
    if state.n_classes != before.n_classes:
        rule = f"must have {before.n_classes} values like the rows before, found {state.n_classes}"
        raise InvalidInput.at(f"/{part.form}/{before.n_samples}", "wrong_shape", rule)


def _check_held(total: Part, max_held_bytes: int) -> None:
    n_losses = sum(map(len, total.summary.losses))
    if n_losses * _BYTES_PER_LOSS > max_held_bytes:
        most = max_held_bytes // _BYTES_PER_LOSS
        raise TooLarge(f"a body that comes in parts must have at most {most} rows for per_sample")
    n_slices = sum(map(len, total.slices.values()))
    if n_slices > MAX_SLICES:
        rule = f"must have at most {MAX_SLICES} different values in all, found {n_slices}"
        raise InvalidInput.at("/slices", "out_of_range", rule)


def _together(parts: Iterator[ScoreRequest], max_held_bytes: int) -> ScoreRequest:
    kept: list[ScoreRequest] = []
    n_bytes = 0
    for part in parts:
        kept.append(part)
        n_bytes += _n_bytes(part)
        if n_bytes > max_held_bytes:
            raise TooLarge(
                "cluster_id, gradient, bootstrap and metrics on request need all rows at once: the columns must fit in "
                f"{max_held_bytes} bytes"
            )
    if len(kept) == 1:
        return kept[0]
    columns = joined_columns([part.columns for part in kept])
    return replace(kept[0], columns=columns, slices=joined_columns([part.slices for part in kept]))


def _pieces(request: ScoreRequest) -> Iterator[ScoreRequest]:
    """The request, or where it is large requests about some of its rows each."""
    columns = [*request.columns.values(), *request.slices.values()]
    n_rows, n_bytes = _n_rows(request), _n_bytes(request)
    if n_bytes <= PIECE_BYTES or any(len(column) != n_rows for column in columns):
        yield request
        return
    step = max(1, n_rows * PIECE_BYTES // n_bytes)
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        yield replace(request, columns=_rows(request.columns, rows), slices=_rows(request.slices, rows))


def _n_rows(request: ScoreRequest) -> int:
    return len(next(iter(request.columns.values())))


def _n_bytes(request: ScoreRequest) -> int:
    return sum(map(n_bytes_of, chain(request.columns.values(), request.slices.values())))


def _rows(columns: Mapping[str, Column], rows: slice) -> dict[str, Column]:
    return {name: column.take(rows) if isinstance(column, Ragged) else column[rows] for name, column in columns.items()}
