"""The taking of jobs by runners: one job, one runner."""

from uuid import uuid4

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.store.databases import Database
from app.store.leases import Lease
from app.store.records import Status
from app.store.rows import WHOLE, job_of
from app.store.tables import jobs


def claim(database: Database, lease_seconds: float, most_running: int) -> Lease | None:
    """Take the oldest job that waits or has lost its runner, unless so many run already."""
    with database.reading() as connection:  # most looks find none, and need not wait for who writes
        if connection.scalar(select(jobs.c.number).where(_waits(database)).limit(1)) is None:
            return None
    token = uuid4().hex
    with database.writing() as connection:
        database.serialise(connection)
        has_runner = and_(jobs.c.status == Status.RUNNING, jobs.c.lease_ends_at > database.now())
        n_running = connection.scalar(select(func.count()).select_from(jobs).where(has_runner)) or 0
        if n_running >= most_running:
            return None
        oldest = select(func.min(jobs.c.number)).where(_waits(database)).scalar_subquery()
        taken = (
            update(jobs)
            .where(jobs.c.number == oldest, _waits(database))
            .values(
                status=Status.RUNNING,
                started_at=func.coalesce(jobs.c.started_at, database.now()),
                lease=token,
                lease_ends_at=database.now() + lease_seconds,
                fruitless_claims=jobs.c.fruitless_claims + 1,
            )
        )
        if not connection.execute(taken).rowcount:
            return None
        row = connection.execute(select(*WHOLE).where(jobs.c.lease == token)).one()
        n_fruitless = connection.scalar(select(jobs.c.fruitless_claims).where(jobs.c.lease == token)) or 0
    return Lease(database, job_of(row), token, lease_seconds, n_fruitless)


def _waits(database: Database) -> ColumnElement[bool]:
    """The condition of jobs that any runner may take."""
    is_lost = and_(jobs.c.status == Status.RUNNING, jobs.c.lease_ends_at <= database.now())
    return or_(jobs.c.status == Status.QUEUED, is_lost)
