"""The engine of this machine: processes that score groups, with nothing to start beforehand."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from threading import Thread

from app.errors import SourceUnavailable
from app.jobs.scoring import GroupSums
from app.jobs.shards import Group

NICENESS = 10
"""The niceness of workers, so that requests come first."""
TRIES = 3
"""The times that a group is tried whose worker dies."""
AHEAD = 2
"""The groups a worker that are handed out beforehand, so that none waits for the next."""
TICK_SECONDS = 0.2
"""The longest time until a cancel is seen."""


class LocalEngine:
    """Some processes of this machine, which end when this one does.

    Attributes:
        n_retried: The groups that were tried again so far.
    """

    def __init__(self, n_workers: int, preload: Sequence[str] = ("app.jobs.scoring",)) -> None:
        """Prepare the engine; no process is started yet.

        Args:
            preload: The modules that are imported once for all processes: those that question and scoring need.
        """
        self.n_retried = 0
        self._n_workers, self._preload = n_workers, list(preload)
        self._pool: ProcessPoolExecutor | None = None
        self._life: Connection | None = None

    def run(
        self, groups: Iterable[Group], score: Callable[[Group], GroupSums], cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, GroupSums]]:
        """Yield the sums of groups, by their numbers, as they are ready; it ends early where the job is cancelled.

        Raises:
            SurprisalError: What the scoring of a group raises; the others are given up.
            SourceUnavailable: The worker of one group died again and again.
        """
        waiting, tries = list(reversed(list(groups))), dict[int, int]()
        running: dict[Future[GroupSums], Group] = {}
        try:
            while (waiting or running) and not cancelled():
                try:
                    while waiting and len(running) < AHEAD * self._n_workers:
                        running[self._started().submit(score, waiting[-1])] = waiting[-1]
                        waiting.pop()
                    for future in wait(running, TICK_SECONDS, FIRST_COMPLETED).done:
                        sums = future.result()
                        yield running.pop(future).number, sums
                except BrokenProcessPool:
                    self._lost(list(running.values()), tries)
                    waiting += sorted(running.values(), key=lambda group: -group.number)
                    running.clear()
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """End the processes; what they do is given up."""
        if self._pool is not None and self._life is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._life.close()
            self._pool = self._life = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # not `fork`: this process has threads, whose locks a child would inherit as they are
            context = get_context("forkserver")
            context.set_forkserver_preload(self._preload)
            ending, self._life = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self._n_workers, context, _begin, (ending,))
        return self._pool

    def _lost(self, groups: list[Group], tries: dict[int, int]) -> None:
        """Count a try of groups whose pool broke; nobody can tell whose worker died."""
        self.close()
        self.n_retried += len(groups)
        for group in groups:
            tries[group.number] = tries.get(group.number, 0) + 1
            if tries[group.number] >= TRIES * self._n_workers:
                raise SourceUnavailable(f"the workers of group {group.number} ended {tries[group.number]} times")


def _begin(ending: Connection) -> None:
    """Begin a worker, which must not outlive the engine or the process that gives it work, however these end."""
    os.nice(NICENESS)
    Thread(target=_end_with, args=(ending,), daemon=True).start()


def _end_with(ending: Connection) -> None:
    """End this worker, in the middle of a group too, as soon as its engine is closed or its parent is gone."""
    parent = parent_process()
    wait_for([ending, parent.sentinel] if parent else [ending])
    os._exit(1)
