"""The planning of a job: files are listed and looked at, and cut into shards."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from app.errors import InvalidInput, TooLarge
from app.jobs.requests import Bounds, JobRequest
from app.jobs.shards import Classes, Group, Plan, Shard
from app.service.questions import check_addable
from app.wire.files.cutting import pieces_of
from app.wire.files.found import Roots, too_many
from app.wire.files.listing import files_of
from app.wire.files.pieces import File, Piece
from app.wire.files.reading import PieceRows


def plan(request: JobRequest, bounds: Bounds) -> Plan:
    """The plan of a job; nothing is scored yet.

    Raises:
        OutsideRoots: A source may not be read.
        FaultyFile: A file is missing, or is not like the others.
        InvalidInput: A source has no files, or the question needs all rows at once.
        TooLarge: The job has more files, shards or rows than it may.
        SourceUnavailable: Files cannot be read at this moment.
    """
    files = _files(request.sources, bounds)
    pieces = list(chain.from_iterable(pieces_of(file, bounds.shard_bytes) for file in files))
    classes = _looked_at(pieces, request, bounds)
    shards = list(_shards(pieces, bounds.shard_bytes))
    if len(shards) > bounds.max_shards:
        raise TooLarge(f"a job must have at most {bounds.max_shards} shards, found {len(shards)}")
    found = Plan(tuple(_groups(shards, bounds.max_groups)), classes)
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


def _looked_at(pieces: Sequence[Piece], request: JobRequest, bounds: Bounds) -> Classes:
    """The class names that the first rows bring, which must fit the question.

    Raises:
        FaultyFile: They do not fit.
        InvalidInput: There are no rows, or the question needs all rows at once.
    """
    for piece in pieces:
        rows = PieceRows(piece, request.question.naming, bounds.limits)
        for columns, classes in islice(rows.parts(), 1):
            check_addable(request.question.asked(columns, classes).question)
            return rows.categories
    raise InvalidInput.at("/source", "empty", "must hold at least one row, found none")


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
