"""The watch over one job that runs: it keeps the lease, and tells when the job is to stop."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

from app.errors import StoreFull, TooLarge, Unavailable
from app.store.leases import Lease
from app.store.records import LeaseLost

PART = 5
"""The part of the time of a lease after which it is renewed: several renewals may fail before it is lost."""
MAX_SECONDS = 1.0
"""The longest time between two renewals, and so until a cancel is noticed."""

log = logging.getLogger("surprisal.jobs")


class Stopped(Exception):
    """The end of a run whose job goes on elsewhere or later, or not at all."""


class Watch:
    """A thread that renews a lease until the context ends, or the job is no longer this runner's."""

    def __init__(self, lease: Lease, timeout_seconds: float, is_ending: Callable[[], bool]) -> None:
        """Prepare the watch.

        Args:
            timeout_seconds: The time that the job may run in all.
            is_ending: A function that tells if this process is to stop; any thread calls it.
        """
        self._lease = lease
        self._timeout_seconds = timeout_seconds
        self._is_ending = is_ending
        self._is_lost = False
        self._is_over = Event()
        self._thread = Thread(target=self._renew, name=f"job-{lease.job.id[:8]}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def stops(self) -> bool:
        """Tell if the run is to stop."""
        return self._is_lost or self._is_ending() or self._lease.seconds_run() > self._timeout_seconds

    def check(self) -> None:
        """Stop the run, if it is to.

        Raises:
            LeaseLost: The job is no longer this runner's.
            Stopped: This process is to stop.
            TooLarge: The job has run for too long.
        """
        if self._is_lost:
            raise LeaseLost(self._lease.job.id)
        if self._is_ending():
            raise Stopped
        if self._lease.seconds_run() > self._timeout_seconds:
            limit = f"SURPRISAL_JOB_TIMEOUT_SECONDS, {self._timeout_seconds:g} seconds"
            raise TooLarge(f"a job must be done within {limit}, found that it is not; score fewer rows in one job")

    def _renew(self) -> None:
        while not self._is_over.wait(min(self._lease.seconds / PART, MAX_SECONDS)):
            try:
                self._lease.renew()
            except LeaseLost:
                self._is_lost = True
                return
            except (StoreFull, Unavailable) as error:
                log.warning("the lease of job %s could not be renewed: %s", self._lease.job.id, error)
            except Exception:
                log.exception("the lease of job %s could not be renewed", self._lease.job.id)
