"""The work of engines in this process, counted for those who watch the service."""

from collections.abc import Callable, Iterable, Iterator

from app.jobs.lives import Engine
from app.jobs.scoring import GroupSums, Scoring
from app.jobs.shards import Group
from app.jobs.work import Work


class CountedEngine:
    """An engine whose rows, bytes and retries are counted.

    Attributes:
        n_retried: The groups that were tried again so far.
    """

    def __init__(self, engine: Engine, work: Work) -> None:
        self.n_retried = 0
        self._engine = engine
        self._work = work

    def run(
        self, groups: Iterable[Group], score: Scoring, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, GroupSums]]:
        """Yield the sums of groups as they come."""
        for number, sums in self._engine.run(groups, score, cancelled):
            self._work.n_rows += sums.n_rows
            self._work.n_bytes += sums.n_bytes
            self._work.n_retried += self._engine.n_retried - self.n_retried
            self.n_retried = self._engine.n_retried
            yield number, sums

    def close(self) -> None:
        """End all that works for it."""
        self._engine.close()
