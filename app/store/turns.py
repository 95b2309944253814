"""Turns of several processes at one file: never do two of them write at once."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import Unavailable

LOOK_SECONDS = 0.002
"""The pause between two looks at a lock that another process has; a turn takes some milliseconds."""


class Turns:
    """The turns at a file, by a lock on another file beside it, which stays: whoever dies gives its turn back.

    Locks on the file itself would be those of the database, which drops all of a process once any handle is closed.
    """

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._own = threading.Lock()
        self._timeout_seconds = timeout_seconds

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn of this thread, and have it.

        Raises:
            Unavailable: It did not come in time.
        """
        deadline = time.monotonic() + self._timeout_seconds
        if not self._own.acquire(timeout=self._timeout_seconds):
            raise self._too_long()
        try:
            while not self._taken():
                if time.monotonic() > deadline:
                    raise self._too_long()
                time.sleep(LOOK_SECONDS)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._own.release()

    def close(self) -> None:
        """Close the file of the lock."""
        os.close(self._file)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _too_long(self) -> Unavailable:
        return Unavailable(f"the store was not free to write within {self._timeout_seconds:g} seconds")
