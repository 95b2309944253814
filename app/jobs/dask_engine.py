"""The engine that scores on a Dask cluster, whose scheduler gives out the work and knows who is lost."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from time import monotonic, sleep

from distributed import Client

from app.errors import SourceUnavailable
from app.jobs.dask_flight import Flight, SchedulerLostError
from app.jobs.scoring import GroupSums, Scoring
from app.jobs.shards import Group

POLL_SECONDS = 0.25
"""The longest time until a cancelled job is noticed, while the scheduler answers."""
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 5.0


class DaskEngine:
    """Runs groups of shards on the workers of one Dask scheduler.

    Rows never come here, nor to the scheduler: a task is the description of some shards, sums go from worker to
    worker, and those of a whole group come here. A scheduler that is lost takes all that it knew with it; groups whose
    sums have not come are sent to the next one at that address.

    Attributes:
        n_retried: The groups that were sent again.
    """

    def __init__(self, scheduler: str, patience_seconds: float = 300.0) -> None:
        """Remember the address of a scheduler, such as `tcp://scheduler:8786`.

        Args:
            patience_seconds: The time in which a scheduler that is gone must come back.
        """
        self.n_retried = 0
        self._scheduler = scheduler
        self._patience_seconds = patience_seconds

    def run(
        self, groups: Iterable[Group], score: Scoring, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, GroupSums]]:
        """Yield the number and the sums of each group as they come, in any order; no more once the job is cancelled.

        Raises:
            SurprisalError: The first that a task has met, with file and row; the other tasks are given up.
            SourceUnavailable: No scheduler answers, or a group was on too many workers that were lost.
        """
        todo = iter(groups)
        while (client := self._connected(cancelled)) is not None:
            flight = Flight(client, score)
            try:
                yield from flight.sums(todo, cancelled, POLL_SECONDS)
            except SchedulerLostError:
                again = flight.groups()
                self.n_retried += len(again)
                todo = chain(again, todo)
            else:
                return
            finally:
                self.n_retried += flight.n_sent_again
                flight.give_up()
                with suppress(OSError):  # of a scheduler that is gone
                    client.close(CLOSE_SECONDS)

    def close(self) -> None:
        """End; what a run has on its way is given up when the run ends."""

    def _connected(self, cancelled: Callable[[], bool]) -> Client | None:
        """A connection to the scheduler; None if the job was cancelled meanwhile."""
        deadline, pause = monotonic() + self._patience_seconds, POLL_SECONDS
        while not cancelled():
            try:
                return Client(self._scheduler, timeout=CONNECT_SECONDS, set_as_default=False, name="surprisal")
            except OSError as error:
                if monotonic() > deadline:
                    found = f"found none at {self._scheduler} for {self._patience_seconds:g} s"
                    raise SourceUnavailable(f"must reach the Dask scheduler, {found}; start one there") from error
            sleep(pause)
            pause = min(2 * pause, CONNECT_SECONDS)
        return None
