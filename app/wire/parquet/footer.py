"""The claims of a Parquet file: its footer, and the headers of its pages.

They are read here and not by pyarrow, which allocates as much as they claim, and which ends the process in some
accessors when a footer contradicts itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from app.core.checkpoints import checkpoint
from app.errors import MalformedBody, TooLarge
from app.wire.foreign import KEPT_WHOLE, N_START, likeness
from app.wire.limits import Limits, check_part
from app.wire.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Path, Reader

MAGIC, ENCRYPTED_MAGIC = b"PAR1", b"PARE"
MAX_FOOTER_BYTES = 16 << 20
"""The largest footer that is read."""
HEADER_BYTES, MAX_HEADER_BYTES = 1 << 9, 1 << 16
"""The bytes in which the header of a page is looked for at first, and the largest header that is read."""
COLUMN_WEIGHT, CHUNK_WEIGHT = 128, 8
"""The memory that pyarrow keeps for a column of the schema and for one of a row group; any other list element is 1."""
NOT_ENCRYPTED = "must be a Parquet file that is not encrypted"
DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY = 6, 7


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pages of one column in one row group.

    Attributes:
        n_values: The number of values; those in lists count one by one.
        start, end: The positions in the file.
    """

    n_values: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: some rows of all columns."""

    n_rows: int
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as its header describes it.

    Attributes:
        n_bytes: The size when decompressed.
        n_values: The number of values; 0 for a dictionary.
        encoding: The number of the encoding of its values.
    """

    n_bytes: int
    n_values: int
    encoding: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """The sizes of the pages of a chunk once they are decoded.

    Attributes:
        n_bytes: The sum over decompressed pages, or 8 for each value where that is more.
        longest: A bound on the bytes of any string that stands, wholly or in part, for several values.
        is_delta: Whether there are strings in an encoding that pyarrow does not read into a dictionary.
    """

    n_bytes: int
    longest: int
    is_delta: bool


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a file: its row groups, and the bytes that describe its columns, equal where these are."""

    groups: list[RowGroup]
    schema: bytes


def row_groups(file: BinaryIO) -> list[RowGroup]:
    """Read the row groups that the footer of a file describes.

    Raises:
        MalformedBody: No whole Parquet file, or an encrypted one.
        TooLarge: A footer of more than `MAX_FOOTER_BYTES`, or of too many columns and row groups.
    """
    return footer_of(file).groups


def footer_of(file: BinaryIO) -> Footer:
    """Read the footer of a file.

    Raises:
        MalformedBody: No whole Parquet file, or an encrypted one.
        TooLarge: A footer of more than `MAX_FOOTER_BYTES`, or of too many columns and row groups.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    n_footer = int.from_bytes(tail[:4], "little")
    if tail[4:] == ENCRYPTED_MAGIC:
        raise MalformedBody(NOT_ENCRYPTED)
    if tail[4:] != MAGIC or n_footer + 12 > size:
        file.seek(0)
        start = file.read(N_START)
        words = "" if start.startswith(MAGIC) else likeness(start)
        words = words or f"other bytes at its end ({KEPT_WHOLE})"
        raise MalformedBody(f"must be a whole Parquet file, found {words}")
    if n_footer > MAX_FOOTER_BYTES:
        rule = f"the footer of a Parquet file must hold at most {MAX_FOOTER_BYTES} bytes, found {n_footer}"
        raise TooLarge(f"{rule}: write larger row groups")
    file.seek(size - 8 - n_footer)
    with _refusing_broken():
        footer = Reader(file.read(n_footer)).struct(FOOTER, IN_FOOTER)
        groups: list[RowGroup] = footer[4, LIST]
        schema: bytes = footer[2, LIST]
    if any(chunk.end > size for group in groups for chunk in group.chunks):
        raise MalformedBody("must have Parquet columns inside the file, found one outside")
    return Footer(groups, schema)


def decoded(file: BinaryIO, chunk: Chunk, limits: Limits) -> Decoded:
    """The sizes of the pages of a chunk, by their headers.

    Raises:
        MalformedBody: The pages do not fill the chunk, or hold other values than it tells.
        TooLarge: A page becomes more than `max_part_bytes`.
    """
    n_bytes = n_values = longest = 0
    encodings = set()
    for page in _pages(file, chunk):
        check_part(page.n_bytes, limits, "a Parquet page", "write smaller pages")
        n_bytes += page.n_bytes
        n_values += page.n_values
        encodings.add(page.encoding)
        if page.encoding == DELTA_BYTE_ARRAY or not page.n_values:
            longest = max(longest, page.n_bytes)
    if n_values != chunk.n_values:
        raise MalformedBody(f"must have {chunk.n_values} values in a Parquet column, found {n_values}")
    is_delta = bool(encodings & {DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY})
    return Decoded(max(n_bytes, 8 * n_values), longest, is_delta)


def _column(reader: Reader) -> dict[Path, Any]:
    return reader.struct(COLUMN)


def _row_group(reader: Reader) -> RowGroup:
    group = reader.struct(ROW_GROUP, IN_ROW_GROUP)
    if group[3, I64] < 0:
        raise ValueError("a row group with a negative number of rows")
    return RowGroup(group[3, I64], group[1, LIST])


def _chunk(reader: Reader) -> Chunk:
    about = reader.struct(CHUNK)[3, STRUCT]
    n_values, n_bytes, start, dictionary = about[5, I64], about[7, I64], about[9, I64], about.get((11, I64), 0)
    start = min(start, dictionary) if dictionary > 0 else start
    if min(start, n_bytes, n_values) < 0:
        raise ValueError("a column with a negative size")
    return Chunk(n_values, start, start + n_bytes)


def _pages(file: BinaryIO, chunk: Chunk) -> Iterator[Page]:
    start = chunk.start
    while start < chunk.end and chunk.n_values:  # pages without values are never read
        checkpoint()
        with _refusing_broken():
            reader, header = _header(file, start, chunk.end)
            n_decoded, n_encoded, form = header[2, I32], header[3, I32], DATA_PAGES.get(header[1, I32])
            n_values, encoding = header[form] if form else (0, 0)
        start += reader.position + n_encoded
        if min(n_decoded, n_encoded, n_values) < 0 or start > chunk.end:
            raise MalformedBody("must have Parquet pages inside their column, found one outside")
        yield Page(n_decoded, n_values, encoding)


def _header(file: BinaryIO, start: int, end: int) -> tuple[Reader, dict[Path, Any]]:
    """The reader behind the header of a page, and the header; most take a hundred bytes, those with statistics more."""
    for size in (HEADER_BYTES, MAX_HEADER_BYTES):
        file.seek(start)
        reader = Reader(file.read(min(size, end - start)))
        try:
            return reader, reader.struct(PAGE)
        except IndexError:
            if size == MAX_HEADER_BYTES or size >= end - start:
                raise
    raise IndexError


def _page_v1(reader: Reader) -> tuple[int, int]:
    header = reader.struct(PAGE_V1)
    return header[1, I32], header[2, I32]


def _page_v2(reader: Reader) -> tuple[int, int]:
    header = reader.struct(PAGE_V2)
    return header[1, I32], header[4, I32]


@contextmanager
def _refusing_broken() -> Iterator[None]:
    try:
        yield
    except (IndexError, KeyError, ValueError) as error:
        raise MalformedBody("must be a sound Parquet file, found other bytes in its descriptions") from error


def _refuse_encrypted(_: Reader) -> None:
    raise MalformedBody(NOT_ENCRYPTED)


# The fields of parquet.thrift that are read, by number and type. IN_* are the element types of lists that are skipped:
# pyarrow reads those without checking.
Wanted: TypeAlias = dict[Path, Callable[[Reader], Any]]
COLUMN: Wanted = {}
ABOUT_CHUNK: Wanted = {(number, I64): Reader.integer for number in (5, 7, 9, 11)}
IN_CHUNK = {(2, LIST): I32, (3, LIST): BINARY, **dict.fromkeys([(8, LIST), (13, LIST)], STRUCT)}
IN_CHUNK |= {(16, STRUCT): I64, (17, STRUCT): I64}
CHUNK: Wanted = {(3, STRUCT): lambda reader: reader.struct(ABOUT_CHUNK, IN_CHUNK), (8, STRUCT): _refuse_encrypted}
ROW_GROUP: Wanted = {(1, LIST): lambda reader: reader.structs(_chunk, CHUNK_WEIGHT), (3, I64): Reader.integer}
IN_ROW_GROUP = {(4, LIST): STRUCT}
FOOTER: Wanted = {
    (2, LIST): lambda reader: reader.passed(lambda columns: columns.structs(_column, COLUMN_WEIGHT)),
    (4, LIST): lambda reader: reader.structs(_row_group),
    (8, STRUCT): _refuse_encrypted,
}
IN_FOOTER = {(5, LIST): STRUCT, (7, LIST): STRUCT}
PAGE_V1: Wanted = {(1, I32): Reader.integer, (2, I32): Reader.integer}
PAGE_V2: Wanted = {(1, I32): Reader.integer, (4, I32): Reader.integer}
PAGE: Wanted = {(number, I32): Reader.integer for number in (1, 2, 3)} | {(5, STRUCT): _page_v1, (8, STRUCT): _page_v2}
DATA_PAGES = {0: (5, STRUCT), 3: (8, STRUCT)}
"""The field of a page's header with the details, by the type of the page."""
