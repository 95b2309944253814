"""The cutting of files into pieces, by what their footers say and, of text, where rows end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, NamedTuple

from app.wire.arrow.blocks import blocks_of, schema_of
from app.wire.files.pieces import File, FormatName, Piece
from app.wire.files.systems import opened, place_of
from app.wire.files.texts import cuts_of, header_of, names_of, text_of
from app.wire.limits import Limits
from app.wire.parquet.footer import footer_of

WHOLE = -1
"""The end of a piece that is a whole file, which cannot be cut."""
STREAM_HEAD = 1 << 12
"""The first bytes of an Arrow stream that are its mark: they hold its schema, or enough of a long one."""


class Cut(NamedTuple):
    """The pieces of a file, and a mark of its columns: files with one mark have the same."""

    pieces: list[Piece]
    mark: bytes


class _Unit(NamedTuple):
    """The smallest part of a file that can be read alone: a row group, or a record batch, whose rows nobody counts."""

    n_bytes: int
    n_rows: int | None


def cut(file: File, piece_bytes: int, limits: Limits) -> Cut:
    """Cut a file into pieces of about so many bytes; what cannot be cut is one piece.

    Raises:
        SurprisalError: The file is not what its name says.
        SourceUnavailable: It cannot be read at this moment.
    """
    with closing(opened(place_of(file.path))) as source:
        pieces, mark = _CUTTING[file.format](source, file, piece_bytes, limits)
    folders = repr([name for name, _ in file.folders]).encode()
    return Cut(pieces, b" ".join((file.format.encode(), mark, folders)))


def _parquet(source: BinaryIO, file: File, piece_bytes: int, _: Limits) -> Cut:
    footer = footer_of(source)
    units = [_Unit(sum(chunk.end - chunk.start for chunk in group.chunks), group.n_rows) for group in footer.groups]
    return Cut(list(_joined(file, units, piece_bytes)), footer.schema)


def _arrow(source: BinaryIO, file: File, piece_bytes: int, _: Limits) -> Cut:
    blocks = blocks_of(source)
    if blocks is None:
        source.seek(0)
        return Cut([Piece(file, 0, WHOLE, file.n_bytes, 0)], source.read(STREAM_HEAD))
    units = [_Unit(length, None) for _, length in blocks.batches]
    return Cut(list(_joined(file, units, piece_bytes)), schema_of(source))


def _text(source: BinaryIO, file: File, piece_bytes: int, limits: Limits) -> Cut:
    whole = Piece(file, 0, WHOLE, file.n_bytes, 0)
    mark = header_of(text_of(source, whole, limits), limits)
    if file.format == "ndjson":
        mark = names_of(mark)
    if file.encoding or file.n_bytes <= piece_bytes:
        return Cut([whole], mark)
    cuts = cuts_of(source, file.n_bytes, piece_bytes, limits)
    both = zip([0, *cuts[:-1]], cuts, strict=True)
    return Cut([Piece(file, start, stop, stop - start, None if start else 0) for start, stop in both], mark)


_CUTTING: dict[FormatName, Callable[[BinaryIO, File, int, Limits], Cut]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "csv": _text,
    "ndjson": _text,
}


def _joined(file: File, units: Sequence[_Unit], piece_bytes: int) -> Iterator[Piece]:
    """Yield pieces of units that follow each other, none larger than it may be unless one unit is."""
    start, n_bytes, first_row = 0, 0, 0 if units else None
    for i, unit in enumerate(units):
        n_bytes += unit.n_bytes
        if i + 1 == len(units) or n_bytes + units[i + 1].n_bytes > piece_bytes:
            n_rows = _sum([own.n_rows for own in units[start : i + 1]])
            yield Piece(file, start, i + 1, n_bytes, first_row, n_rows)
            first_row = None if first_row is None or n_rows is None else first_row + n_rows
            start, n_bytes = i + 1, 0


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
