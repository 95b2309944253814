"""The blocks of Arrow files: some of their record batches as a stream, found by the footer."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from app.core.checkpoints import at_checkpoints
from app.errors import MalformedBody, TooLarge
from app.wire.arrow.flatbuffers import root
from app.wire.arrow.ipc import CONTINUATION, MAGIC, MAX_METADATA_BYTES
from app.wire.sources import Pieces, Source

MAX_FOOTER_BYTES = 16 << 20
"""The largest footer that is read: some 600,000 record batches."""
PIECE = 1 << 20
"""The bytes of a message that are read at once."""
HEAD = len(MAGIC) + 2
"""The place of the first message, behind the magic number and two bytes that fill a word."""
END = CONTINUATION + bytes(4)
BROKEN = "must be a whole Arrow file, found other bytes in its footer"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The places of the messages of a file: those of dictionaries, and those of record batches."""

    dictionaries: list[tuple[int, int]]
    batches: list[tuple[int, int]]


def blocks_of(file: BinaryIO) -> Blocks | None:
    """The messages of a file that can seek, by its footer; None of a stream, which has none.

    Raises:
        MalformedBody: It is neither.
        TooLarge: The footer is larger than any that is read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return None
    file.seek(max(0, size - len(MAGIC) - 4))
    tail = file.read(len(MAGIC) + 4)
    (n_footer,) = struct.unpack("<i", tail[:4]) if len(tail) == len(MAGIC) + 4 else (0,)
    if tail[4:] != MAGIC or not 0 < n_footer <= size - HEAD - len(tail):
        raise MalformedBody("must be a whole Arrow file, found one that ends too early")
    if n_footer > MAX_FOOTER_BYTES:
        rule = f"the footer of an Arrow file must hold at most {MAX_FOOTER_BYTES} bytes, found {n_footer}"
        raise TooLarge(f"{rule}: write larger record batches")
    file.seek(size - len(tail) - n_footer)
    try:
        footer = root(file.read(n_footer))
        found = Blocks(list(footer.blocks(2)), list(footer.blocks(3)))
    except struct.error as error:
        raise MalformedBody(BROKEN) from error
    if any(
        start < HEAD or length < len(END) or start + length > size
        for start, length in found.dictionaries + found.batches
    ):
        raise MalformedBody(BROKEN)
    return found


def stream_of(file: BinaryIO, blocks: Blocks, wanted: slice) -> Source:
    """The stream that some record batches of a file make, with its schema and all its dictionaries."""
    return Pieces(_pieces(file, blocks, wanted))


def n_rows_before(file: BinaryIO, blocks: Blocks, number: int) -> int:
    """The rows of the record batches before one.

    Raises:
        MalformedBody: The metadata of one are none.
    """
    n_rows = 0
    for start, _ in at_checkpoints(blocks.batches[:number]):
        file.seek(start)
        head = file.read(8)
        try:
            batch = root(file.read(min(MAX_METADATA_BYTES, int.from_bytes(head[4:], "little")))).table(2)
            n_rows += 0 if batch is None else batch.scalar(0, "<q")
        except struct.error as error:
            raise MalformedBody(BROKEN) from error
    return n_rows


def schema_of(file: BinaryIO, start: int = HEAD) -> bytes:
    """The message with the schema, which begins at a position.

    Raises:
        MalformedBody: There is none.
    """
    file.seek(start)
    head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    if head[:4] != CONTINUATION or size > MAX_METADATA_BYTES:
        raise MalformedBody("must begin like an Arrow file, found other bytes")
    return head + file.read(size)


def _pieces(file: BinaryIO, blocks: Blocks, wanted: slice) -> Iterator[bytes]:
    yield schema_of(file)
    for start, length in at_checkpoints(blocks.dictionaries + blocks.batches[wanted]):
        file.seek(start)
        left = length
        while left:
            piece = file.read(min(left, PIECE))
            if not piece:
                raise MalformedBody("must be a whole Arrow file, found one that ends too early")
            left -= len(piece)
            yield piece
    yield END
