"""Rows of the table of jobs, and the records that they hold."""

import re
from typing import Any

from sqlalchemy import Row, false
from sqlalchemy.sql.elements import ColumnElement

from app.store.records import Job, Progress, Status
from app.store.seals import opened
from app.store.tables import jobs

ID = re.compile("[0-9a-f]{32}")
OF_PROGRESS = tuple(Progress.__dataclass_fields__)
BRIEF = [jobs.c[name] for name in ("number", "id", "caller", "request", "status", "created_at", "started_at")]
BRIEF += [jobs.c[name] for name in ("ended_at", *OF_PROGRESS)]
"""The columns of a job in a list: answers can be long."""
WHOLE = [*BRIEF, jobs.c.result, jobs.c.problem]


def is_named(id_: str) -> ColumnElement[bool]:
    """The condition of the job of an id; no database is asked for a text that can be none."""
    return jobs.c.id == id_ if ID.fullmatch(id_) else false()


def job_of(row: Row[Any]) -> Job:
    """The job of a row of `BRIEF` or `WHOLE` columns.

    Raises:
        StoreCorrupt: The row does not hold what was written.
    """
    fields = row._asdict()
    progress = Progress(**{name: fields.pop(name) for name in OF_PROGRESS})
    for name in ("request", "result", "problem"):
        if fields.get(name) is not None:
            fields[name] = opened(fields[name], "job", fields["id"], name)
    return Job(**{**fields, "status": Status(fields["status"])}, progress=progress)
