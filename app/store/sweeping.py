"""The deletion of what nobody needs any more, in small steps."""

from sqlalchemy import and_, delete, or_, select

from app.store.databases import Database
from app.store.records import ENDED
from app.store.tables import groups, jobs

DAY_SECONDS = 86_400
PAGES_A_STEP = 2_000
"""The most pages, of 4 kB, that are given back to the disk in one step, in some ten milliseconds."""


def sweep(database: Database, retention_days: float, most: int) -> int:
    """Delete sums of jobs that have ended, and jobs that are forgotten or old; return the number of rows."""
    oldest = database.now() - retention_days * DAY_SECONDS
    is_old = or_(jobs.c.is_forgotten, and_(jobs.c.status.in_(ENDED), jobs.c.ended_at < oldest))
    has_sums = select(groups.c.job).where(groups.c.job == jobs.c.number).exists()
    of_ended = groups.c.job == jobs.c.number, jobs.c.status.in_(ENDED)
    with database.reading() as connection:
        sums = connection.execute(select(groups.c.job, groups.c.number).where(*of_ended).limit(most)).all()
        gone = connection.scalars(select(jobs.c.number).where(is_old, ~has_sums).limit(most)).all()
    if not sums and not gone:
        return 0
    with database.writing() as connection:
        for job, number in sums:
            connection.execute(delete(groups).where(groups.c.job == job, groups.c.number == number))
        connection.execute(delete(jobs).where(jobs.c.number.in_(gone)))
        database.give_back(connection, PAGES_A_STEP)
    return len(sums) + len(gone)
