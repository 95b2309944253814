"""The bytes of a file that are read one after the other, and those of a bucket that are fetched some at a time."""

from collections import OrderedDict
from typing import BinaryIO

from app.errors import SourceUnavailable, clip

FETCHED = 8 << 20
"""The bytes that are fetched of a bucket at once: less would wait for answers more than for bytes."""
KEPT = 8
"""The fetched pieces that are kept: readers of columns go back and forth between them."""


class Range:
    """The bytes of a file from one position to another, as a source."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        file.seek(start)
        self._file, self._left = file, stop - start

    def read(self, n: int) -> bytes:
        """Take from one to `n` bytes; none at the end."""
        piece: bytes = self._file.read(min(n, self._left))
        self._left -= len(piece)
        return piece


class Fetched:
    """A file of a bucket, of which large pieces are fetched and the last ones are kept.

    It has the methods that pyarrow demands of a file.
    """

    closed = False

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._pieces: OrderedDict[int, memoryview] = OrderedDict()
        self._position = 0
        self._size = file.seek(0, 2)

    def seek(self, position: int, whence: int = 0) -> int:
        """Move to a position, counted from the start, from here or from the end."""
        self._position = position + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read anywhere."""
        return True

    def read(self, n: int = -1) -> bytes:
        """Read `n` bytes, or all if it is negative; fewer only at the end.

        Raises:
            SourceUnavailable: The bucket fails.
        """
        end = self._size if n < 0 else min(self._size, self._position + n)
        found = []
        while self._position < end:
            number, start = divmod(self._position, FETCHED)
            piece = self._piece(number)[start : start + end - self._position]
            self._position += len(piece)
            found.append(piece)
        return b"".join(found)

    def close(self) -> None:
        """Close the file."""
        self._pieces.clear()
        self._file.close()

    def _piece(self, number: int) -> memoryview:
        if number in self._pieces:
            self._pieces.move_to_end(number)
            return self._pieces[number]
        try:
            self._file.seek(number * FETCHED)
            piece = memoryview(self._file.read(FETCHED))
        except OSError as error:
            raise SourceUnavailable(f"{self._path} cannot be read: {clip(str(error))}") from error
        if len(piece) < min(FETCHED, self._size - number * FETCHED):
            raise SourceUnavailable(f"{self._path} cannot be read: it ends before its size says")
        self._pieces[number] = piece
        if len(self._pieces) > KEPT:
            self._pieces.popitem(last=False)
        return piece
