"""`POST /v1/calibrate/{task}`: one route a task, as for scoring."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from app import service
from app.api import problems
from app.api.calibrate_schemas import CalibrateAnswer, calibrate_request
from app.api.dependencies import CurrentExchange, JsonBody, OwnResources
from app.api.routes.score import dumps
from app.core.tasks import TASKS, TaskName
from app.errors import TooLarge
from app.wire import json

router = APIRouter(tags=["calibrate"])


def answer(task: TaskName, body: bytes | bytearray, max_columns: int) -> dict[str, Any]:
    """From the bytes of a request to the answer, ready for `dumps`.

    Raises:
        SurprisalError: What is wrong with the request.
    """
    fields = json.decode(body)
    for name, column in fields.items():
        if isinstance(column, np.ndarray) and column.ndim == 2 and column.shape[1] > max_columns:
            raise TooLarge(f"{name} must have at most {max_columns} columns, found {column.shape[1]}")
    return service.calibrate(calibrate_request(task, fields))


def _add_route(task: TaskName) -> None:
    async def calibrate(body: JsonBody, resources: OwnResources, exchange: CurrentExchange) -> Response:
        # Up to 21 fits, and the first isotonic one loads a large module: always a thread.
        content, exchange.n_samples = await resources.load.run(_fitted, task, body, resources.settings.max_columns)
        return Response(content, media_type="application/json")

    path = f"/v1/calibrate/{task}"
    router.add_api_route(
        path,
        calibrate,
        methods=["POST"],
        operation_id=f"calibrate_{task}",
        summary=f"Calibrate {task}",
        description=f"Fits a temperature, or what `method` says, to what was observed. {TASKS[task].summary}",
        response_model=CalibrateAnswer,
        response_description="What was fitted, and what it gains.",
        responses=problems.responses(path, 400, 406, 408, 413, 415, 422, 500, 503),
    )


def _fitted(task: TaskName, body: bytes | bytearray, max_columns: int) -> tuple[bytes, int]:
    fit = answer(task, body, max_columns)
    return dumps(fit), fit["n_samples"]


for _task in service.CALIBRATED:
    _add_route(_task)
