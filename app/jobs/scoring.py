"""The one function that engines run: a group of shards becomes its sums."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from app.core.columns import kind_of
from app.core.paying import Kind, Pay, paid_by
from app.core.tasks import COLUMNS
from app.errors import FaultyFile, InvalidInput, SourceChanged, SourceUnavailable, SurprisalError, TooLarge
from app.jobs.adding import Skipped, Sums, read_sums, total_of
from app.jobs.requests import Asked, Bounds, JobRequest
from app.jobs.shards import Classes, Group, Plan
from app.service import ScoreRequest
from app.service.streaming import part_of_rows, sound_rows
from app.wire.files.pieces import Piece
from app.wire.files.reading import Known, PieceRows
from app.wire.skipping import Fault, Skipping, with_row


@dataclass(frozen=True, slots=True)
class GroupSums:
    """The sums of a group as they are sent and stored, with what they cost.

    Attributes:
        sums: The sealed sums.
        n_rows: The rows that were read, those that are skipped among them.
        n_bytes: The bytes of files that were read.
    """

    sums: bytes
    n_rows: int
    n_bytes: int
    n_skipped: int = 0


@dataclass(frozen=True, slots=True)
class Scoring:
    """The scoring of the groups of a plan, as it travels to workers: call it with a group."""

    request: JobRequest
    bounds: Bounds
    classes: Classes = None
    kinds: tuple[tuple[str, str], ...] = ()

    def __call__(self, group: Group) -> GroupSums:
        """Score a group.

        Raises:
            FaultyFile: A row, or a file, is at fault.
            SourceUnavailable: A file cannot be read at this moment.
        """
        return scored(group, self)


def scoring_of(plan: Plan, request: JobRequest, bounds: Bounds) -> Scoring:
    """The scoring of the groups of a plan."""
    return Scoring(request, bounds, plan.classes, plan.kinds)


def scored(group: Group, scoring: Scoring) -> GroupSums:
    """The sums of all shards of a group, added up."""
    pieces = (piece for shard in group.shards for piece in shard.pieces)
    total = total_of(_piece_sums(piece, scoring) for piece in pieces)
    return GroupSums(total.to_bytes(), total.n_rows, group.n_bytes, total.skipped.count)


def added(parts: Sequence[GroupSums], scoring: Scoring) -> GroupSums:
    """The sums of several parts of a group, added up in their order."""
    total = total_of(read_sums(part.sums, scoring.request) for part in parts)
    n_bytes, n_skipped = sum(part.n_bytes for part in parts), sum(part.n_skipped for part in parts)
    return GroupSums(total.to_bytes(), total.n_rows, n_bytes, n_skipped)


def _piece_sums(piece: Piece, scoring: Scoring) -> Sums:
    naming, kinds = scoring.request.question.naming, dict(scoring.kinds) or None
    skipping = Skipping() if scoring.request.on_error == "skip" else None
    rows = PieceRows(piece, naming, scoring.bounds.limits, Known(scoring.classes, kinds, skipping))
    try:
        with paid_by(_account(scoring.bounds.worker_bytes)):
            sums = sums_of(rows, scoring.request.question.asked, skipping)
    except (FaultyFile, SourceChanged, SourceUnavailable):  # these name the file themselves
        raise
    except SurprisalError as error:
        raise rows.told(error) from error
    if skipping is None or not skipping.count:
        return sums
    skipped = Skipped(skipping.count, tuple(_told(rows, fault) for fault in skipping.faults))
    return replace(sums, n_rows=sums.n_rows + skipping.count, skipped=skipped)


def _account(most: int) -> Pay:
    """An account of the memory that one piece takes; of each kind it takes as much as was told at most."""
    held = Counter[Kind]()

    def pay(kind: Kind, n_bytes: int) -> None:
        held[kind] = max(held[kind], n_bytes)
        if held.total() > most:
            rule = f"must take at most {most} bytes of memory at once, found {held.total()}"
            raise TooLarge(f"{rule}: write smaller row groups or batches, or give workers more memory")

    return pay


def _told(rows: PieceRows, fault: Fault) -> dict[str, Any]:
    """A skipped row as answers list it."""
    error = rows.told(InvalidInput((replace(fault.error, pointer=with_row(fault.error.pointer, fault.row)),)))
    return {"file": error.file, "row": error.row, "detail": error.cause.detail}


def sums_of(rows: PieceRows, asked: Asked, skipping: Skipping | None = None) -> Sums:
    """The sums of the rows of a piece."""
    noted = _Noted(skipping)
    found = part_of_rows(noted.requests(rows, asked))
    if found is None:
        return Sums()
    question, part = found
    n_rows = part.summary.state.n_samples
    return Sums(question, part, noted.classes, noted.kinds, rows.piece.file.path, n_rows)


def kinds_of(request: ScoreRequest) -> dict[str, str]:
    """The kind of values of each column of a request; names of rows may be of any, for their texts are what counts."""
    return {name: "" if COLUMNS[name].role == "group" else kind_of(column) for name, column in request.columns.items()}


def with_doubles(request: ScoreRequest) -> ScoreRequest:
    """The request with doubles for floats: the same numbers, in the form that kernels judge and sum up at once."""
    if request.task != "multiclass" or len(request.columns) > 2:
        return request
    columns = {
        name: column.astype(np.float64) if isinstance(column, np.ndarray) and column.dtype == np.float32 else column
        for name, column in request.columns.items()
    }
    return request._replace(columns=columns)


class _Noted:
    """The facts that the first rows of a piece tell of all: their class names, and the kinds of their columns."""

    def __init__(self, skipping: Skipping | None) -> None:
        self.classes: Classes = None
        self.kinds: dict[str, str] = {}
        self._skipping = skipping

    def requests(self, rows: PieceRows, asked: Asked) -> Iterator[ScoreRequest]:
        """Yield a request of each part of the rows, without those that are skipped."""
        for columns, classes in rows.parts():
            request: ScoreRequest | None = with_doubles(asked(columns, classes))
            if request is not None and not self.kinds:
                self.classes, self.kinds = classes, kinds_of(request)
            if request is not None and self._skipping is not None:
                numbers = self._skipping.numbers
                request = self._skipping.tried(numbers, 0, partial(sound_rows, request))
            if request is not None:
                yield request
