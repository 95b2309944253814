"""The process that looks after workers: it starts them, replaces those that die, and ends them all."""

import logging
import os
import signal
import socket
import time
from ctypes import c_bool
from functools import partial
from multiprocessing.connection import wait
from tempfile import TemporaryDirectory

from app.api.counts import Counts
from app.server.listeners import address_of, listeners_on
from app.settings import Settings
from app.workers.place import SPAWN, Place
from app.workers.worker import NONE_TAKEN, NOT_STARTED, SIGNALS, Share

GRACE_SECONDS = 2.5
"""The time after the drain in which a worker must end; one that is healthy ends itself a second earlier."""

log = logging.getLogger("surprisal.workers")


class NotStarted(Exception):
    """A worker ended before all were up for the first time, so the next one would end too."""


def supervise(settings: Settings, n_workers: int, host: str, port: int) -> int:
    """Serve with several workers until a signal ends them all; return the exit code.

    Raises:
        WrongSettings: The limits are too small to be divided.
    """
    shares = [settings.share(worker, n_workers) for worker in range(n_workers)]
    try:
        listeners = listeners_on(host, port)
    except OSError as error:
        log.critical("%s", error)
        return NOT_STARTED
    with TemporaryDirectory(prefix="surprisal-") as folder:
        return Supervisor(shares, listeners, folder).run()


class Supervisor:
    """The workers that share listeners, and the memory through which they know of each other."""

    def __init__(self, shares: list[Settings], listeners: list[socket.socket], folder: str) -> None:
        self._drain_seconds = shares[0].drain_delay_seconds + shares[0].drain_timeout_seconds
        self._listeners = listeners
        self._n_clients = SPAWN.RawArray("q", [NONE_TAKEN] * len(shares))
        self._in_flight = SPAWN.RawArray("q", len(shares))
        self._all_end = SPAWN.RawValue(c_bool)
        shared = self._n_clients, self._all_end
        self._places = [
            Place(partial(Share, settings, listeners, Counts(folder, number, self._in_flight), *shared))
            for number, settings in enumerate(shares)
        ]
        self._has_started = False

    def run(self) -> int:
        """Serve until a signal comes, or no start succeeds; return the exit code."""
        self._signals, write_end = os.pipe()
        for number in SIGNALS:
            signal.signal(number, lambda *_: os.write(write_end, b"\0"))
        code = 0
        try:
            self._watch()
        except NotStarted as end:
            log.critical("the service could not start: %s", end)
            code = NOT_STARTED
        finally:
            drained = self._drain()
        return code or drained

    def _watch(self) -> None:
        signaled = False
        while not signaled:
            for number, place in enumerate(self._places):
                if place.due is not None and place.due <= time.monotonic():
                    self._fill(number, place)
            signs = [sign for place in self._places for sign in place.signs()]
            signaled = self._signals in wait([self._signals, *signs], self._seconds_to_next())
            for number, place in enumerate(self._places):
                if not place.look():
                    self._bury(number, place)
            self._announce()

    def _fill(self, number: int, place: Place) -> None:
        try:
            place.start()
        except OSError as error:
            if not self._has_started:
                raise NotStarted(error) from error
            log.warning("worker %d could not be started, the next try is in %g s: %s", number, place.vacate(), error)

    def _seconds_to_next(self) -> float | None:
        due = [place.due for place in self._places if place.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _bury(self, number: int, place: Place) -> None:
        self._n_clients[number], self._in_flight[number] = NONE_TAKEN, 0
        end = f"worker {number}, process {place.process.pid}, {_end(place.process.exitcode)}"
        pause = place.vacate()
        if not self._has_started:
            raise NotStarted(end)
        log.error("%s; another takes its place in %g s", end, pause)

    def _announce(self) -> None:
        """Say once where the service is, in the words of uvicorn."""
        if not self._has_started and all(place.is_up for place in self._places):
            self._has_started = True
            log.info("Uvicorn running on %s (Press CTRL+C to quit)", address_of(self._listeners[0]))

    def _drain(self) -> int:
        """Let every worker finish its requests; return the exit code."""
        for listener in self._listeners:
            listener.close()  # the workers still take clients; it ends when the last of them closes it
        self._all_end.value = True
        deadline = time.monotonic() + self._drain_seconds + GRACE_SECONDS
        processes = [place.process for place in self._places if place.due is None]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.error("process %d did not end in time", process.pid)
                process.kill()
                process.join()
        return int(any(process.exitcode for process in processes))


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with code {exit_code}"
