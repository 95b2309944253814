"""What the process does and holds at once, each with a bound; beyond it `Unavailable` is raised."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Self, TypeVar, TypeVarTuple

from app.errors import Unavailable
from app.settings import Settings

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Pool:
    """Threads of one kind of work, and how much of it may be under way or waiting, and for how long.

    Everything but the work itself runs on the event loop, so the counts need no lock. What waits does so here and not
    in the executor, whose queue keeps what was cancelled, body and all, until a thread comes to it.
    """

    def __init__(self, name: str, n_threads: int, settings: Settings) -> None:
        self.threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(n_threads)
        self._max_pending = n_threads + settings.max_waiting
        self._wait_seconds = settings.queue_timeout_seconds
        self._pending = 0

    @property
    def has_room(self) -> bool:
        """Whether more work would be taken."""
        return self._pending < self._max_pending

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do the work in a thread, which counts as taken until the work is done, awaited or not.

        Raises:
            Unavailable: All threads are busy, and the queue is full or does not move.
        """
        if not self.has_room:
            raise Unavailable("all threads are busy and the queue is full")
        self._pending += 1
        try:
            await self._turn()
        except BaseException:
            self._pending -= 1
            raise
        job = self.threads.submit(work, *arguments)
        try:
            return await asyncio.wrap_future(job)
        finally:
            self._leave_after(job)
            del job  # its error would hold this frame, and so itself and all that was worked on

    async def _turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable(f"no thread was free within {self._wait_seconds:g} seconds") from error

    def _leave_after(self, job: Future[Result]) -> None:
        if job.done():
            self._leave()
        else:
            loop = asyncio.get_running_loop()
            job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))

    def _leave(self) -> None:
        self._pending -= 1
        self._free.release()


class Budget:
    """Bytes that the bodies of all requests may take together in one kind of place.

    Attributes:
        n_left: Bytes that are not taken.
    """

    def __init__(self, max_bytes: int, place: str) -> None:
        self.n_left = max_bytes
        self.place = place

    @property
    def has_room(self) -> bool:
        """Whether anything is left."""
        return self.n_left > 0


class Lease:
    """The bytes that one request has taken of a budget; as a context manager it gives all of them back at the end."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.n_left += self._n_bytes
        self._n_bytes = 0

    give_back = __exit__
    """Give back all that was taken; more may be taken after it."""

    def take(self, n_bytes: int) -> None:
        """Take more.

        Raises:
            Unavailable: Fewer are left.
        """
        if n_bytes > self._budget.n_left:
            raise Unavailable(f"the request bodies {self._budget.place} leave no room for more")
        self._budget.n_left -= n_bytes
        self._n_bytes += n_bytes


class Capacity:
    """Threads with bounded queues, and budgets of bytes that request bodies may take.

    As a context manager it ends when its last thread has.

    Attributes:
        whole: For bodies that have arrived.
        arriving: For bodies that are still arriving: a thread each, which mostly waits for the client.
        json_lock: Held by the thread that scores plain rows of JSON: several would only keep the interpreter from each
            other and from the event loop.
        memory: For bodies that are held in memory.
        files: For those that are too large for that.
    """

    def __init__(self, settings: Settings) -> None:
        self.whole = Pool("score", settings.max_threads, settings)
        self.arriving = Pool("stream", settings.max_streams, settings)
        self.json_lock = Lock()
        self.memory = Budget(settings.max_buffered_bytes, "in memory")
        self.files = Budget(settings.max_filed_bytes, "in files")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self.whole, self.arriving):
            pool.threads.shutdown()

    @property
    def has_room(self) -> bool:
        """Whether one more request would be taken, of any kind."""
        return all(part.has_room for part in (self.whole, self.arriving, self.memory, self.files))
