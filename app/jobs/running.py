"""The runner of a serving process: a thread that takes jobs, one after the other, and deletes what is old."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from app.errors import SurprisalError
from app.jobs.lives import Means, live
from app.store.jobs import JobStore

POLL_SECONDS = 1.0
"""The time between two looks for jobs that other processes have taken in."""
RETRY_SECONDS = 5.0
"""The time after which a store that could not be used is tried again."""
SWEEP_SECONDS = 60.0
"""The time between two looks for what is old."""
SWEPT_AT_ONCE = 50
"""The rows, of some kilobytes to some megabytes, that are deleted in one step."""
STOP_SECONDS = 5.0
"""The time in which a runner that is told to stop gives its job back; the process does not wait longer."""

log = logging.getLogger("surprisal.jobs")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which jobs are taken and kept.

    Attributes:
        lease_seconds: The time after which a job whose runner is not heard of may be taken over.
        most_running: The jobs that may run at once, of all runners.
        retention_days: The days for which a job is kept after its end.
    """

    lease_seconds: float
    most_running: int
    retention_days: float


class Runner:
    """The runner of the jobs of a store, which it shares with those of other processes."""

    def __init__(
        self, store: JobStore, means: Means, rules: Rules, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        """Prepare the runner; `start` begins.

        Args:
            is_ending: A function that tells if the process drains: then the job is given back at once.
        """
        self._store, self._means, self._rules = store, means, rules
        self._process_ends = is_ending
        self._stops = Event()
        self._woken = Event()
        self._swept = -SWEEP_SECONDS
        self._thread = Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def wake(self) -> None:
        """Tell that a job was submitted here, which then need not wait for the next look."""
        self._woken.set()

    def stop(self) -> None:
        """Give the job that runs back, and end."""
        self._stops.set()
        self._woken.set()
        self._thread.join(STOP_SECONDS)

    def _is_ending(self) -> bool:
        return self._stops.is_set() or self._process_ends()

    def _run(self) -> None:
        while not self._is_ending():
            try:
                if not self._ran_one():
                    self._sweep()
                    self._pause(POLL_SECONDS)
            except SurprisalError as error:
                log.warning("the store of jobs cannot be used, the next try is in %g s: %s", RETRY_SECONDS, error)
                self._pause(RETRY_SECONDS)
            except Exception:
                log.exception("the runner of jobs failed, the next try is in %g s", RETRY_SECONDS)
                self._pause(RETRY_SECONDS)

    def _ran_one(self) -> bool:
        """Run the next job, if there is one; tell if there was."""
        lease = self._store.claim(self._rules.lease_seconds, self._rules.most_running)
        if lease is None:
            return False
        log.info("job %s runs", lease.job.id)
        live(lease, self._means, self._is_ending)
        self._swept = -SWEEP_SECONDS  # its sums are of no use any more
        return True

    def _sweep(self) -> None:
        """Delete what is old, in steps between which others get their turn."""
        if time.monotonic() < self._swept + SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        while self._store.sweep(self._rules.retention_days, SWEPT_AT_ONCE) and not self._is_ending():
            self._woken.wait(0.01)

    def _pause(self, seconds: float) -> None:
        if self._woken.wait(seconds):
            self._woken.clear()
