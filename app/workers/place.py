"""The place of one worker: the process that has it, and when a dead one is replaced."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection

from app.workers.worker import SIGNALS, Share, serve_beside_others

STEADY_SECONDS = 10.0
"""The shortest life of a worker that counts as steady; one that dies earlier is replaced after a longer pause."""
MAX_PAUSE_SECONDS = 30.0
"""The longest pause before a worker that dies again and again is replaced."""

SPAWN = get_context("spawn")  # a fork would copy the locks of threads, and not the threads


class Place:
    """The place of one worker.

    Attributes:
        is_up: The process in it serves.
        due: The time by the monotonic clock at which a process is to be started; None while there is one.
    """

    def __init__(self, share: Callable[[Connection], Share]) -> None:
        self._share = share
        self._n_early_deaths = 0
        self.is_up = False
        self.due: float | None = 0.0

    def start(self) -> None:
        """Start a process; signals to it are held back until it is ready for them.

        Raises:
            OSError: The system has no room for one.
        """
        self._begun = time.monotonic()
        self._pipe, its_end = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve_beside_others, args=(self._share(its_end),))
        resource_tracker.ensure_running()  # started by that of a process, it would let signals through
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            its_end.close()
        self.due = None

    def signs(self) -> list[Connection | int]:
        """The handles that become readable once the process is up or dies."""
        return [] if self.due is not None else [self._pipe, self.process.sentinel]

    def look(self) -> bool:
        """Learn if the process is up; return False if it has died."""
        if self.due is not None:
            return True
        if not self.process.is_alive():
            return False
        with suppress(EOFError):  # the worker is dying
            if self._pipe.poll():
                self._pipe.recv_bytes()
                self.is_up = True
        return True

    def vacate(self) -> float:
        """Note that the process died; return the seconds until the next is due, which double with early deaths."""
        now = time.monotonic()
        self.is_up = False
        self.process.close()
        self._pipe.close()
        self._n_early_deaths = self._n_early_deaths + 1 if now - self._begun < STEADY_SECONDS else 0
        pause = min(2.0 ** (self._n_early_deaths - 1), MAX_PAUSE_SECONDS) if self._n_early_deaths else 0.0
        self.due = now + pause
        return pause
