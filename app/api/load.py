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


class Load:
    """A thread pool with a bounded queue, and the budget of bytes that request bodies may take in memory.

    Everything but the work itself runs on the event loop, so the counts need no lock. As a context manager it
    ends when its last thread has.
    """

    def __init__(self, settings: Settings) -> None:
        self._threads = ThreadPoolExecutor(settings.max_threads, thread_name_prefix="score")
        self._max_pending = settings.max_threads + settings.max_waiting
        self._max_bytes = settings.max_buffered_bytes
        self._pending = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    @property
    def has_room(self) -> bool:
        """Whether one more request would be taken."""
        return self._pending < self._max_pending and self._bytes < self._max_bytes

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do the work in a thread.

        Raises:
            Unavailable: All threads are busy and the queue is full.
        """
        if self._pending >= self._max_pending:
            raise Unavailable("all threads are busy and the queue is full")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._pending -= 1

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
