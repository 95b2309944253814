"""The routes below `/v1/jobs`: a data set is handed in, and its job asked for, followed and forgotten."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException

from app.api.application import BareRoute, StreamRoute
from app.api.contract import texts
from app.api.exchange import Exchange
from app.api.intake.bodies import whole_body
from app.api.intake.body import Body
from app.api.job_events import MEDIA_TYPE
from app.api.negotiation.accept import json_terms
from app.api.negotiation.media import JSON
from app.api.response import Response
from app.api.schemas.jobs import (
    JobAnswer,
    JobList,
    JobsQuery,
    cursor_number,
    job_content,
    list_content,
    submission_of,
)
from app.api.schemas.query import refuse_query
from app.core.paying import hold
from app.errors import InvalidInput, TooLarge, describe
from app.jobs.desk import JobDesk
from app.store.records import Job, Submission
from app.wire.json.heavy import check_weight
from app.wire.json.reader import object_of

MAX_BYTES = 4 * 2**20
"""The longest body of a job: its rows stand in files, so only long lists of names and weights need so much."""
OBJECT_TIMES = 14
"""The memory of its objects, in times of its text."""
ADVICE = "name several files by a pattern"
KEY = re.compile(r"[!-~]{1,255}")
PRIVATE = {"cache-control": "no-store"}

JobId = Annotated[str, Path(description="The `id` of the job.")]

router = APIRouter(tags=["jobs"], route_class=BareRoute)


@router.post(
    "/v1/jobs",
    operation_id="submit_job",
    summary="Score a data set of any size",
    description=texts.JOBS,
    status_code=202,
    response_model=JobAnswer,
    response_description=texts.ANSWERS["job"],
)
async def submit(exchange: Exchange) -> Response:
    """Take a job."""
    json_terms(exchange.head)
    await exchange.read_query(refuse_query, exchange)
    desk: JobDesk = exchange.app.jobs
    desk.check_on()
    key = _idempotency_key(exchange)
    body = await whole_body(exchange, ADVICE)
    if len(body) > MAX_BYTES:
        raise TooLarge(f"the body of a job must have at most {MAX_BYTES} bytes, found {len(body)}; {ADVICE}")
    exchange.memory.hold("body", len(body))
    job = await exchange.capacity.jobs.run(len(body), _submitted, desk, body, exchange.key, key)
    place = f"{exchange.scope.get('root_path', '')}/v1/jobs/{job.id}"
    return Response(job_content(job), 202, {"location": place}, JSON)


def _submitted(desk: JobDesk, body: bytes | bytearray | Body, caller: str, key: str | None) -> Job:
    text = body.taken() if isinstance(body, Body) else body
    check_weight(text, f"the body, {ADVICE},")
    hold("held", OBJECT_TIMES * len(text))
    stored, request = submission_of(object_of(text))
    desk.check_sources(request.sources)
    return desk.submit(Submission(stored, caller, key))


def _idempotency_key(exchange: Exchange) -> str | None:
    sent = exchange.header("idempotency-key")
    if sent and not KEY.fullmatch(sent):
        rule = f"must be 1 to 255 visible ASCII characters, found {describe(sent)}"
        raise InvalidInput.at("/Idempotency-Key", "out_of_range", rule)
    return sent or None


@router.get(
    "/v1/jobs",
    operation_id="jobs",
    summary="Your jobs, the newest first",
    response_model=JobList,
    response_description="The jobs, without their results.",
)
async def jobs(exchange: Exchange, query: Annotated[JobsQuery, Query()]) -> Response:
    """The jobs of the key that asks; all of them for a key of the scope `admin`, or where no keys are asked for."""
    before, caller = cursor_number(query.cursor), None if exchange.is_admin else exchange.key
    desk: JobDesk = exchange.app.jobs
    found = await exchange.capacity.jobs.run(0, desk.list, query.limit + 1, before, caller)
    return Response(list_content(found, query.limit), headers=PRIVATE, media_type=JSON)


@router.get(
    "/v1/jobs/{id}",
    operation_id="job",
    summary="The progress of a job, and its answer",
    response_model=JobAnswer,
    response_description="The job, with its result once it has succeeded.",
)
async def job(exchange: Exchange, id: JobId) -> Response:  # noqa: A002 the contract's word
    """Answers at once, with the progress so far. `GET /v1/jobs/{id}/events` tells of each change."""
    return Response(job_content(await _found(exchange, id)), headers=PRIVATE, media_type=JSON)


@router.delete(
    "/v1/jobs/{id}",
    operation_id="forget_job",
    summary="Cancel a job, and forget it",
    status_code=204,
    response_description="The job runs no more, and nobody finds it.",
)
async def forget(exchange: Exchange, id: JobId) -> Response:  # noqa: A002 the contract's word
    """Ends a job that waits or runs, within some seconds, and deletes its answer."""
    await _found(exchange, id)
    desk: JobDesk = exchange.app.jobs
    await exchange.capacity.jobs.run(0, desk.forget, id)
    return Response(status_code=204)


async def events(exchange: Exchange, id: JobId) -> None:  # noqa: A002 the contract's word
    """The job as server-sent events, each of which holds what `GET /v1/jobs/{id}` would answer.

    There is one for each change, at most two a second; the last is that of the end.
    """
    await exchange.app.followers.send(exchange, await _found(exchange, id))


router.add_api_route(
    "/v1/jobs/{id}/events",
    events,
    methods=["GET"],
    route_class_override=StreamRoute,
    operation_id="job_events",
    summary="A job, told of as it goes on",
    response_class=Response,
    responses={200: {"description": "The events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)


async def _found(exchange: Exchange, id_: str) -> Job:
    desk: JobDesk = exchange.app.jobs
    return seen_by(exchange, await exchange.capacity.jobs.run(0, desk.get, id_))


def seen_by(exchange: Exchange, job: Job | None) -> Job:
    """A job that was looked up, if the caller may see it.

    Raises:
        HTTPException: 404, there is none, or it is another's, which nobody learns.
    """
    if job is None or not (exchange.is_admin or job.caller == exchange.key):
        raise HTTPException(
            404, "no job of yours has this id, or it was deleted; GET /v1/jobs lists those that are there"
        )
    return job
