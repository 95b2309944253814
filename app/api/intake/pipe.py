"""A body on its way from the event loop to the thread that scores it."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from threading import Condition, get_ident
from time import monotonic

from app.api.seats import Seats

MAX_WAITING_BYTES = 4 * 2**20
"""Bytes that may wait for the thread; beyond them the socket is not read until half of them are taken."""

SITTING_SECONDS = 0.02
"""The time for which a thread keeps a seat that others want, after the last bytes of its body."""


class Pipe:
    """A pipe that the event loop writes and one thread reads; it holds little more than `MAX_WAITING_BYTES`.

    It begins full, with the start of the body: a body that waits for its thread does not grow. The thread has a seat
    while it works. It gives the seat up while it waits for bytes, and lets others sit for a while when they want to: at
    its next bytes, and after the last of them, when it holds nothing that others wait for, at its checkpoints.
    """

    def __init__(self, start: Collection[bytes], seats: Seats) -> None:
        self._seats = seats
        self._has_seat = self._is_at_end = False  # of the reader, and told to no other thread
        self._reader, self._stays = 0, 0.0
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._changed = Condition()
        self._pieces: deque[bytes | memoryview] = deque(start)
        self._waiting = sum(map(len, start))
        self._is_full = True
        self._ended = False
        self._error: Callable[[], Exception] | None = None

    async def write(self, piece: bytes) -> None:
        """Hand a piece over, as soon as not too much is waiting."""
        await self._room.wait()
        with self._changed:
            self._pieces.append(piece)
            self._waiting += len(piece)
            if self._waiting > MAX_WAITING_BYTES:
                self._is_full = True
                self._room.clear()
            self._changed.notify()

    def end(self, error: Callable[[], Exception] | None = None) -> None:
        """End the pipe; with an error, waiting bytes are dropped and the reader gets the error in their place.

        Args:
            error: A function that makes the error. A kept error would keep, by its traceback, all that the reader
                holds.
        """
        with self._changed:
            if self._error is not None:
                return
            self._ended, self._error = True, error
            if error is not None:
                self._pieces.clear()
            self._changed.notify()

    def check(self) -> None:
        """Raise the error that ended the pipe, if one did."""
        if self._error is not None:
            raise self._error()

    def read(self, n: int) -> bytes:
        """Wait for bytes and take from one to `n` of them; none at the end."""
        self._reader = get_ident()
        if self._seats.n_waiting or not self._pieces:
            self.leave()
        piece = self._read(n)
        self._sit()
        self._is_at_end = not piece
        return piece

    def checkpoint(self) -> None:
        """Raise the error that ended the pipe, if one did; else let a thread sit that waits for it, if that is safe."""
        self.check()
        if self._is_at_end and self._seats.n_waiting and get_ident() == self._reader and monotonic() > self._stays:
            self.leave()
            self._sit()

    def leave(self) -> None:
        """Give up the seat of the reader, if it has one."""
        if self._has_seat:
            self._has_seat = False
            self._seats.leave()

    def _sit(self) -> None:
        if not self._has_seat:
            self._seats.take()
            self._has_seat = True
            self._stays = monotonic() + SITTING_SECONDS

    def _read(self, n: int) -> bytes:
        with self._changed:
            while not self._pieces and not self._ended:
                self._changed.wait()
            self.check()
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if len(piece) > n:
                rest = memoryview(piece)
                self._pieces.appendleft(rest[n:])
                piece = rest[:n]
            self._waiting -= len(piece)
            if self._is_full and self._waiting <= MAX_WAITING_BYTES // 2:
                self._is_full = False
                self._loop.call_soon_threadsafe(self._room.set)
        return bytes(piece)  # copies views only
