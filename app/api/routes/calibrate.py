"""`POST /v1/calibrate/{task}`: one route a task, as for scoring."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.calibrate_schemas import CalibrateAnswer, calibrate_request
from app.api.contract import texts
from app.api.resources import DEFAULTS
from app.api.routes.json_route import add_json_route
from app.api.validation import json_fields
from app.core.tasks import TaskName

router = APIRouter(tags=["calibrate"], route_class=BareRoute)


def answer(task: TaskName, body: bytes) -> dict[str, Any]:
    """From the bytes of a request to the answer.

    Raises:
        SurprisalError: What is wrong with the request.
    """
    return _calibrated(task, json_fields(body, task, DEFAULTS))


def _calibrated(task: TaskName, fields: Mapping[str, Any]) -> dict[str, Any]:
    return service.calibrate(calibrate_request(task, fields))


for _task in service.CALIBRATED:
    add_json_route(
        router,
        f"/v1/calibrate/{_task}",
        _task,
        _calibrated,
        CalibrateAnswer,
        operation_id=f"calibrate_{_task}",
        summary=texts.SUMMARIES["calibrate"][_task],
        description=f"{texts.fields_of(_task)} `method` names the curve to fit.",
        response_description=texts.ANSWERS["calibrate"],
    )
