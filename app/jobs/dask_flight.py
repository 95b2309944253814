"""Groups of shards on their way through a Dask cluster: their tasks, the tree of their sums, and what went wrong."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias
from uuid import uuid4

from distributed import Client, Future
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.scheduler import KilledWorker

from app import __version__
from app.errors import SourceUnavailable, SurprisalError
from app.jobs.scoring import GroupSums, Scoring, added
from app.jobs.shards import Group

MAX_TASKS_SENT = 8192
"""The most tasks that the scheduler has at once; it asks for more workers, where it can, by what waits."""
MAX_PIECES = 32
"""The most tasks of a group: that part of a group is what a straggler keeps waiting, and what a lost worker loses."""
FAN_IN = 8
"""The sums that one task adds, all of which are in the memory of one worker."""
READ_TRIES = 3
"""The times that the scheduler tries a task again whose disk or bucket failed, on any worker."""
GROUP_TRIES = 3
"""The times that a group is sent; Dask gives a task up of which 4 workers were lost."""
RESULT_SECONDS = 60.0
"""The time that sums may take from a worker to here; after it they are asked for again."""

Outcome: TypeAlias = GroupSums | SurprisalError


class SchedulerLostError(Exception):
    """The connection to the scheduler broke, and with it went all that it knew."""


class Flight:
    """The groups that one connection to a scheduler has under way.

    Attributes:
        n_sent_again: The groups that were sent again to the same scheduler.
    """

    def __init__(self, client: Client, score: Scoring) -> None:
        self.n_sent_again = 0
        self._client = client
        self._score = score
        self._name = uuid4().hex
        self._done: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self._groups: dict[Future[Outcome], tuple[Group, int]] = {}
        self._sending: Group | None = None
        self._n_tasks = 0
        self._n_submitted = 0

    def sums(
        self, todo: Iterator[Group], cancelled: Callable[[], bool], poll_seconds: float
    ) -> Iterator[tuple[int, GroupSums]]:
        """Yield the sums of all groups as they come.

        Raises:
            SurprisalError: The first that a task has met.
            SchedulerLostError: The scheduler is gone; `groups` are those whose sums have not come.
        """
        has_more = True
        while (has_more or self._groups) and not cancelled():
            is_sent = False
            if has_more and (not self._groups or self._n_tasks < MAX_TASKS_SENT):
                group = next(todo, None)
                has_more = is_sent = group is not None
                if group is not None:
                    self._send(group)
            future = self._next_done(0.0 if is_sent else poll_seconds)
            if future is not None and (found := self._found(future)) is not None:
                yield found

    def groups(self) -> list[Group]:
        """The groups whose sums have not come."""
        sending = [] if self._sending is None else [self._sending]
        return [*(group for group, _ in self._groups.values()), *sending]

    def give_up(self) -> None:
        """Let the scheduler forget all tasks: those that wait are not begun, and nobody hears of those that run."""
        with suppress(OSError, ClosedClientError):
            self._client.cancel(list(self._groups), force=True)
        self._groups.clear()

    def _send(self, group: Group, n_tries: int = 1) -> None:
        self._sending = group  # it is among `groups` although the scheduler may be lost before it has all tasks
        pieces = pieces_of(group)
        sums = [self._submit(scored_piece, piece, retries=READ_TRIES) for piece in pieces]
        while len(sums) > 1:
            tiers = [sums[start : start + FAN_IN] for start in range(0, len(sums), FAN_IN)]
            sums = [self._submit(added_pieces, *tier, priority=1) for tier in tiers]  # what is added is forgotten
        self._n_tasks += len(pieces)
        self._groups[sums[0]], self._sending = (group, n_tries), None
        sums[0].add_done_callback(self._done.put)

    def _submit(self, task: Callable[..., Outcome], *arguments: Any, **options: Any) -> Future[Outcome]:
        self._n_submitted += 1
        key = f"{task.__name__}-{self._name}-{self._n_submitted}"  # Dask learns times by what stands before the hash
        try:
            return self._client.submit(task, __version__, self._score, *arguments, key=key, **options)
        except (OSError, ClosedClientError) as error:
            raise SchedulerLostError from error

    def _next_done(self, seconds: float) -> Future[Outcome] | None:
        try:
            return self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
        except Empty:
            if self._client.status != "running":
                raise SchedulerLostError from None
            return None

    def _found(self, future: Future[Outcome]) -> tuple[int, GroupSums] | None:
        """The number and the sums of a group; None if they are still to come."""
        outcome: GroupSums | Exception | None
        match future.status:
            case "finished":
                outcome = self._outcome(future)
            case "error":
                outcome = self._failure(future)
            case "cancelled":
                raise SchedulerLostError
            case _:  # its worker was lost meanwhile, and others compute it again
                self._hear_again(future)
                return None
        if outcome is None:
            return None
        if isinstance(outcome, Exception):
            raise outcome
        group, _ = self._taken(future)
        return group.number, outcome

    def _outcome(self, future: Future[Outcome]) -> Outcome | None:
        """The sums that the tasks of a group found; None if it must be asked for again."""
        try:
            outcome: Outcome = future.result(RESULT_SECONDS)
        except (OSError, ClosedClientError, FutureCancelledError) as error:  # a timeout is an OSError too
            if self._client.status != "running":
                raise SchedulerLostError from error
            self._hear_again(future)
            return None
        return outcome

    def _hear_again(self, future: Future[Outcome]) -> None:
        future.add_done_callback(self._done.put)

    def _failure(self, future: Future[Outcome]) -> Exception | None:
        """The error that ends the job; None if the group was sent again."""
        error: Exception = future.exception()
        if not isinstance(error, KilledWorker):
            return error
        group, n_tries = self._taken(future)
        if n_tries == GROUP_TRIES:
            lost = f"{n_tries} times four workers were lost that scored the same shards"
            return SourceUnavailable(f"{lost}; their logs say why, often for want of memory")
        self.n_sent_again += 1
        self._send(group, n_tries + 1)
        return None

    def _taken(self, future: Future[Outcome]) -> tuple[Group, int]:
        """A group that is no longer under way, and how often it was sent."""
        group, n_tries = self._groups.pop(future)
        self._n_tasks -= len(pieces_of(group))
        future.release()
        return group, n_tries


def pieces_of(group: Group) -> list[Group]:
    """A group in at most `MAX_PIECES` parts that follow each other, each for one task."""
    size = -(-len(group.shards) // MAX_PIECES)
    return [Group(group.number, group.shards[start : start + size]) for start in range(0, len(group.shards), size)]


def scored_piece(version: str, score: Scoring, piece: Group) -> Outcome:
    """Score some shards, on a worker; what another try would find again is told as a value, and not raised."""
    check_version(version)
    try:
        return score(piece)
    except SurprisalError as error:
        if error.code == SourceUnavailable.code:
            raise
        return error


def added_pieces(version: str, score: Scoring, *parts: Outcome) -> Outcome:
    """Add up, on a worker, the sums of shards that follow each other; the first error among them stands for all."""
    check_version(version)
    failed = next((part for part in parts if isinstance(part, SurprisalError)), None)
    return added([part for part in parts if isinstance(part, GroupSums)], score) if failed is None else failed


def check_version(version: str) -> None:
    """Refuse work of a service of another version: its sums might not be ours.

    Raises:
        SourceUnavailable: The versions differ.
    """
    if version != __version__:
        rule = f"the workers of the cluster must run the image of the service, version {version}, found {__version__}"
        raise SourceUnavailable(rule)
