"""The routes `POST /v1/score/{task}/rows`: rows in a file or a stream, with the options in the query."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes.rows_route import RowsWork, add_rows_route
from app.api.schemas.answers import ScoreAnswer
from app.api.schemas.query import SCORED_ROWS
from app.core.tasks import TASKS
from app.settings import Settings

router = APIRouter(tags=["rows"], route_class=BareRoute)


def scored_parts(requests: Iterator[Any], settings: Settings) -> dict[str, Any]:
    """The answer of scoring rows that come in parts."""
    return service.score_parts(requests, settings.max_held_bytes, settings.threads_per_request)


for _task in TASKS:
    add_rows_route(
        router,
        RowsWork(_task, f"/v1/score/{_task}", SCORED_ROWS, scored_parts),
        ScoreAnswer,
        operation_id=f"score_{_task}_rows",
        summary=texts.SUMMARIES["rows"][_task],
        description=f"{texts.fields_of(_task)} {texts.samples_of(_task)}",
        response_description=f"{texts.ANSWERS['rows']} {texts.AS_ARROW}",
    )
