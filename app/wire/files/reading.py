"""The reading of pieces of files: columns of some rows at a time, whatever the format."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from app.errors import FaultyFile, InvalidInput, SourceChanged, SourceUnavailable, SurprisalError, clip
from app.wire.arrow import stream as arrow
from app.wire.arrow.blocks import blocks_of, stream_of
from app.wire.csv import table as csv
from app.wire.files.faults import in_file
from app.wire.files.folders import folders_of
from app.wire.files.pieces import File, FormatName, Piece
from app.wire.files.ranges import Range
from app.wire.files.systems import opened, place_of, system_of
from app.wire.files.texts import header_of, pieces_from, text_of
from app.wire.limits import Limits
from app.wire.mapping.class_names import with_classes
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import Naming
from app.wire.ndjson import reader as ndjson
from app.wire.parquet import file as parquet
from app.wire.skipping import Skipping
from app.wire.sources import Pieces

Parts: TypeAlias = Iterator[dict[str, Any]]
Classes: TypeAlias = tuple[str, ...] | None


class Known(NamedTuple):
    """The facts of a data set that are known before a piece of it is read.

    Attributes:
        classes: The categories of the labels, as the first file had them, if they were asked for.
        kinds: The kinds of columns of CSV, as the first such file had them.
        skipping: The rows at fault that are skipped; None where each ends the reading.
    """

    classes: Classes = None
    kinds: Mapping[str, str] | None = None
    skipping: Skipping | None = None


NOTHING_KNOWN = Known()


class PieceRows:
    """The rows of a piece of a file, under the names of fields.

    Attributes:
        piece: The piece.
    """

    def __init__(self, piece: Piece, naming: Naming, limits: Limits, known: Known = NOTHING_KNOWN) -> None:
        """Prepare to read; nothing is opened yet."""
        self.piece = piece
        self._limits = limits
        self._folders = folders_of(naming, piece.file.folders)
        self._columns = ColumnMap(self._folders.naming)
        self._columns.categories, self._columns.kinds, self._columns.skipping = known

    @property
    def categories(self) -> Classes:
        """The categories of the labels, once they have been read."""
        return self._columns.categories

    @property
    def settled(self) -> Mapping[str, str] | None:
        """The kinds of columns of CSV, once they are settled."""
        return self._columns.kinds

    def parts(self) -> Iterator[tuple[dict[str, Any], Classes]]:
        """Yield the columns of some rows, and the class names that they brought.

        Raises:
            SurprisalError: What is wrong with the bytes; rows are counted from the first of the piece.
        """
        file = self.piece.file
        check_unchanged(file)
        with closing(opened(place_of(file.path))) as source:
            for part in _READERS[file.format](source, self.piece, self._limits, self._columns):
                yield with_classes(self._folders.joined(part), self._columns)

    def told(self, error: SurprisalError) -> FaultyFile:
        """The error of some of these rows, as one of the file: its rows are counted from the first of the file."""
        cause = self._columns.told(error) if isinstance(error, InvalidInput) else error
        return in_file(cause, self.piece, self._limits)


def check_unchanged(file: File) -> None:
    """Refuse a file that is not the one that was listed.

    Raises:
        SourceChanged: It is another one, or gone.
        SourceUnavailable: The file system does not tell.
    """
    place = place_of(file.path)
    try:
        about = system_of(place.scheme).get_file_info(place.path)
    except OSError as error:
        raise SourceUnavailable(f"{file.path} cannot be read: {clip(str(error))}") from error
    if (about.size, str(about.mtime_ns or 0)) != (file.n_bytes, file.fingerprint):
        raise SourceChanged(f"{file.path} must stay as it was when the job began, found another")


def _of_parquet(source: BinaryIO, piece: Piece, limits: Limits, columns: ColumnMap) -> Parts:
    return parquet.parts(source, limits, columns, slice(piece.start, piece.stop))


def _of_arrow(source: BinaryIO, piece: Piece, limits: Limits, columns: ColumnMap) -> Parts:
    blocks = blocks_of(source)
    if blocks is None:
        return arrow.parts(Range(source, 0, piece.file.n_bytes), limits, columns)
    return arrow.parts(stream_of(source, blocks, slice(piece.start, piece.stop)), limits, columns)


def _of_csv(source: BinaryIO, piece: Piece, limits: Limits, columns: ColumnMap) -> Parts:
    if not piece.start:
        return csv.parts(text_of(source, piece, limits), limits, columns)
    header = header_of(Range(source, 0, piece.start), limits)
    return csv.parts(Pieces(chain([header], pieces_from(Range(source, piece.start, piece.stop)))), limits, columns)


def _of_ndjson(source: BinaryIO, piece: Piece, limits: Limits, columns: ColumnMap) -> Parts:
    return ndjson.parts(text_of(source, piece, limits), limits, columns)


_READERS: dict[FormatName, Callable[[BinaryIO, Piece, Limits, ColumnMap], Parts]] = {
    "parquet": _of_parquet,
    "arrow": _of_arrow,
    "csv": _of_csv,
    "ndjson": _of_ndjson,
}
"""The readers of pieces by format."""
