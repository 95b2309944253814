"""What the process does and holds at once, each with a bound; beyond it `Unavailable` is raised."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self, TypeVar, TypeVarTuple

from app.errors import Unavailable
from app.settings import Settings

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Lane:
    """Threads of one kind of work, and how much of it may be under way or waiting.

    Everything but the work itself runs on the event loop, so the count needs no lock.
    """

    def __init__(self, name: str, n_threads: int, n_waiting: int, full: str) -> None:
        self.threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._max_pending = n_threads + n_waiting
        self._full = full
        self._pending = 0

    @property
    def has_room(self) -> bool:
        """Whether more work would be taken."""
        return self._pending < self._max_pending

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do the work in a thread.

        Raises:
            Unavailable: All threads are busy and the queue is full.
        """
        if not self.has_room:
            raise Unavailable(self._full)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)
        finally:
            self._pending -= 1


class Load:
    """Threads with a bounded queue, and the budget of bytes that request bodies may take in memory.

    As a context manager it ends when its last thread has.

    Attributes:
        whole: For bodies that have arrived; work waits for a thread.
        arriving: For bodies that are still arriving: a thread each, which mostly waits for the client.
    """

    def __init__(self, settings: Settings) -> None:
        full = "all threads are busy and the queue is full"
        self.whole = Lane("score", settings.max_threads, settings.max_waiting, full)
        self.arriving = Lane("stream", settings.max_streams, 0, "as many bodies are streamed as may be at once")
        self._max_bytes = settings.max_buffered_bytes
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in (self.whole, self.arriving):
            lane.threads.shutdown()

    @property
    def has_room(self) -> bool:
        """Whether one more request would be taken."""
        return self.whole.has_room and self._bytes < self._max_bytes

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """A function to take bytes from the budget with; all of them are given back at the end.

        The function raises `Unavailable` when the budget is spent.
        """
        held = 0

        def take(n_bytes: int) -> None:
            nonlocal held
            if self._bytes + n_bytes > self._max_bytes:
                raise Unavailable("the request bodies in memory leave no room for more")
            self._bytes += n_bytes
            held += n_bytes

        try:
            yield take
        finally:
            self._bytes -= held
