"""Jobs as callers know them: submitted, listed, read, cancelled and forgotten."""

from collections.abc import Mapping
from hashlib import blake2b
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.errors import IdempotencyConflict, Unavailable
from app.store.claims import claim
from app.store.databases import Database, opened
from app.store.leases import Lease
from app.store.records import ENDED, Job, Status, Submission
from app.store.rows import BRIEF, WHOLE, is_named, job_of
from app.store.seals import sealed
from app.store.sweeping import sweep
from app.store.tables import jobs


class JobStore:
    """The jobs of a database, which several processes and services may share.

    Every method may be called by any thread, and waits for a disk: on an event loop, call it in a thread. All may
    raise `Unavailable` (the database cannot be used now), `StoreCorrupt`, and those that write `StoreFull`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, address: str) -> "JobStore":
        """The store at an address, such as `sqlite:///data/surprisal.db` or `postgresql://user:password@host/name`.

        Raises:
            ValueError: The address is none of SQLite or PostgreSQL.
        """
        return cls(opened(address))

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def submit(self, submission: Submission, most_queued: int) -> tuple[Job, bool]:
        """The job of a request, and whether it is a new one: a key that is known gives the job that has it.

        Raises:
            IdempotencyConflict: The key belongs to another request.
            Unavailable: So many jobs wait that there is no room for one more.
        """
        waiting = select(func.count()).select_from(jobs).where(jobs.c.status == Status.QUEUED)
        with self._database.writing() as connection:
            self._database.serialise(connection)
            known = self._known(connection, submission)
            if known is not None:
                return known, False
            n_queued = connection.scalar(waiting) or 0
            if n_queued >= most_queued:
                raise Unavailable(f"at most {most_queued} jobs may wait, found as many; try again later")
            return self._made(connection, submission), True

    def get(self, id_: str) -> Job | None:
        """The job of an id, with its result; None if there is none."""
        with self._database.reading() as connection:
            row = connection.execute(select(*WHOLE).where(is_named(id_), ~jobs.c.is_forgotten)).first()
        return None if row is None else job_of(row)

    def list(self, limit: int, before: int | None = None, caller: str | None = None) -> list[Job]:
        """The newest jobs, the newest first, without results.

        Args:
            before: The number of the last job of the list that this one continues.
            caller: The caller whose jobs are listed; None for all.
        """
        asked = select(*BRIEF).where(~jobs.c.is_forgotten).order_by(jobs.c.number.desc()).limit(limit)
        if before is not None:
            asked = asked.where(jobs.c.number < before)
        if caller is not None:
            asked = asked.where(jobs.c.caller == caller)
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(asked)]

    def counts(self) -> Mapping[Status, int]:
        """The number of jobs by status."""
        asked = select(jobs.c.status, func.count()).where(~jobs.c.is_forgotten).group_by(jobs.c.status)
        with self._database.reading() as connection:
            found = {Status(status): n for status, n in connection.execute(asked)}
        return {status: found.get(status, 0) for status in Status}

    def cancel(self, id_: str) -> bool:
        """End a job that waits or runs, whose runner then stops; tell if there was one to end."""
        return self._change(id_, ~jobs.c.status.in_(ENDED), status=Status.CANCELLED, ended_at=self._database.now())

    def forget(self, id_: str) -> bool:
        """Cancel a job, and let nobody find it any more; tell if it was there. `sweep` then deletes it."""
        self.cancel(id_)
        return self._change(id_, jobs.c.status.in_(ENDED), is_forgotten=True, idempotency_key=None)

    def claim(self, lease_seconds: float, most_running: int) -> Lease | None:
        """The oldest job that waits, or whose runner has not been heard of in time, for this runner alone.

        Args:
            lease_seconds: The time after which another may take the job over if this runner renews nothing.
            most_running: The jobs that may run at once, of all runners; with as many there is none to take.
        """
        return claim(self._database, lease_seconds, most_running)

    def sweep(self, retention_days: float, most: int) -> int:
        """Delete sums of jobs that have ended, and jobs that are forgotten or ended so many days ago.

        Args:
            most: The most rows to delete, so that nobody waits long for this step.

        Returns:
            The number of rows deleted; 0 once there are none left to delete.
        """
        return sweep(self._database, retention_days, most)

    def _known(self, connection: Connection, submission: Submission) -> Job | None:
        if submission.idempotency_key is None:
            return None
        key = jobs.c.idempotency_key == _digest(submission.idempotency_key)
        row = connection.execute(select(*WHOLE).where(jobs.c.caller == submission.caller, key)).first()
        if row is None:
            return None
        job = job_of(row)
        if job.request != submission.request:
            raise IdempotencyConflict(
                f"an Idempotency-Key must come with one request only, found another than that of the job {job.id}; "
                "send a new key"
            )
        return job

    def _made(self, connection: Connection, submission: Submission) -> Job:
        id_ = uuid4().hex
        new = (
            insert(jobs)
            .values(
                id=id_,
                caller=submission.caller,
                idempotency_key=_digest(submission.idempotency_key),
                request=sealed(submission.request, "job", id_, "request"),
                status=Status.QUEUED,
                created_at=self._database.now(),
            )
            .returning(*WHOLE)
        )
        return job_of(connection.execute(new).one())

    def _change(self, id_: str, condition: ColumnElement[bool], **values: object) -> bool:
        with self._database.writing() as connection:
            changed = update(jobs).where(is_named(id_), ~jobs.c.is_forgotten, condition)
            return connection.execute(changed.values(**values)).rowcount > 0


def _digest(key: str | None) -> str | None:
    """A key as it is stored, for it may be any text; None for none."""
    return None if key is None else blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
