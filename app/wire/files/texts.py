"""Text of files: rows from one cut to another, the header of CSV, and the undoing of compression."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from app.errors import TooLarge
from app.wire import compression
from app.wire.files.pieces import Piece
from app.wire.files.ranges import Range
from app.wire.limits import Limits
from app.wire.sources import Source

WINDOW = 1 << 16
"""The bytes in which the end of a row is looked for at once."""
PIECE = 1 << 20
"""The bytes of text that are read at once."""


def text_of(file: BinaryIO, piece: Piece, limits: Limits) -> Source:
    """The text of a piece, without its compression."""
    source = Range(file, piece.start, piece.file.n_bytes if piece.stop < 0 else piece.stop)
    return compression.decoded(source, piece.file.encoding, limits) if piece.file.encoding else source


def pieces_from(source: Source) -> Iterator[bytes | bytearray]:
    """Yield the bytes of a source."""
    while piece := source.read(PIECE):
        yield piece


def header_of(source: Source, limits: Limits) -> bytes:
    """The first line of a text that is not empty, with the line ends before it; all of a text without such a line.

    Raises:
        TooLarge: It is longer than any row may be.
    """
    text = bytearray()
    while piece := source.read(WINDOW):
        text += piece
        start = len(text) - len(text.lstrip(BOM_UTF8 + b"\r\n"))
        if end := text.find(b"\n", start) + 1:
            return bytes(text[:end])
        if len(text) > limits.max_line_bytes:
            raise TooLarge(f"the header must hold at most {limits.max_line_bytes} bytes, found more")
    return bytes(text)


def names_of(line: bytes) -> bytes:
    """The names in a line of JSON, in one order; the line itself if it is none."""
    try:
        return repr(sorted(orjson.loads(line.removeprefix(BOM_UTF8)))).encode()
    except (ValueError, TypeError):
        return line


def cuts_of(file: BinaryIO, n_bytes: int, piece_bytes: int, limits: Limits) -> list[int]:
    """The ends of rows at which a text is cut, each about so many bytes behind the one before, and its end.

    A line end is taken for the end of a row. In CSV it may stand within quotes: then the piece before the cut ends
    with an open quote, and is refused.

    Raises:
        TooLarge: A row is longer than any may be.
    """
    cuts, place = list[int](), piece_bytes
    while place < n_bytes:
        place = _row_end(file, place, limits)
        if place >= n_bytes:
            break
        cuts.append(place)
        place += piece_bytes
    return [*cuts, n_bytes]


def _row_end(file: BinaryIO, start: int, limits: Limits) -> int:
    """The end of the row in which a position lies, or of the text."""
    window, place = _from(file, start - 1), start - 1
    while window:
        end = window.find(b"\n") + 1
        place += end or len(window)
        if end:
            return place
        if place - start > limits.max_line_bytes:
            raise TooLarge(f"a row must hold at most {limits.max_line_bytes} bytes, found more")
        window = file.read(WINDOW)
    return place


def _from(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read(WINDOW)
