"""`POST /v1/score/{task}`: one route a task, for each has a body and examples of its own."""

from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter
from starlette.responses import Response

from app import service
from app.api import problems
from app.api.answers import ScoreAnswer
from app.api.dependencies import CurrentExchange, JsonBody, OwnResources
from app.api.schemas import score_request
from app.core.tasks import TASKS, Task, TaskName
from app.errors import TooLarge
from app.wire import json

INLINE_BYTES = 8_192
SLOW_FIELDS = (b'"include"', b'"slices"', b'"cluster_id"', b'"n_bins"', b'"metrics"', b'"bootstrap"')
"""What can make the work of a small body large."""

router = APIRouter(tags=["score"])


def answer(task: TaskName, body: bytes | bytearray, max_columns: int) -> dict[str, Any]:
    """From the bytes of a request to the answer, ready for `dumps`.

    Raises:
        SurprisalError: What is wrong with the request.
    """
    fields = json.decode(body)
    for name, column in fields.items():
        if isinstance(column, np.ndarray) and column.ndim == 2 and column.shape[1] > max_columns:
            raise TooLarge(f"{name} must have at most {max_columns} columns, found {column.shape[1]}")
    return service.score(score_request(task, fields))


def dumps(content: object) -> bytes:
    """JSON of an answer with NumPy arrays in it, in which NaN is null: in per-sample losses, on purpose."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _add_route(task: Task) -> None:
    async def score(body: JsonBody, resources: OwnResources, exchange: CurrentExchange) -> Response:
        max_columns = resources.settings.max_columns
        # A plain body of this size takes about a millisecond, most of which any body takes: not worth a thread.
        if len(body) <= INLINE_BYTES and not any(field in body for field in SLOW_FIELDS):
            content, exchange.n_samples = _scored(task.name, body, max_columns)
        else:
            content, exchange.n_samples = await resources.load.run(_scored, task.name, body, max_columns)
        return Response(content, media_type="application/json")

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
        responses=problems.responses(path, 400, 406, 408, 413, 415, 422, 500, 503),
    )


def _scored(task: TaskName, body: bytes | bytearray, max_columns: int) -> tuple[bytes, int]:
    scores = answer(task, body, max_columns)
    return dumps(scores), scores["n_samples"]


for _task in TASKS.values():
    _add_route(_task)
