"""The routes `POST /v1/compare/{task}`: one a task, as for scoring."""

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes import inline
from app.api.routes.json_route import Work, add_json_route
from app.api.schemas.compare import compare_request
from app.api.schemas.comparisons import CompareAnswer
from app.service import CompareRequest, ScoreRequest

MAX_INLINE_CANDIDATES = 5
"""The most candidates that are compared on the event loop: each takes 0.1 ms, however few its rows are."""

router = APIRouter(tags=["compare"], route_class=BareRoute)


def _is_quick(request: CompareRequest) -> bool:
    question = request.question
    shared = ScoreRequest(question.shared, request.columns, request.slices)
    return len(question.candidates) <= MAX_INLINE_CANDIDATES and inline.is_quick(shared)


def _is_light(request: CompareRequest) -> bool:
    return len(request.question.candidates) <= MAX_INLINE_CANDIDATES


for _task in service.COMPARED:
    add_json_route(
        router,
        f"/v1/compare/{_task}",
        Work(_task, compare_request, service.compare, _is_quick, _is_light, n_scores=2),
        CompareAnswer,
        operation_id=f"compare_{_task}",
        summary=texts.SUMMARIES["compare"][_task],
        description=texts.candidates_of(_task),
        response_description=texts.ANSWERS["compare"],
    )
