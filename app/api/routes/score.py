"""`POST /v1/score/{task}`: one route a task, for each has a body and examples of its own.

Bodies are JSON; rows in other formats go to `app.api.routes.rows`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from app import service
from app.api.application import BareRoute
from app.api.capacity import Lease
from app.api.contract import texts
from app.api.intake.bodies import spooled, whole_body
from app.api.intake.while_connected import Check, while_connected
from app.api.negotiation.accept import Accepted, accepted
from app.api.negotiation.formats import ADVICE, FORMATS, limits_of
from app.api.negotiation.media import check_json, encoding_of
from app.api.resources import Resources, resources_of
from app.api.schemas.answers import ScoreAnswer
from app.api.schemas.query import refuse_query
from app.api.schemas.score import score_request
from app.api.schemas.validation import json_fields
from app.api.scoring import decompressed_json
from app.api.telemetry import exchange_of
from app.core.tasks import TASKS, Task, TaskName
from app.wire.sources import Source

MAX_INLINE_BYTES, MAX_INLINE_NUMBERS = 2**18, 2**14
"""Plain rows of this size take one or two milliseconds, and more than twice that in a thread: the interpreter and what
it works on would go back and forth between two processors."""

SLOW_FIELDS = frozenset({"include", "slices", "cluster_id", "n_bins", "metrics", "bootstrap"})
"""What can make the work of a small body large."""

router = APIRouter(tags=["score"], route_class=BareRoute)


def _scores(task: TaskName, fields: Mapping[str, Any]) -> dict[str, Any]:
    return service.score(score_request(task, fields))


def _add_route(task: Task) -> None:
    path = f"/v1/score/{task.name}"
    rows_path = f"{path}/rows"

    async def score(request: Request) -> Response:
        exchange = exchange_of(request)
        check_json(exchange.head, rows_path)
        refuse_query(request)
        encoding, forms = encoding_of(exchange.head), accepted(exchange.head)
        answered = _compressed(request, task.name, encoding, forms) if encoding else _at_once(request, task.name, forms)
        response, exchange.n_scored = await answered
        return response

    router.add_api_route(
        path,
        score,
        methods=["POST"],
        operation_id=f"score_{task.name}",
        summary=texts.SUMMARIES["score"][task.name],
        description=texts.fields_of(task.name),
        response_model=ScoreAnswer,
        response_description=f"{texts.ANSWERS['score']} {texts.AS_ARROW}",
    )


async def _at_once(request: Request, task: TaskName, accepted: Accepted) -> tuple[Response, int]:
    resources = resources_of(request)
    pool = resources.capacity.whole
    with Lease(resources.capacity.memory) as memory:
        whole = await whole_body(request, resources.settings, memory, ADVICE["held"])
        if not _is_short(whole):
            return await while_connected(request, pool, _whole, whole, task, accepted, resources)
        fields = json_fields(whole, task, resources.settings)
        if fields.keys() & SLOW_FIELDS:
            return await while_connected(request, pool, _decoded, fields, task, accepted)
        return _decoded(unchecked, fields, task, accepted)


def _is_short(body: bytearray) -> bool:
    if not MAX_INLINE_NUMBERS < len(body) <= MAX_INLINE_BYTES:
        return len(body) <= MAX_INLINE_NUMBERS
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(","))) < MAX_INLINE_NUMBERS


def unchecked() -> None:
    """What takes no time needs not be left."""


def _whole(
    check: Check, whole: bytearray, task: TaskName, accepted: Accepted, resources: Resources
) -> tuple[Response, int]:
    with resources.capacity.json_lock:
        check()
        fields = json_fields(whole, task, resources.settings)
        if not fields.keys() & SLOW_FIELDS:
            return _decoded(check, fields, task, accepted)
    return _decoded(check, fields, task, accepted)


def _decoded(check: Check, fields: dict[str, Any], task: TaskName, accepted: Accepted) -> tuple[Response, int]:
    check()
    content = _scores(task, fields)
    return accepted.answer(content), content["n_scored"]


async def _compressed(request: Request, task: TaskName, encoding: str, accepted: Accepted) -> tuple[Response, int]:
    resources = resources_of(request)

    def work(check: Check, source: Source) -> tuple[Response, int]:
        fields = decompressed_json(task, encoding, source, resources.settings, check)
        return _decoded(check, fields, task, accepted)

    async with spooled(request, limits_of(FORMATS["json"], resources.settings)) as file:
        return await while_connected(request, resources.capacity.whole, work, file)


for _task in TASKS.values():
    _add_route(_task)
