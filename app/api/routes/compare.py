"""The routes `POST /v1/compare/{task}`: one a task, as for scoring, and one for rows in other formats."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes import inline
from app.api.routes.json_route import Work, add_json_route
from app.api.routes.rows_route import RowsWork, add_rows_route
from app.api.schemas.compare import COMPARED_ROWS, compare_request
from app.api.schemas.comparisons import CompareAnswer
from app.service import CompareRequest, ScoreRequest
from app.settings import Settings

MAX_INLINE_CANDIDATES = 5
"""The most candidates that are compared on the event loop: each takes 0.1 ms, however few its rows are."""

router = APIRouter(tags=["compare"], route_class=BareRoute)


def _is_quick(request: CompareRequest) -> bool:
    question = request.question
    shared = ScoreRequest(question.shared, request.columns, request.slices)
    return len(question.candidates) <= MAX_INLINE_CANDIDATES and inline.is_quick(shared)


def _is_light(request: CompareRequest) -> bool:
    return len(request.question.candidates) <= MAX_INLINE_CANDIDATES


def compared_parts(requests: Iterator[Any], settings: Settings) -> dict[str, Any]:
    """The answer of comparing candidates on rows that come in parts."""
    return service.compare_parts(requests, settings.max_held_bytes, settings.threads_per_request)


for _task in service.COMPARED:
    add_json_route(
        router,
        f"/v1/compare/{_task}",
        Work(
            _task,
            compare_request,
            service.compare,
            _is_quick,
            _is_light,
            n_scores=2,
            rows_path=f"/v1/compare/{_task}/rows",
        ),
        CompareAnswer,
        operation_id=f"compare_{_task}",
        summary=texts.SUMMARIES["compare"][_task],
        description=texts.candidates_of(_task),
        response_description=texts.ANSWERS["compare"],
    )
    add_rows_route(
        router,
        RowsWork(_task, f"/v1/compare/{_task}", COMPARED_ROWS, compared_parts),
        CompareAnswer,
        operation_id=f"compare_{_task}_rows",
        summary=texts.SUMMARIES["compare_rows"][_task],
        description=f"{texts.candidates_of(_task)} {texts.COMPARED_ROWS} {texts.samples_of(_task, 'compare')}",
        response_description=texts.ANSWERS["compare"],
    )
