"""Sources of bytes that arrive: objects with a blocking `read`."""

from collections.abc import Iterator
from typing import Protocol

from app.errors import MalformedBody


class Source(Protocol):
    """A body that is still arriving."""

    def read(self, n: int, /) -> bytes | bytearray:
        """Wait for bytes and take from one to `n` of them; none at the end."""


class Pieces:
    """A source of the pieces that an iterator gives."""

    def __init__(self, pieces: Iterator[bytes | bytearray]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, n: int) -> bytes | bytearray:
        """Take from one to `n` bytes, an uncut piece if it fits; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            if 0 < len(piece) <= n:
                return piece
            self._rest = memoryview(piece)
        taken, self._rest = self._rest[:n], self._rest[n:]
        return bytes(taken)


class Readable(Pieces):
    """A source with the methods that pyarrow demands of a file."""

    closed = False

    def close(self) -> None:
        """Do nothing: no file was opened."""


FEW_BYTES = 4 * 2**20
"""The most bytes that are joined from their pieces, and so held twice for a moment: copying into zeros takes twice as
long."""


def exactly(source: Source, n: int) -> bytes | bytearray:
    """The next `n` bytes; the caller has checked that so many may be held.

    Raises:
        MalformedBody: The source ends before.
    """
    first = source.read(n)
    if len(first) == n:
        return first
    if n <= FEW_BYTES:
        return b"".join(_rest(source, first, n))
    filled, buffer = 0, bytearray(n)
    with memoryview(buffer) as view:
        for piece in _rest(source, first, n):
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
    return buffer


def _rest(source: Source, first: bytes | bytearray, n: int) -> Iterator[bytes | bytearray]:
    """The first piece of `n` bytes, and those that follow."""
    yield first
    n_read = len(first)
    while n_read < n:
        piece = source.read(n - n_read)
        if not piece:
            raise MalformedBody("must be complete, found the end of the body")
        n_read += len(piece)
        yield piece
