"""The routes `POST /v1/calibrate/{task}`: one a task, as for scoring."""

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes.json_route import Work, add_json_route
from app.api.schemas.calibrate import CalibrateAnswer, calibrate_request
from app.service import CalibrateRequest

router = APIRouter(tags=["calibrate"], route_class=BareRoute)


def _never(_: CalibrateRequest) -> bool:
    return False


for _task in service.CALIBRATED:
    add_json_route(
        router,
        f"/v1/calibrate/{_task}",
        Work(_task, calibrate_request, service.calibrate, _never, _never),  # a fit of few rows may be long
        CalibrateAnswer,
        operation_id=f"calibrate_{_task}",
        summary=texts.SUMMARIES["calibrate"][_task],
        description=f"{texts.fields_of(_task)} `method` names the curve to fit.",
        response_description=texts.ANSWERS["calibrate"],
    )
