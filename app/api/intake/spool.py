"""A body that must be complete before it can be read."""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile, gettempdir
from typing import BinaryIO, Self

from app.api.intake.body import Body
from app.errors import Unavailable

IN_MEMORY_BYTES = 16 * 2**20
"""The most bytes of a body that are kept in memory; a longer one is written to a file."""


def folder_has_room() -> bool:
    """Tell if the folder of the files can be written to, and its disk has room for one more body."""
    try:
        folder = gettempdir()
        disk = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and disk.f_bavail * disk.f_frsize > 2 * IN_MEMORY_BYTES


class Spool:
    """A file to write once and then to seek in: in memory up to `IN_MEMORY_BYTES`, else on disk.

    The file has no name and ends with the context.
    """

    def __init__(self) -> None:
        self._start = Body()
        self._file: BinaryIO | None = None
        self._open = ExitStack()
        self.n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def is_in_memory(self) -> bool:
        """Tell if no file on disk was needed so far."""
        return self._file is None

    def fits(self, piece: bytes | bytearray) -> bool:
        """Tell if a piece can be written without a file on disk."""
        return self.is_in_memory and self.n_bytes + len(piece) <= IN_MEMORY_BYTES

    def write(self, piece: bytes | bytearray) -> None:
        """Add a piece.

        Raises:
            Unavailable: There is no room for a file.
        """
        if self.fits(piece):
            self._start.add(piece)
            self.n_bytes += len(piece)
        else:
            self.write_to_file(piece)

    def write_to_file(self, piece: bytes | bytearray) -> None:
        """Add a piece to the file on disk, to which all that came before moves; raise as `write` does."""
        with _room():
            if self._file is None:
                file = TemporaryFile()  # noqa: SIM115 the context is this one
                self._file = self._open.enter_context(file)
                self._file.write(self._start.taken())
            self._file.write(piece)
        self.n_bytes += len(piece)

    def rewound(self) -> BinaryIO:
        """The file at its start: one of the system, or `BytesIO`.

        Raises:
            Unavailable: There is no room for what was written last.
        """
        if self._file is None:
            return io.BytesIO(self._start.taken())
        with _room():
            self._file.seek(0)
        return self._file


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("there is no room to keep a body of this size while it is read") from error
