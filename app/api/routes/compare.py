"""`POST /v1/compare/{task}`: one route a task, as for scoring."""

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes.json_route import Work, add_json_route
from app.api.schemas.compare import CompareAnswer, compare_request

router = APIRouter(tags=["compare"], route_class=BareRoute)


for _task in service.COMPARED:
    add_json_route(
        router,
        f"/v1/compare/{_task}",
        Work(_task, compare_request, service.compare),
        CompareAnswer,
        operation_id=f"compare_{_task}",
        summary=texts.SUMMARIES["compare"][_task],
        description=texts.candidates_of(_task),
        response_description=texts.ANSWERS["compare"],
    )
