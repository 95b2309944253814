"""A body that must be complete before it can be read."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, Self

from app.errors import Unavailable

IN_MEMORY_BYTES = 16 * 2**20
"""Up to here a body is not written to a file."""


class Spool:
    """Bytes to write one after another and then to move about in: in memory while they are few, else in a file.

    The file has no name and ends with the context.
    """

    def __init__(self) -> None:
        self._file: BinaryIO = io.BytesIO()
        self._open = ExitStack()
        self.n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def is_in_memory(self) -> bool:
        """Whether there is no file yet."""
        return isinstance(self._file, io.BytesIO)

    def fits(self, piece: bytes | bytearray) -> bool:
        """Whether a piece can be written without a file."""
        return self.is_in_memory and self.n_bytes + len(piece) <= IN_MEMORY_BYTES

    def write(self, piece: bytes | bytearray) -> None:
        """Add a piece.

        Raises:
            Unavailable: There is no room for a file.
        """
        with _room():
            if isinstance(self._file, io.BytesIO) and not self.fits(piece):
                start, file = self._file.getbuffer(), TemporaryFile()  # noqa: SIM115 the context is this one
                self._file = self._open.enter_context(file)
                file.write(start)
            self._file.write(piece)
        self.n_bytes += len(piece)

    def rewound(self) -> BinaryIO:
        """All that was written, from its start; a file of the system or `BytesIO`.

        Raises:
            Unavailable: There is no room for what was written last.
        """
        with _room():
            self._file.seek(0)
        return self._file


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("there is no room to keep a body of this size while it is read") from error
