"""The routes `POST /v1/calibrate/{task}`, for JSON and for rows, and those that apply what was fitted."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes.json_route import Work, add_json_route
from app.api.routes.rows_route import RowsWork, add_rows_route
from app.api.schemas.apply import ApplyAnswer, apply_request
from app.api.schemas.calibrate import FITTED_ROWS, CalibrateAnswer, calibrate_request
from app.core.tasks import TaskName
from app.service import ApplyRequest, CalibrateRequest
from app.settings import Settings

router = APIRouter(tags=["calibrate"], route_class=BareRoute)


def _never(_: CalibrateRequest) -> bool:
    return False


def _always(_: ApplyRequest) -> bool:
    return True


def fitted_parts(requests: Iterator[Any], settings: Settings) -> dict[str, Any]:
    """The answer of a fit to rows that come in parts."""
    return service.calibrate_parts(requests, settings.max_held_bytes)


def _texts(task: TaskName, noun: str, more: str = "") -> dict[str, str]:
    return {
        "summary": texts.SUMMARIES[noun][task],
        "description": f"{texts.fields_of(task)} `method` names the curve to fit.{more}",
        "response_description": texts.ANSWERS["calibrate"],
    }


for _task in service.CALIBRATED:
    path = f"/v1/calibrate/{_task}"
    add_json_route(
        router,
        path,
        # a fit of few rows may be long
        Work(_task, calibrate_request, service.calibrate, _never, _never, needs_thread=True, rows_path=f"{path}/rows"),
        CalibrateAnswer,
        operation_id=f"calibrate_{_task}",
        **_texts(_task, "calibrate"),
    )
    add_rows_route(
        router,
        RowsWork(_task, path, FITTED_ROWS, fitted_parts),
        CalibrateAnswer,
        operation_id=f"calibrate_{_task}_rows",
        **_texts(_task, "calibrate_rows", f" {texts.samples_of(_task, 'calibrate')}"),
    )
    add_json_route(
        router,
        f"{path}/apply",
        Work(_task, apply_request, service.apply_map, _always, _always),
        ApplyAnswer,
        operation_id=f"apply_{_task}",
        summary=texts.SUMMARIES["apply"][_task],
        description=texts.predictions_of(_task),
        response_description=texts.ANSWERS["apply"],
    )
