"""The one function that engines run: a group of shards becomes its sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.columns import kind_of
from app.core.tasks import COLUMNS
from app.errors import FaultyFile, SourceChanged, SourceUnavailable, SurprisalError
from app.jobs.adding import Sums, read_sums, total_of
from app.jobs.requests import JobRequest
from app.jobs.shards import Classes, Group, Plan
from app.service import ScoreRequest
from app.service.streaming import part_of_rows
from app.wire.files.pieces import Piece
from app.wire.files.reading import PieceRows
from app.wire.limits import Limits


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
    limits: Limits
    classes: Classes = None
    kinds: tuple[tuple[str, str], ...] = ()

    def __call__(self, group: Group) -> GroupSums:
        """Score a group.

        Raises:
            FaultyFile: A row, or a file, is at fault.
            SourceUnavailable: A file cannot be read at this moment.
        """
        return scored(group, self)


def scoring_of(plan: Plan, request: JobRequest, limits: Limits) -> Scoring:
    """The scoring of the groups of a plan."""
    return Scoring(request, limits, plan.classes, plan.kinds)


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
    rows = PieceRows(piece, naming, scoring.limits, scoring.classes, kinds)
    try:
        return sums_of(rows, scoring.request.question.asked)
    except (FaultyFile, SourceChanged, SourceUnavailable):  # these name the file themselves
        raise
    except SurprisalError as error:
        raise rows.told(error) from error


def sums_of(rows: PieceRows, asked: Callable[[Any, Classes], ScoreRequest]) -> Sums:
    """The sums of the rows of a piece."""
    noted = _Noted()
    found = part_of_rows(noted.requests(rows, asked))
    if found is None:
        return Sums()
    question, part = found
    n_rows = part.summary.state.n_samples
    return Sums(question, part, noted.classes, noted.kinds, rows.piece.file.path, n_rows)


def kinds_of(request: ScoreRequest) -> dict[str, str]:
    """The kind of values of each column of a request; names of rows may be of any, for their texts are what counts."""
    return {name: "" if COLUMNS[name].role == "group" else kind_of(column) for name, column in request.columns.items()}


class _Noted:
    """What the first rows of a piece tell of all: their class names, and the kinds of their columns."""

    def __init__(self) -> None:
        self.classes: Classes = None
        self.kinds: dict[str, str] = {}

    def requests(self, rows: PieceRows, asked: Callable[[Any, Classes], ScoreRequest]) -> Iterator[ScoreRequest]:
        """Yield a request of each part of the rows."""
        for columns, classes in rows.parts():
            request = asked(columns, classes)
            if not self.kinds:
                self.classes = classes
                self.kinds = kinds_of(request)
            yield request
