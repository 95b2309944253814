"""The operations on jobs: data sets in folders and buckets that the service reads. Nothing here touches a network."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from surprisal_client.errors import ServiceError
from surprisal_client.exchange import Context, Pause, Request, Steps, exchange
from surprisal_client.fields import FIELDS, wrong
from surprisal_client.results.job import Job
from surprisal_client.sources import memory

PATH = "/v1/jobs"
OUTSIDE = ("include", "metrics", "require", "extra_columns", "on_error", "max_skipped_share")
"""The members of a job that stand beside its options."""
LOOK_SECONDS = 0.5
"""The pause between two looks at a job that is followed."""
PAGE = 100
"""The most jobs of one answer."""


def submit(
    source: str | Sequence[str], task: str, given: Mapping[str, Any], key: str | None, context: Context
) -> Steps[Job]:
    """Hand a data set in."""
    present = {name: value for name, value in given.items() if value is not None}
    columns = {name: _names(name, value) for name, value in present.items() if name in FIELDS}
    beside = {name: value for name, value in present.items() if name in OUTSIDE}
    options = {name: value for name, value in present.items() if name not in FIELDS and name not in OUTSIDE}
    body = {"task": task, "source": source, "columns": columns, "options": memory.jsonable(options), **beside}
    headers = (("Idempotency-Key", key),) if key else ()
    return Job((yield from exchange(Request("POST", PATH, (), memory.json_body(body), headers), context)))


def _names(field: str, value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not (isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names)):
        raise wrong(field, "wrong_type", "must be the name of a column, or several: a job reads rows from its files")
    return value if isinstance(value, str) else list(names)


def job(id_: str, context: Context) -> Steps[Job]:
    """Ask for a job."""
    return Job((yield from exchange(Request("GET", f"{PATH}/{quote(id_, safe='')}"), context)))


def jobs(limit: int, context: Context) -> Steps[list[Job]]:
    """Ask for the newest jobs, some at a time."""
    found: list[Job] = []
    cursor = ""
    while len(found) < limit:
        query = (("limit", str(min(PAGE, limit - len(found)))), *([("cursor", cursor)] if cursor else []))
        answer = yield from exchange(Request("GET", PATH, query), context)
        found += map(Job, answer["jobs"])
        cursor = answer.get("next_cursor", "")
        if not cursor:
            break
    return found


def cancel(id_: str, context: Context) -> Steps[None]:
    """Cancel a job, and forget it."""
    yield from exchange(Request("DELETE", f"{PATH}/{quote(id_, safe='')}"), context)


def next_look(job: Job, context: Context) -> Steps[Job]:
    """Wait until a job has changed, and while the service is started again."""
    lost: float | None = None
    while True:
        yield Pause(LOOK_SECONDS)
        try:
            found = Job((yield from exchange(Request("GET", f"{PATH}/{job.id}"), context)))
        except ServiceError as error:
            lost = lost or time.monotonic()
            if error.problem or time.monotonic() - lost > context.max_wait_seconds:
                raise
        else:
            lost = None
            if found.answer != job.answer:
                return found
