"""`POST /v1/score/{task}`: one route a task, for each has a body and examples of its own."""

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from app import service
from app.api import problems
from app.api.accept import Accepted
from app.api.answers import ScoreAnswer
from app.api.application import BareRoute
from app.api.attended import Check, attended
from app.api.bodies import spooled, while_arriving, whole_body
from app.api.formats import limits_of
from app.api.resources import DEFAULTS, Resources, resources_of
from app.api.schemas import score_request
from app.api.scoring import Body, announced, scored
from app.api.validation import json_fields
from app.core.tasks import TASKS, Task, TaskName
from app.wire.sources import Source

MAX_INLINE_BYTES, MAX_INLINE_NUMBERS = 2**18, 2**14
"""Plain rows of this size take one or two milliseconds, and more than twice that in a thread: the interpreter and what
it works on would go back and forth between two processors."""

SLOW_FIELDS = frozenset({"include", "slices", "cluster_id", "n_bins", "metrics", "bootstrap"})
"""What can make the work of a small body large."""

router = APIRouter(tags=["score"], route_class=BareRoute)


def answer(task: TaskName, body: bytes) -> dict[str, Any]:
    """From the bytes of a JSON request to the answer.

    Raises:
        SurprisalError: What is wrong with the request.
    """
    return service.score(score_request(task, json_fields(body, DEFAULTS)))


def _add_route(task: Task) -> None:
    async def score(request: Request) -> Response:
        body, accepted, resources = announced(task.name, request), Accepted(request), resources_of(request)
        if body.format.is_json and not body.encoding:
            return await _at_once(request, body, accepted)
        if not body.format.is_json:
            accepted.check(body.options.get("include", ()))
        return _noted(request, *await _by_parts(request, body, accepted, resources))

    path = f"/v1/score/{task.name}"
    router.add_api_route(
        path,
        score,
        methods=["POST"],
        operation_id=f"score_{task.name}",
        summary=f"Score {task.name}",
        description=task.summary,
        response_model=ScoreAnswer,
        response_description="The scores.",
        responses=problems.responses(path, 400, 406, 408, 413, 415, 422, 431, 500, 503),
    )


async def _at_once(request: Request, body: Body, accepted: Accepted) -> Response:
    resources = resources_of(request)
    lane = resources.load.whole
    async with whole_body(request) as whole:
        if not _is_short(whole):
            return _noted(request, *await attended(request, lane, _whole, whole, body, accepted, resources))
        fields = json_fields(whole, resources.settings)
        if fields.keys() & SLOW_FIELDS:
            return _noted(request, *await attended(request, lane, _decoded, fields, body, accepted))
        return _noted(request, *_decoded(unchecked, fields, body, accepted))


def _is_short(body: bytearray) -> bool:
    if not MAX_INLINE_NUMBERS < len(body) <= MAX_INLINE_BYTES:
        return len(body) <= MAX_INLINE_NUMBERS
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(","))) < MAX_INLINE_NUMBERS


def unchecked() -> None:
    """What takes no time needs not be left."""


def _whole(
    check: Check, whole: bytearray, body: Body, accepted: Accepted, resources: Resources
) -> tuple[Response, int]:
    with resources.load.turn:
        check()
        fields = json_fields(whole, resources.settings)
        if not fields.keys() & SLOW_FIELDS:
            return _decoded(check, fields, body, accepted)
    return _decoded(check, fields, body, accepted)


def _decoded(check: Check, fields: dict[str, Any], body: Body, accepted: Accepted) -> tuple[Response, int]:
    check()
    content = service.score(score_request(body.task, fields))
    return accepted.answer(content), content["n_scored"]


async def _by_parts(request: Request, body: Body, accepted: Accepted, resources: Resources) -> tuple[Response, int]:
    def work(check: Check, source: Source) -> tuple[Response, int]:
        content = scored(body, source, resources.settings, check)
        return accepted.answer(content), content["n_scored"]

    max_bytes = limits_of(body.format, resources.settings).max_decoded_bytes
    if body.format.arrival == "streamed":
        return await while_arriving(request, max_bytes, work)
    async with spooled(request, max_bytes) as file:
        return await attended(request, resources.load.whole, work, file)


def _noted(request: Request, response: Response, n_scored: int) -> Response:
    request.state.exchange.n_scored = n_scored
    return response


for _task in TASKS.values():
    _add_route(_task)
