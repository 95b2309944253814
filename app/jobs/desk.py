"""The jobs of a serving process: their store, opened when the first job needs it, and the runner beside it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from app.errors import JobsOff, SurprisalError
from app.settings import Settings
from app.store.records import Job, Status, Submission

if TYPE_CHECKING:
    from app.jobs.running import Runner
    from app.store.jobs import JobStore

SQLITE = "sqlite:///"
OFF = "jobs are off: the operator names the folders and buckets that may be read in SURPRISAL_DATASET_ROOTS"


class JobDesk:
    """The desk at which jobs are handed in and asked for; its methods wait for a disk, so a thread calls them.

    Who only scores never has a store: nothing is imported and no file is made before the first job. All methods but
    `begin` and `end` may raise `JobsOff`, and what the store raises.
    """

    def __init__(self, settings: Settings, roots: tuple[str, ...], run: Callable[["JobStore"], "Runner"]) -> None:
        """Open nothing yet.

        Args:
            roots: The folders and prefixes of buckets below which sources may lie.
            run: A function that starts the runner of a store.
        """
        self._settings = settings
        self._roots = roots
        self._run = run
        self._lock = Lock()
        self._store: JobStore | None = None
        self._runner: Runner | None = None

    @property
    def is_on(self) -> bool:
        """Tell if there is any folder or bucket that jobs may read."""
        return bool(self._settings.dataset_roots)

    def check_on(self) -> None:
        """Refuse jobs where there is no folder and no bucket that they may read.

        Raises:
            JobsOff: There is none.
        """
        if not self.is_on:
            raise JobsOff(OFF)

    def begin(self) -> None:
        """Go on with the jobs that are there, if any was ever submitted."""
        with suppress(SurprisalError):  # jobs are off, or the database cannot be used yet: the next request tries again
            self._store_if_there()

    def end(self) -> None:
        """Give back the job that runs, for another process or the next start, and close the store."""
        with self._lock:
            if self._runner is not None:
                self._runner.stop()
            if self._store is not None:
                self._store.close()
            self._store = self._runner = None

    def check_sources(self, sources: Iterable[str]) -> None:
        """Refuse sources that jobs may not read, before anything is stored.

        Raises:
            OutsideRoots: One lies outside of all roots.
            InvalidInput: One is no place.
        """
        from app.wire.files.found import Roots  # noqa: PLC0415 slow to import, as are all clients of buckets
        from app.wire.files.listing import start_of  # noqa: PLC0415

        roots = Roots(self._roots)
        for source in sources:
            start_of(source, roots)

    def submit(self, submission: Submission) -> Job:
        """The job of a request, which may be one that its idempotency key has made before."""
        job, is_new = self._opened().submit(submission, self._settings.max_queued_jobs)
        if is_new and self._runner is not None:
            self._runner.wake()
        return job

    def get(self, id_: str) -> Job | None:
        """The job of an id, if there is one."""
        store = self._store_if_there()
        return store.get(id_) if store else None

    def list(self, limit: int, before: int | None, caller: str | None) -> "list[Job]":
        """The newest jobs, as the store lists them."""
        store = self._store_if_there()
        return store.list(limit, before, caller) if store else []

    def forget(self, id_: str) -> bool:
        """Cancel a job and let nobody find it any more; tell if it was there."""
        store = self._store_if_there()
        return store is not None and store.forget(id_)

    def counts(self) -> Mapping[Status, int]:
        """The number of jobs by status."""
        store = self._store_if_there()
        return store.counts() if store else {}

    def _store_if_there(self) -> "JobStore | None":
        self.check_on()
        address = self._settings.database_url
        if self._store is None and address.startswith(SQLITE) and not Path(address.removeprefix(SQLITE)).exists():
            return None
        return self._opened()

    def _opened(self) -> "JobStore":
        self.check_on()
        with self._lock:
            if self._store is None:
                from app.store.jobs import JobStore  # noqa: PLC0415 slow to import

                store = JobStore.open(self._settings.database_url)
                self._runner = self._run(store)
                self._store = store
            return self._store
