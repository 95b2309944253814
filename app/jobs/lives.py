"""The life of a job from the moment at which a runner takes it: planned, scored group by group, answered."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.checkpoints import at_checkpoints, ended_by
from app.errors import StoreCorrupt, StoreFull, SurprisalError, TooLarge, Unavailable
from app.jobs.adding import answer
from app.jobs.planning import plan
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import GroupSums, Scoring, scoring_of
from app.jobs.shards import Group, Plan, read_plan
from app.jobs.watching import Stopped, Watch
from app.store.leases import Lease
from app.store.records import GroupSums as StoredSums
from app.store.records import LeaseLost, Totals

MOST_FRUITLESS = 10
"""The runs without any progress after which a job is given up: what kills a service once may do so each time."""

log = logging.getLogger("surprisal.jobs")


class Engine(Protocol):
    """The engine that scores groups, of this machine or of a cluster."""

    n_retried: int

    def run(
        self, groups: Iterable[Group], score: Scoring, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, GroupSums]]:
        """Yield the sums of groups as they come."""

    def close(self) -> None:
        """End all that works for it."""


@dataclass(frozen=True, slots=True)
class Means:
    """The means to run jobs, of which some belong to other layers.

    Attributes:
        read: A function that makes a request of the JSON of a job.
        engine: A function that makes an engine for one job.
        write: A function that makes JSON of an answer.
        problem: A function that makes the JSON of a problem, of an error and the id of the job.
        bounds: The bounds of a job.
        timeout_seconds: The time that a job may run.
    """

    read: Callable[[bytes], JobRequest]
    engine: Callable[[], Engine]
    write: Callable[[Mapping[str, Any]], bytes]
    problem: Callable[[Exception, str], bytes]
    bounds: Bounds
    timeout_seconds: float


def live(lease: Lease, means: Means, is_ending: Callable[[], bool]) -> None:
    """Run a job to its end, or until it is lost or this process is to stop; then it is given back.

    Raises:
        StoreFull: The disk of the store is full. The job has been given back, as far as that could be.
        Unavailable: The store cannot be used; likewise.
    """
    try:
        with Watch(lease, means.timeout_seconds, is_ending) as watch, ended_by(watch.check):
            result = _result(lease, means, watch)
        lease.succeed(result)
    except LeaseLost:
        log.info("job %s is another's, or cancelled", lease.job.id)
    except Stopped:
        lease.release()
    except (StoreFull, Unavailable):
        _give_back(lease)
        raise
    except SurprisalError as error:
        _fail(lease, means, error)
    except Exception as error:
        log.exception("job %s failed", lease.job.id)
        _fail(lease, means, error)


def _result(lease: Lease, means: Means, watch: Watch) -> bytes:
    if lease.n_fruitless > MOST_FRUITLESS:
        raise TooLarge(
            f"a job must not end the service that runs it, found that {MOST_FRUITLESS} runs in turn have ended without "
            "progress; its log or that of the machine may tell why, such as a lack of memory"
        )
    request = means.read(lease.job.request)
    planned = _planned(lease, request, means.bounds)
    watch.check()
    _score(lease, request, planned, means, watch)
    watch.check()  # an engine ends early and in silence once it is to stop
    return means.write(answer(request, _sums(lease, planned)))


def _planned(lease: Lease, request: JobRequest, bounds: Bounds) -> Plan:
    """The plan of a job: the one that its first runner made, or a new one."""
    stored = lease.plan()
    if stored is not None:
        return read_plan(stored)
    made = plan(request, bounds)
    lease.write_plan(made.to_bytes(), Totals(made.n_shards, made.n_bytes, made.n_rows))
    return made


def _score(lease: Lease, request: JobRequest, planned: Plan, means: Means, watch: Watch) -> None:
    """Score the groups whose sums are not there yet."""
    written = lease.written()
    missing = [group for group in planned.groups if group.number not in written]
    if not missing:
        return
    n_shards = {group.number: len(group.shards) for group in missing}
    n_rows, n_told = lease.job.progress.rows_done, 0
    engine = means.engine()
    try:
        scoring = scoring_of(planned, request, means.bounds)
        for number, sums in engine.run(missing, scoring, lambda: watch.stops):
            n_retried, n_told = engine.n_retried - n_told, engine.n_retried
            n_rows += sums.n_rows
            if n_rows > means.bounds.max_rows:
                raise TooLarge(f"a job must have at most {means.bounds.max_rows} rows, found more")
            lease.write_group(
                number, StoredSums(sums.sums, n_shards[number], sums.n_rows, sums.n_bytes, sums.n_skipped, n_retried)
            )
    finally:
        engine.close()


def _sums(lease: Lease, planned: Plan) -> Iterator[bytes]:
    """The sums of all groups, in the order of the plan."""
    expected = 0
    for number, sums in at_checkpoints(lease.groups()):
        if number != expected:
            break
        yield sums
        expected += 1
    if expected != len(planned.groups):
        raise StoreCorrupt(
            f"the store must hold the sums of all {len(planned.groups)} groups, found none of {expected}"
        )


def _fail(lease: Lease, means: Means, error: Exception) -> None:
    try:
        lease.fail(means.problem(error, lease.job.id))
    except LeaseLost:
        log.info("job %s is another's, or cancelled", lease.job.id)


def _give_back(lease: Lease) -> None:
    """Give a job back, if the store lets anyone; otherwise the lease ends by itself."""
    try:
        lease.release()
    except (LeaseLost, SurprisalError) as error:
        log.warning("job %s could not be given back: %s", lease.job.id, error)
