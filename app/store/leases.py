"""A job as its runner knows it: whatever is written only lands while the job is the runner's own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, insert, select, update

from app.store.databases import Database
from app.store.records import GroupSums, Job, LeaseLost, Status, Totals
from app.store.seals import opened, sealed
from app.store.tables import groups, jobs

Found = TypeVar("Found")

READ_AT_ONCE = 32
"""The groups that are read in one transaction: a long one would keep the log of writes from being emptied."""


class Lease:
    """The right to run a job, for some seconds from each time that anything is written.

    All methods but those that read raise `LeaseLost` where the job is no longer this runner's, and write nothing then.
    They may be called by several threads.

    Attributes:
        job: The job, as it was when it was taken.
        seconds: The time for which it is kept after each renewal.
        n_fruitless: The times that a runner has taken the job since any has made progress, this one counted.
    """

    def __init__(self, database: Database, job: Job, token: str, seconds: float, n_fruitless: int = 1) -> None:
        self._database = database
        self._token = token
        self.seconds = seconds
        self._began = self._told = time.monotonic()
        self._lock = Lock()
        self.job = job
        self.n_fruitless = n_fruitless

    def renew(self) -> None:
        """Keep the job, and count the time for which it has run."""
        with self._writing():
            pass

    def seconds_run(self) -> float:
        """The time for which the job has run, by this runner and those before it."""
        return self.job.progress.seconds + time.monotonic() - self._began

    def plan(self) -> bytes | None:
        """The plan; None if none is made yet."""
        found = self._read(jobs.c.plan)
        return None if found is None else opened(found, "job", self.job.id, "plan")

    def write_plan(self, plan: bytes, totals: Totals) -> None:
        """Write the plan, once."""
        with self._writing(
            plan=self._sealed(plan, "plan"),
            shards_total=totals.shards,
            rows_total=totals.rows,
            bytes_total=totals.bytes,
            fruitless_claims=0,
        ):
            pass

    def written(self) -> frozenset[int]:
        """The numbers of the groups whose sums are there."""
        with self._database.reading() as connection:
            return frozenset(connection.scalars(select(groups.c.number).where(groups.c.job == self.job.number)))

    def write_group(self, number: int, group: GroupSums) -> bool:
        """Write the sums of a group; tell if they were not there yet, for they count once."""
        progress = {
            "shards_done": jobs.c.shards_done + group.shards,
            "rows_done": jobs.c.rows_done + group.rows,
            "bytes_done": jobs.c.bytes_done + group.bytes,
            "rows_skipped": jobs.c.rows_skipped + group.skipped,
            "shards_retried": jobs.c.shards_retried + group.retried,
            "fruitless_claims": 0,
        }
        here = groups.c.job == self.job.number, groups.c.number == number
        with self._writing() as connection:  # it has locked the row of the job, so nobody writes the same group now
            if connection.scalar(select(groups.c.number).where(*here)) is not None:
                return False
            sums = sealed(group.sums, "job", self.job.id, "group", number)
            connection.execute(insert(groups).values(job=self.job.number, number=number, sums=sums))
            connection.execute(update(jobs).where(jobs.c.number == self.job.number).values(**progress))
            return True

    def groups(self) -> Iterator[tuple[int, bytes]]:
        """The numbers and sums of all groups that are there, in order.

        Raises:
            StoreCorrupt: Sums are not those that were written.
        """
        last = -1
        while True:
            asked = select(groups.c.number, groups.c.sums).where(groups.c.job == self.job.number)
            asked = asked.where(groups.c.number > last).order_by(groups.c.number).limit(READ_AT_ONCE)
            with self._database.reading() as connection:
                found = connection.execute(asked).all()
            for last, sums in found:
                yield last, opened(sums, "job", self.job.id, "group", last)
            if len(found) < READ_AT_ONCE:
                return

    def succeed(self, result: bytes) -> None:
        """End the job with the JSON of its answer."""
        self._end(Status.SUCCEEDED, result=self._sealed(result, "result"))

    def fail(self, problem: bytes) -> None:
        """End the job with the JSON of what went wrong."""
        self._end(Status.FAILED, problem=self._sealed(problem, "problem"))

    def release(self) -> None:
        """Give the job back, for any runner to go on with."""
        with self._writing(status=Status.QUEUED, lease=None, lease_ends_at=None, fruitless_claims=self.n_fruitless - 1):
            pass

    def _end(self, status: Status, **values: object) -> None:
        with self._writing(
            status=status, ended_at=self._database.now(), lease=None, lease_ends_at=None, plan=None, **values
        ):
            pass

    @contextmanager
    def _writing(self, **values: object) -> Iterator[Connection]:
        """A transaction that keeps the lease, unless the values say otherwise, and that fails without it."""
        with self._lock:
            told = time.monotonic()
            kept: dict[str, Any] = {
                "lease_ends_at": self._database.now() + self.seconds,
                "seconds": jobs.c.seconds + (told - self._told),
            }
            own = jobs.c.number == self.job.number, jobs.c.lease == self._token, jobs.c.status == Status.RUNNING
            with self._database.writing() as connection:
                if not connection.execute(update(jobs).where(*own).values(**(kept | values))).rowcount:
                    raise LeaseLost(self.job.id)
                yield connection
            self._told = told

    def _read(self, column: Column[Found]) -> Found | None:
        with self._database.reading() as connection:
            found: Found | None = connection.scalar(select(column).where(jobs.c.number == self.job.number))
        return found

    def _sealed(self, content: bytes, name: str) -> bytes:
        return sealed(content, "job", self.job.id, name)
