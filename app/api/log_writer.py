"""The end of the log: a thread writes its lines, so that a reader who has stopped reading stops nobody else."""

import atexit
import os
from io import RawIOBase, TextIOWrapper
from threading import Event, Lock, Thread

import orjson

MAX_WAITING_BYTES = 4 * 2**20
"""The bytes of lines that wait for the thread at most, some ten thousand lines; those beyond are lost, and counted."""
GATHERING_SECONDS = 0.02
"""The time for which the thread lets lines gather. Waking it for each turn of the event loop costs a sixth of what a
small request does."""
END_SECONDS = 1.0
"""The time that the thread has for the lines which wait when the process ends."""


class LogWriter(RawIOBase):
    """A file whose writes never wait: they go to a thread, or are lost if too many bytes wait for it.

    Attributes:
        n_lost: The number of lines that were lost.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.n_lost = 0
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._n_waiting = 0
        self._lock = Lock()
        self._called, self._ends = Event(), Event()
        self._thread = Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, lines: bytes, /) -> int:  # type: ignore[override]
        """Leave whole lines to the thread, or lose them."""
        n_bytes = len(lines)
        with self._lock:
            if self._n_waiting + n_bytes > MAX_WAITING_BYTES:
                self.n_lost += lines.count(b"\n")
                return n_bytes
            self._n_waiting += n_bytes
            self._waiting.append(bytes(lines))
        if not self._called.is_set():
            self._called.set()
        return n_bytes

    def end(self) -> None:
        """Wait until the lines are written, but not for ever."""
        self._ends.set()
        self._called.set()
        self._thread.join(END_SECONDS)

    def _write_all(self) -> None:
        n_told, more = 0, True
        while more:
            self._called.wait()
            more = not self._ends.wait(GATHERING_SECONDS)
            self._called.clear()
            with self._lock:
                lines, self._waiting, n_lost = b"".join(self._waiting), [], self.n_lost
            told = _told(n_lost - n_told) if n_lost > n_told else b""
            try:
                self._write_out(told + lines)
                n_told = n_lost
            except OSError:  # nobody will ever read them
                with self._lock:
                    self.n_lost += lines.count(b"\n")
            with self._lock:
                self._n_waiting -= len(lines)

    def _write_out(self, lines: bytes) -> None:
        while lines:
            lines = lines[os.write(self._descriptor, lines) :]


def _told(n_lost: int) -> bytes:
    event = {"event": "lines of the log were lost", "level": "warning", "logger": "surprisal.log", "n_lost": n_lost}
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def in_thread(output: TextIOWrapper) -> TextIOWrapper:
    """A text file that writes where another does, but never waits; the end of the process writes what waits."""
    writer = LogWriter(output.fileno())
    atexit.register(writer.end)
    return TextIOWrapper(writer, encoding="utf-8", write_through=True)  # type: ignore[arg-type]
