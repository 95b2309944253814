"""Sources of bytes that arrive: objects with a blocking `read`."""

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np

from app.errors import MalformedBody

Text: TypeAlias = bytes | bytearray | memoryview


class Source(Protocol):
    """A body that is still arriving."""

    def read(self, n: int, /) -> bytes | bytearray:
        """Wait for bytes and take from one to `n` of them; none at the end."""


class Pieces:
    """A source of the pieces that an iterator gives."""

    def __init__(self, pieces: Iterator[Text]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, n: int) -> bytes | bytearray:
        """Take from one to `n` bytes, an uncut piece if it fits; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            if 0 < len(piece) <= n:
                return piece  # type: ignore[return-value] # a view only where the iterator gives views
            self._rest = memoryview(piece)
        taken, self._rest = self._rest[:n], self._rest[n:]
        return bytes(taken)


class Readable(Pieces):
    """A source with the methods that pyarrow demands of a file."""

    closed = False

    def close(self) -> None:
        """Do nothing: no file was opened."""


FEW_BYTES = 4 * 2**20
"""The most bytes that are joined from their pieces, and so held twice for a moment, which is faster."""


def exactly(source: Source, n: int) -> bytes | bytearray:
    """The next few bytes, `n` of them.

    Raises:
        MalformedBody: The source ends before.
    """
    first = source.read(n)
    return first if len(first) == n else b"".join(_rest(source, first, n))


def many(source: Source, n: int) -> Text:
    """The next `n` bytes, which may be many; the caller has checked that so many may be held.

    Raises:
        MalformedBody: The source ends before.
    """
    first = source.read(n)
    if len(first) == n:
        return first
    if n <= FEW_BYTES:
        return b"".join(_rest(source, first, n))
    filled, buffer = 0, np.empty(n, np.uint8)  # which, unlike bytearray, is filled without the interpreter's lock
    for piece in _rest(source, first, n):
        buffer[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    return buffer.data


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
