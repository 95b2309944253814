"""`POST /v1/compare/{task}`: one route a task, as for scoring."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from app import service
from app.api import problems
from app.api.compare_schemas import CompareAnswer, compare_request
from app.api.dependencies import CurrentExchange, JsonBody, OwnResources
from app.api.routes.score import dumps
from app.core.tasks import TASKS, TaskName
from app.errors import TooLarge
from app.wire import json

router = APIRouter(tags=["compare"])


def answer(task: TaskName, body: bytes | bytearray, max_columns: int) -> dict[str, Any]:
    """From the bytes of a request to the answer, ready for `dumps`.

    Raises:
        SurprisalError: What is wrong with the request.
    """
    fields = json.decode(body)
    for name, column in _columns(fields):
        if isinstance(column, np.ndarray) and column.ndim == 2 and column.shape[1] > max_columns:
            raise TooLarge(f"{name} must have at most {max_columns} columns, found {column.shape[1]}")
    return service.compare(compare_request(task, fields))


def _columns(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from fields.items()
    candidates = fields.get("candidates")
    for members in candidates.values() if isinstance(candidates, dict) else ():
        yield from members.items() if isinstance(members, dict) else ()


def _add_route(task: TaskName) -> None:
    async def compare(body: JsonBody, resources: OwnResources, exchange: CurrentExchange) -> Response:
        # Even a small body may hold fifty candidates, each with the work of a request: always a thread.
        content, exchange.n_samples = await resources.load.run(_compared, task, body, resources.settings.max_columns)
        return Response(content, media_type="application/json")

    path = f"/v1/compare/{task}"
    router.add_api_route(
        path,
        compare,
        methods=["POST"],
        operation_id=f"compare_{task}",
        summary=f"Compare {task}",
        description=f"Candidates on the same rows, paired. {TASKS[task].summary}",
        response_model=CompareAnswer,
        response_description="The scores of all, and the differences.",
        responses=problems.responses(path, 400, 406, 408, 413, 415, 422, 500, 503),
    )


def _compared(task: TaskName, body: bytes | bytearray, max_columns: int) -> tuple[bytes, int]:
    compared = answer(task, body, max_columns)
    return dumps(compared), compared["n_scored"]


for _task in service.COMPARED:
    _add_route(_task)
