"""Bytes as they arrive: anything with a blocking `read`."""

from collections.abc import Iterator
from typing import Protocol

from app.errors import MalformedBody


class Source(Protocol):
    """A body that is still arriving."""

    def read(self, n: int, /) -> bytes | bytearray:
        """At least one and at most `n` bytes; none at the end."""


class Pieces:
    """A source of the pieces that an iterator gives."""

    def __init__(self, pieces: Iterator[bytes | bytearray]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, n: int) -> bytes | bytearray:
        """At least one and at most `n` bytes, a piece as it is if it fits; none at the end."""
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
    """Pieces as pyarrow wants a file."""

    closed = False

    def close(self) -> None:
        """Nothing was opened."""


def exactly(source: Source, n: int) -> bytes | bytearray:
    """The next `n` bytes; the caller has checked that so many may be held.

    Raises:
        MalformedBody: The source ends before.
    """
    first = source.read(n)
    if len(first) == n:
        return first
    filled, buffer = len(first), bytearray(n)
    buffer[:filled] = first
    with memoryview(buffer) as view:
        while filled < n:
            piece = source.read(n - filled)
            if not piece:
                raise MalformedBody("must be complete, found the end of the body")
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
    return buffer
