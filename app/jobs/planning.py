"""The planning of a job: files are listed, looked at and cut into shards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

from app.core.checkpoints import at_checkpoints
from app.errors import FaultyFile, InvalidInput, SurprisalError, TooLarge
from app.jobs.adding import check_alike
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import kinds_of
from app.jobs.shards import Classes, Group, Plan, Shard
from app.service import ScoreRequest
from app.service.questions import check_addable
from app.wire.files.cutting import Cut, cut
from app.wire.files.found import Roots, too_many
from app.wire.files.listing import files_of
from app.wire.files.pieces import File, Piece
from app.wire.files.reading import Known, PieceRows
from app.wire.skipping import Skipping

N_READERS = 16
"""The footers that are read at once: those of a bucket are waited for."""


def plan(request: JobRequest, bounds: Bounds) -> Plan:
    """The plan of a job; nothing is scored yet.

    Raises:
        OutsideRoots: A source may not be read.
        FaultyFile: A file cannot be read, or is not like the others.
        InvalidInput: A source has no files, or the question needs all rows at once.
        TooLarge: The job has more files, shards or rows than it may.
        SourceUnavailable: Files cannot be read at this moment.
    """
    cuts = _cuts(_files(request.sources, bounds), bounds)
    head = _looked_at(cuts, request, bounds)
    shards = list(_shards(chain.from_iterable(one.pieces for one in cuts), bounds.shard_bytes))
    if len(shards) > bounds.max_shards:
        raise TooLarge(f"a job must have at most {bounds.max_shards} shards, found {len(shards)}")
    found = Plan(tuple(_groups(shards, bounds.max_groups)), head.classes, tuple(sorted((head.settled or {}).items())))
    if found.n_rows is not None and found.n_rows > bounds.max_rows:
        raise TooLarge(f"a job must have at most {bounds.max_rows} rows, found {found.n_rows}")
    return found


def _files(sources: Iterable[str], bounds: Bounds) -> list[File]:
    """The files of all sources in their order; one that several name counts once."""
    roots, files = Roots(bounds.roots), dict[str, File]()
    for source in sources:
        for file in files_of(source, roots, bounds.max_files):
            files.setdefault(file.path, file)
        if len(files) > bounds.max_files:
            raise too_many(bounds.max_files)
    return list(files.values())


def _cuts(files: Sequence[File], bounds: Bounds) -> list[Cut]:
    """The pieces of each file, many of which are looked at at once."""

    def cut_of(file: File) -> Cut:
        try:
            return cut(file, bounds.shard_bytes, bounds.limits)
        except SurprisalError as error:
            raise FaultyFile(error, file.path) from error

    with ThreadPoolExecutor(min(N_READERS, max(1, len(files)))) as readers:
        return list(at_checkpoints(readers.map(cut_of, files)))


@dataclass(slots=True)
class _Head:
    """The facts that the first rows of files tell of all.

    Attributes:
        file: The first file with rows.
        kinds: The kinds of its columns.
        classes: The categories of its labels, if the class names are taken from them.
        settled: The kinds of columns of CSV, as the first such file has them.
    """

    file: str = ""
    kinds: Mapping[str, str] | None = None
    classes: Classes = None
    settled: Mapping[str, str] | None = None


def _looked_at(cuts: Iterable[Cut], request: JobRequest, bounds: Bounds) -> _Head:
    """The facts that the first rows tell, of one file for each mark of columns that files have.

    Raises:
        FaultyFile: A file does not fit the question, or is not like the first.
        InvalidInput: There are no rows, or the question needs all rows at once.
    """
    head, known = _Head(), set[bytes]()
    for one in at_checkpoints(cuts):
        if one.mark not in known and _look(one.pieces, request, bounds, head):
            known.add(one.mark)
    if head.kinds is None:
        raise InvalidInput.at("/source", "empty", "must hold at least one row, found none")
    return head


def _look(pieces: Iterable[Piece], request: JobRequest, bounds: Bounds, head: _Head) -> bool:
    """Look at the first rows of a file; tell if there are any."""
    skipping = Skipping() if request.on_error == "skip" else None
    for piece in pieces:
        known = Known(head.classes, head.settled, skipping)
        rows = PieceRows(piece, request.question.naming, bounds.limits, known)
        found = _first_of(rows, request)
        if found is not None:
            check_addable(found.question)
            if head.kinds is None:
                head.file, head.kinds = piece.file.path, kinds_of(found)
            check_alike(head.kinds, kinds_of(found), head.file, piece.file.path)
            head.classes, head.settled = rows.categories, rows.settled
            return True
    return False


def _first_of(rows: PieceRows, request: JobRequest) -> ScoreRequest | None:
    """A request of the first rows of a piece; None if it has none."""
    try:
        for columns, classes in islice(rows.parts(), 1):
            return request.question.asked(columns, classes)
    except SurprisalError as error:
        raise rows.told(error) from error
    return None


def _shards(pieces: Iterable[Piece], shard_bytes: int) -> Iterator[Shard]:
    """Yield the shards of pieces in their order; small pieces are put together."""
    kept, n_bytes = list[Piece](), 0
    for piece in pieces:
        if kept and n_bytes + piece.n_bytes > shard_bytes:
            yield Shard(tuple(kept))
            kept, n_bytes = [], 0
        kept.append(piece)
        n_bytes += piece.n_bytes
    if kept:
        yield Shard(tuple(kept))


def _groups(shards: Sequence[Shard], max_groups: int) -> Iterator[Group]:
    """Yield groups of shards in their order, all of one size but for the last."""
    size = max(1, -(-len(shards) // max_groups))
    for number, start in enumerate(range(0, len(shards), size)):
        yield Group(number, tuple(shards[start : start + size]))
