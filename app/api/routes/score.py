"""The routes `POST /v1/score/{task}`: one a task, for each has a body and examples of its own.

Bodies are JSON; rows in other formats go to `app.api.routes.rows`.
"""

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.routes import inline
from app.api.routes.json_route import Work, add_json_route
from app.api.schemas.answers import ScoreAnswer
from app.api.schemas.score import score_request
from app.core.tasks import TASKS

router = APIRouter(tags=["score"], route_class=BareRoute)

for _task in TASKS:
    add_json_route(
        router,
        f"/v1/score/{_task}",
        Work(
            _task,
            score_request,
            service.score,
            inline.is_quick,
            inline.is_light,
            inline.is_listing,
            rows_path=f"/v1/score/{_task}/rows",
        ),
        ScoreAnswer,
        operation_id=f"score_{_task}",
        summary=texts.SUMMARIES["score"][_task],
        description=texts.fields_of(_task),
        response_description=f"{texts.ANSWERS['score']} {texts.AS_ARROW}",
    )
