"""The runner of jobs as settings ask for it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from app import cpus
from app.jobs.counted import CountedEngine
from app.jobs.lives import Engine, Means
from app.jobs.local import LocalEngine
from app.jobs.requests import Bounds, JobRequest
from app.jobs.running import Rules, Runner
from app.jobs.work import Work
from app.settings import Settings
from app.store.jobs import JobStore

LEASE_SECONDS = 30.0
"""The time after which a job whose runner is not heard of is taken over: it is renewed every second."""

IDLE_BYTES = 128 * 2**20
"""The memory of a worker that does nothing: the interpreter and its libraries."""


class Forms(NamedTuple):
    """The forms in which a job is written, which belong to the face of the service.

    Attributes:
        read: A function that makes a request of the JSON of a job.
        write: A function that makes JSON of an answer.
        problem: A function that makes JSON of a failure and the id of the job.
    """

    read: Callable[[bytes], JobRequest]
    write: Callable[[Mapping[str, Any]], bytes]
    problem: Callable[[Exception, str], bytes]


class Place(NamedTuple):
    """The process in which jobs run.

    Attributes:
        roots: The folders and prefixes of buckets below which sources may lie.
        work: The counters of what is done here.
        is_ending: A function that tells if the process drains.
    """

    roots: tuple[str, ...]
    work: Work
    is_ending: Callable[[], bool]


def started(store: JobStore, settings: Settings, forms: Forms, place: Place) -> Runner:
    """A runner that has begun to take the jobs of a store."""
    means = Means(
        forms.read,
        lambda: CountedEngine(_engine(settings), place.work),
        forms.write,
        forms.problem,
        bounds_of(settings, place.roots),
        settings.job_timeout_seconds,
    )
    rules = Rules(LEASE_SECONDS, settings.max_running_jobs, settings.job_retention_days)
    runner = Runner(store, means, rules, place.is_ending)
    runner.start()
    return runner


def bounds_of(settings: Settings, roots: tuple[str, ...]) -> Bounds:
    """The bounds of a job."""
    bounds = Bounds(roots, settings.max_job_files, settings.max_job_shards, settings.max_job_rows)
    return replace(
        bounds,
        limits=replace(bounds.limits, max_columns=settings.max_columns),
        worker_bytes=settings.job_worker_memory_bytes - IDLE_BYTES,
    )


def _engine(settings: Settings) -> Engine:
    """An engine for one job."""
    if settings.dask_scheduler:
        from app.jobs.dask_engine import DaskEngine  # noqa: PLC0415 slow to import

        return DaskEngine(settings.dask_scheduler)
    return LocalEngine(settings.job_workers or cpus.available().number)
