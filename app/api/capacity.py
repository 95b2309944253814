"""The bounds on what the process does and holds at once; beyond one of them `Unavailable` is raised."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from time import perf_counter
from typing import Self, TypeVar, TypeVarTuple

from app.api.backoff import Backoff
from app.api.memory import SMALL_BYTES, SMALL_NEED_BYTES, Account, Lease
from app.api.seats import Seats
from app.api.turns import CROWDED_SECONDS, Turns
from app.errors import Unavailable
from app.machine import memory_bytes, resident_bytes, return_memory
from app.settings import Settings

LIGHT_THREADS = 2
"""The threads for small requests that cost little."""
JOB_THREADS = 2
"""The threads for questions about jobs, each of which may wait for a disk or a database."""
ROUNDS = 4
"""The requests for each thread that may wait, however long their work is."""
LONG_WAIT_SECONDS = 0.5
"""The time for which more of them may wait, by the work of those before them: a hundred small files that come at once
take 0.05 to 0.15 s on two cores, several times as long on busy ones."""
CROWDED_WAIT_SECONDS = 0.1
"""The same time for a second after a refusal. Clients give up on a long queue, and threads then work for nobody."""
FIRST_BYTES = 100_000
"""The bytes of a body that take as long as all else that is done for a small one."""
SMOOTHING = 0.1
"""The weight of the last work in the mean time of a byte."""
SMALL_PART = 16
"""The part of the memory that is kept for small requests."""
MARGIN_PART = 8
"""The part of the limit that is left for what no account sees, such as what the allocator keeps."""
OWN_BYTES = 96 * 2**20
"""The memory that libraries take once they are used, and that work takes however few its rows are."""
KEPT_PART, KEPT_BYTES = 16, 2**28
"""The part of the limit that may be kept free for the next request, and the most of it: what is given back
to the system comes again a page at a time, which takes as long as to score what is written there."""
LEAST_BYTES = 64 * 2**20
"""The least that requests get, however little memory there is: enough for the largest body of JSON."""

NO_THREAD = "all threads are busy and the queue is full"
"""The sentence for a client that is refused."""

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Pool:
    """A pool of threads for one kind of work, with bounds on the work under way, on the queue, and on the wait in it.

    Everything but the work itself runs on the event loop, so the counts need no lock. Work waits here and not in the
    executor, whose queue would keep cancelled work and its body until a thread came to it.

    Attributes:
        refuses: Whether work was refused, and there has been no room since a thread became free.
    """

    refuses = False

    def __init__(self, name: str, n_threads: int, settings: Settings) -> None:
        self.threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(n_threads)
        self._n_threads = n_threads
        self._max_pending = n_threads + settings.max_waiting
        self._wait_seconds = settings.queue_timeout_seconds
        self._pending = 0
        self._waiting_bytes = 0
        self._byte_seconds = 0.0
        self._crowded_until = 0.0

    @property
    def has_room(self) -> bool:
        """Tell if more work would be taken."""
        if self._pending >= self._max_pending:
            return False
        if self.n_waiting < ROUNDS * self._n_threads:
            return True
        most = CROWDED_WAIT_SECONDS if perf_counter() < self._crowded_until else LONG_WAIT_SECONDS
        return self._waiting_bytes * self._byte_seconds < most * self._n_threads

    @property
    def n_busy(self) -> int:
        """The number of threads at work."""
        return min(self._pending, self._n_threads)

    @property
    def n_waiting(self) -> int:
        """The number of tasks that wait for a thread."""
        return self._pending - self.n_busy

    def check_room(self) -> None:
        """Refuse work for which there is no room.

        Raises:
            Unavailable: All threads are busy, and the queue is full.
        """
        if not self.has_room:
            self._crowded_until = perf_counter() + CROWDED_SECONDS
            self.refuses = True
            raise Unavailable(NO_THREAD)

    async def run(self, n_bytes: int, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do the work in a thread, which counts as taken until the work is done, even if nobody awaits it any more.

        Args:
            n_bytes: The length of the body, by which the time of work that waits is estimated.

        Raises:
            Unavailable: All threads are busy, and the queue is full or does not move.
        """
        self.check_room()
        n_bytes += FIRST_BYTES
        self._pending += 1
        self._waiting_bytes += n_bytes
        try:
            await self._wait_for_thread()
        except BaseException:
            self._pending -= 1
            raise
        finally:
            self._waiting_bytes -= n_bytes
        job = self.threads.submit(self._timed, n_bytes, partial(work, *arguments))
        try:
            return await asyncio.wrap_future(job)
        finally:
            self._leave_after(job)
            del job  # a failed job holds its error, that this frame, and the frame the job and its body

    async def _wait_for_thread(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable(f"no thread was free within {self._wait_seconds:g} seconds") from error

    def _timed(self, n_bytes: int, work: Callable[[], Result]) -> Result:
        """Do the work in this thread, and learn how long it takes; of two that end at once one may be left out."""
        began = perf_counter()
        try:
            return work()
        finally:
            self._byte_seconds += SMOOTHING * ((perf_counter() - began) / n_bytes - self._byte_seconds)

    def _leave_after(self, job: Future[Result]) -> None:
        if job.done():
            self._leave()
        else:
            loop = asyncio.get_running_loop()
            job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))

    def _leave(self) -> None:
        self._pending -= 1
        self._free.release()
        self.refuses = self.refuses and not self.has_room


class Budget:
    """The bytes that the bodies of all requests may take together in files.

    Attributes:
        n_left: Bytes that are not taken.
    """

    def __init__(self, max_bytes: int) -> None:
        self.n_left = max_bytes

    @property
    def has_room(self) -> bool:
        """Tell if any byte is left."""
        return self.n_left > 0


class FileLease:
    """The bytes in files that one request has taken; as a context manager it gives all of them back at the end."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.n_left += self._n_bytes
        self._n_bytes = 0

    def take(self, n_bytes: int) -> None:
        """Take so many bytes more.

        Raises:
            Unavailable: Fewer are left.
        """
        if n_bytes > self._budget.n_left:
            raise Unavailable("the request bodies in files leave no room for more")
        self._budget.n_left -= n_bytes
        self._n_bytes += n_bytes


class Capacity:
    """The pools of threads, and the bytes that requests may hold.

    The context manager ends when the last thread has ended.

    Attributes:
        whole: The pool for bodies that have arrived.
        light: The pool for small requests that cost little, which no other can fill.
        arriving: The pool for bodies that are still arriving: a thread each, which mostly waits for the client.
        jobs: The pool for questions about jobs, so that a slow database keeps nobody from scoring.
        seats: The seats for threads of that pool, of which no more work at once.
        json_lock: The lock of the thread that reads JSON, scores plain rows of it, or makes a long list for an answer:
            several would only keep the interpreter from each other and from the event loop.
        memory: The account of memory.
        small: The account of memory for small requests, which no other can take.
        files: The budget for bodies that are held in files because they are large.
        turns: The turns of the event loop, for small requests that are scored there.
        backoff: The time after which a refused client should try again.
        is_ending: Whether the server drains, so that no more clients should be sent to it.
    """

    def __init__(self, settings: Settings) -> None:
        self.whole = Pool("score", settings.max_threads, settings)
        self.light = Pool("light", LIGHT_THREADS, settings)
        self.arriving = Pool("stream", settings.max_streams, settings)
        self.jobs = Pool("jobs", JOB_THREADS, settings)
        self.seats = Seats(settings.max_threads)
        self.json_lock = Lock()
        limit = settings.memory_bytes or memory_bytes()
        self._idle_bytes = resident_bytes()
        self._kept_bytes = min(limit // KEPT_PART, KEPT_BYTES)
        most = account_bytes(limit)
        self.small = Account(most // SMALL_PART)
        self.memory = Account(most - self.small.size)
        self.files = Budget(settings.max_filed_bytes)
        self.turns = Turns(settings.max_lag_seconds)
        self.backoff = Backoff()
        self.is_ending = False

    def __enter__(self) -> Self:
        return self

    def lease(self, n_bytes: int, caller: str) -> Lease:
        """A lease of memory for a request.

        Args:
            n_bytes: The length of its body as far as it is known; 0 where it is not.
        """
        return Lease(self.memory, self.small if 0 < n_bytes <= SMALL_BYTES else None, caller)

    def __exit__(self, *_: object) -> None:
        for pool in (self.whole, self.light, self.arriving, self.jobs):
            pool.threads.shutdown()

    def settle(self, n_held: int) -> None:
        """Give memory back to the system, where more of it is free than may be kept; that takes some milliseconds.

        Args:
            n_held: The bytes of the account that the request which ends has held.
        """
        in_use = self._idle_bytes + self.memory.n_held - n_held
        if resident_bytes() - in_use > self._kept_bytes:
            return_memory()

    @property
    def has_room(self) -> bool:
        """Tell if one more request of any kind would be taken."""
        has_memory = min(self.small.n_left, self.memory.n_left) >= SMALL_NEED_BYTES
        return has_memory and all(part.has_room for part in (self.whole, self.light, self.arriving, self.files))


def account_bytes(limit: int) -> int:
    """The bytes that requests may hold, once this process has been started.

    Args:
        limit: The memory that this process may use; 0 for all that the machine or its control group allows.
    """
    limit = limit or memory_bytes()
    return max(LEAST_BYTES, limit - limit // MARGIN_PART - OWN_BYTES - resident_bytes())
