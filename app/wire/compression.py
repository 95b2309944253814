"""Content encodings, undone piece by piece and within limits."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from isal import isal_zlib

from app.core.checkpoints import at_checkpoints, checkpoint
from app.errors import MalformedBody
from app.wire.limits import Limits, Tally
from app.wire.sources import Pieces, Readable, Source, exactly

PIECE = 1 << 18
"""The bytes that are read, or decompressed, in one step."""
GZIP_PIECE = 1 << 14  # the rest of a piece is copied for each member, and members may be tiny
GZIP_HEADER = 16 + isal_zlib.MAX_WBITS

ZSTD_FRAME = 0xFD2FB528
ZSTD_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
MAX_WINDOW = 8 << 20
"""The bytes of history that a decoder must keep at most; RFC 9659 allows senders no more."""
RLE_BLOCK = 1


def decoded(source: Source, encoding: str, limits: Limits) -> Source:
    """A source of the bytes of another, with their encoding undone.

    gzip may have many members and zstd many frames. The new source raises `MalformedBody` where the bytes are corrupt
    or end too soon, and `TooLarge` where they become too many. Errors of the old one pass through.

    Args:
        encoding: A name in `DECODERS`.
    """
    tally = Tally(limits)
    encoded = Pieces(_counted(source, tally))
    return Pieces(_bounded(DECODERS[encoding](encoded), tally))


def _counted(source: Source, tally: Tally) -> Iterator[bytes | bytearray]:
    while piece := source.read(PIECE):
        tally.add(len(piece), 0)
        yield piece


def _bounded(pieces: Iterator[bytes | bytearray], tally: Tally) -> Iterator[bytes | bytearray]:
    for piece in at_checkpoints(pieces):
        tally.add(0, len(piece))
        yield piece


def _gunzipped(source: Pieces) -> Iterator[bytes]:
    piece = source.read(GZIP_PIECE)
    while True:
        member = isal_zlib.decompressobj(GZIP_HEADER)
        while not member.eof:
            if not piece:
                raise MalformedBody("must be whole gzip members, found the end of the body")
            try:
                yield member.decompress(piece, PIECE)
            except isal_zlib.error as error:  # type: ignore[misc] # the stub takes the class for an instance
                raise MalformedBody(f"must be gzip: {error}") from error
            piece = member.unconsumed_tail or member.unused_data or source.read(GZIP_PIECE)
        if not piece:
            return


def _unzstd(source: Pieces) -> Iterator[bytearray]:
    frames = pa.PythonFile(Readable(_frames(source)), mode="r")
    try:
        with pa.CompressedInputStream(frames, "zstd") as stream:
            n = PIECE
            while n:
                piece = bytearray(PIECE)  # what `read` of pyarrow makes room for is lost where it raises an error
                n = stream.readinto(piece)
                del piece[n:]
                yield piece
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and type(error) is not OSError:
            raise  # an error of the socket or file, not of zstd
        raise MalformedBody(f"must be zstd: {error}") from error


def _frames(source: Source) -> Iterator[bytes | bytearray]:
    """The frames of a source, block by block, each looked at before the decoder makes room for it."""
    yield from _frame(exactly(source, 4), source)
    while start := source.read(1):
        checkpoint()
        yield from _frame(start + exactly(source, 3), source)


def _frame(magic: bytes | bytearray, source: Source) -> Iterator[bytes | bytearray]:
    number = int.from_bytes(magic, "little")
    if number in ZSTD_SKIPPABLE:
        _skip(int.from_bytes(exactly(source, 4), "little"), source)
        return
    if number != ZSTD_FRAME:
        raise MalformedBody("must be zstd frames, found other bytes")
    header = _frame_header(source)
    yield magic + header
    last = 0
    while not last:
        checkpoint()
        block = exactly(source, 3)
        fields = int.from_bytes(block, "little")
        last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
        if size > 1 << 17:
            raise MalformedBody("must have zstd blocks of at most 128 KiB")
        yield block + exactly(source, 1 if kind == RLE_BLOCK else size)
    if header[0] & 4:
        yield exactly(source, 4)  # the checksum


def _skip(n: int, source: Source) -> None:
    while n:
        n -= len(exactly(source, min(n, PIECE)))


def _frame_header(source: Source) -> bytes:
    """Read the header of a frame (RFC 8878, 3.1.1.1): a descriptor, a window unless it is one segment, and sizes."""
    descriptor = exactly(source, 1)
    one_segment = descriptor[0] & 0x20
    n_dictionary = (0, 1, 2, 4)[descriptor[0] & 3]
    n_size = (1 if one_segment else 0, 2, 4, 8)[descriptor[0] >> 6]
    rest = exactly(source, (not one_segment) + n_dictionary + n_size)
    window = int.from_bytes(rest[n_dictionary:], "little") if one_segment else _window(rest[0])
    if window > MAX_WINDOW:
        raise MalformedBody(f"must be zstd with windows of at most {MAX_WINDOW} bytes, found {window}")
    return bytes(descriptor + rest)


def _window(descriptor: int) -> int:
    mantissa, exponent = descriptor & 7, descriptor >> 3
    return (8 + mantissa) << (7 + exponent)


DECODERS: dict[str, Callable[[Pieces], Iterator[bytes | bytearray]]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "zstd": _unzstd,
}
ENCODINGS = ("gzip", "zstd")
"""The encodings that documents and errors list; `x-gzip` is an old name of gzip."""
