"""What a Parquet file says it holds: the footer, and the headers of pages.

They are read here and not by pyarrow, which makes room for what they claim, and some of whose accessors end the
process where a footer contradicts itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from app.errors import MalformedBody, TooLarge
from app.wire.limits import Limits, check_part
from app.wire.thrift import I32, I64, LIST, STRUCT, Struct, struct_of

MAGIC, ENCRYPTED_MAGIC = b"PAR1", b"PARE"
MAX_FOOTER_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 16
DELTA_BYTE_ARRAY = 7
"""An encoding of strings by what they share with the one before: a few bytes may stand for many."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pages of one column in one row group.

    Attributes:
        n_values: Counted in the rows of lists, too.
        start, end: Its place in the file.
    """

    n_values: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Some rows of all columns."""

    n_rows: int
    chunks: tuple[Chunk, ...]


def row_groups(file: BinaryIO) -> list[RowGroup]:
    """The row groups that the footer of a file tells of.

    Raises:
        MalformedBody: No whole Parquet file, or an encrypted one.
        TooLarge: A footer of more than `MAX_FOOTER_BYTES`.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    n_footer = int.from_bytes(tail[:4], "little")
    if tail[4:] == ENCRYPTED_MAGIC:
        raise MalformedBody("must be a Parquet file that is not encrypted")
    if tail[4:] != MAGIC or n_footer + 12 > size:
        raise MalformedBody("must be a whole Parquet file, found other bytes at its end")
    if n_footer > MAX_FOOTER_BYTES:
        raise TooLarge(f"the footer of a Parquet file must hold at most {MAX_FOOTER_BYTES} bytes, found {n_footer}")
    file.seek(size - 8 - n_footer)
    footer, _ = struct_of(file.read(n_footer))
    groups = [_row_group(group, size) for group in _required(footer, 4, LIST)]
    if any(number == 8 for number, _ in footer):
        raise MalformedBody("must be a Parquet file that is not encrypted")
    return groups


def decoded_size(file: BinaryIO, chunk: Chunk, limits: Limits) -> int:
    """Bytes that the pages of a chunk become, or 8 for each value where that is more.

    Raises:
        MalformedBody: The pages do not fill the chunk, or hold other values than it tells.
        TooLarge: A page becomes more than `max_part_bytes`.
    """
    n_bytes = n_values = 0
    for page_bytes, page_values in _pages(file, chunk):
        check_part(page_bytes, limits, "a Parquet page")
        n_bytes += page_bytes
        n_values += page_values
    if n_values != chunk.n_values:
        raise MalformedBody(f"must have {chunk.n_values} values in a Parquet column, found {n_values}")
    return max(n_bytes, 8 * n_values)


def _row_group(group: Struct, file_size: int) -> RowGroup:
    chunks = tuple(_chunk(chunk, file_size) for chunk in _required(group, 1, LIST))
    n_rows: int = _required(group, 3, I64)
    if n_rows < 0:
        raise MalformedBody("must have Parquet row groups of some rows, found less than none")
    return RowGroup(n_rows, chunks)


def _chunk(chunk: Struct, file_size: int) -> Chunk:
    about = _required(chunk, 3, STRUCT)
    n_values, n_bytes, start = (_required(about, number, I64) for number in (5, 7, 9))
    dictionary = about.get((11, I64), 0)
    start = min(start, dictionary) if dictionary > 0 else start
    end = start + n_bytes
    if not 0 <= start <= end <= file_size or n_values < 0:
        raise MalformedBody("must have Parquet columns inside the file, found one outside")
    return Chunk(n_values, start, end)


def _pages(file: BinaryIO, chunk: Chunk) -> Iterator[tuple[int, int]]:
    """What each page of a chunk becomes: bytes and values, of which a dictionary adds none."""
    start = chunk.start
    while start < chunk.end and chunk.n_values:  # pages without values are never read
        file.seek(start)
        header, n_header = struct_of(file.read(min(MAX_HEADER_BYTES, chunk.end - start)))
        n_decoded, n_encoded = _required(header, 2, I32), _required(header, 3, I32)
        n_values = 0
        for form, encoding in ((5, 2), (8, 4)):  # data pages of the first and the second form
            if (form, STRUCT) in header:
                n_values += _required(header[form, STRUCT], 1, I32)
                _check_encoding(_required(header[form, STRUCT], encoding, I32))
        start += n_header + n_encoded
        if min(n_decoded, n_encoded, n_values) < 0 or start > chunk.end:
            raise MalformedBody("must have Parquet pages inside their column, found one outside")
        yield n_decoded, n_values


def _check_encoding(encoding: int) -> None:
    if encoding == DELTA_BYTE_ARRAY:
        raise MalformedBody("must have no Parquet pages in the encoding DELTA_BYTE_ARRAY, found one")


def _required(fields: Any, number: int, kind: int) -> Any:
    value = fields.get((number, kind)) if isinstance(fields, dict) else None
    if value is None:
        raise MalformedBody("must be a sound Parquet file, found a description without what it must have")
    return value
