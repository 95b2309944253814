"""The routes `POST /v1/score/{task}`: one a task, for each has a body and examples of its own.

Bodies are JSON; rows in other formats go to `app.api.routes.rows`.
"""

from fastapi import APIRouter
from starlette.responses import Response

from app import service
from app.api.application import BareRoute
from app.api.capacity import Lease
from app.api.contract import texts
from app.api.exchange import Exchange
from app.api.intake.bodies import spooled, whole_body
from app.api.intake.while_connected import Check, while_connected
from app.api.negotiation.accept import Accepted, json_terms
from app.api.negotiation.formats import ADVICE, FORMATS, limits_of
from app.api.routes import inline
from app.api.schemas.answers import ScoreAnswer
from app.api.schemas.query import refuse_query
from app.api.schemas.questions import asked, asked_of
from app.api.schemas.score import score_request
from app.api.scoring import decompressed_json
from app.core.tasks import TASKS, Task, TaskName
from app.service import ScoreRequest
from app.wire.json.reader import walk
from app.wire.sources import Source

router = APIRouter(tags=["score"], route_class=BareRoute)


def _add_route(task: Task) -> None:
    path = f"/v1/score/{task.name}"
    rows_path = f"{path}/rows"

    async def score(exchange: Exchange) -> Response:
        encoding, forms = json_terms(exchange.head, rows_path)
        refuse_query(exchange)
        if encoding:
            response, exchange.n_scored = await _compressed(exchange, task.name, encoding, forms)
        else:
            response, exchange.n_scored = await _at_once(exchange, task.name, forms)
        return response

    router.add_api_route(
        path,
        score,
        methods=["POST"],
        operation_id=f"score_{task.name}",
        summary=texts.SUMMARIES["score"][task.name],
        description=texts.fields_of(task.name),
        response_model=ScoreAnswer,
        response_description=f"{texts.ANSWERS['score']} {texts.AS_ARROW}",
    )


async def _at_once(exchange: Exchange, task: TaskName, forms: Accepted) -> tuple[Response, int]:
    pool = exchange.capacity.whole
    with Lease(exchange.capacity.memory) as memory:
        whole = await whole_body(exchange, memory, ADVICE["held"])
        if len(whole) > inline.MAX_BYTES:
            return await while_connected(exchange, pool, _whole, whole, task, forms, exchange)
        walked = walk(whole, task)
        if inline.is_long(whole, walked):
            return await while_connected(exchange, pool, _whole, whole, task, forms, exchange)
        request = asked_of(score_request, task, whole, walked, exchange.settings.max_columns)
        if _is_slow(request):
            return await while_connected(exchange, pool, _answered, request, forms)
        return _answered(inline.never_stop, request, forms)


def _is_slow(request: ScoreRequest) -> bool:
    """Tell if a body asks for something that makes even few rows expensive, so that it gets a thread."""
    question = request.question
    return bool(question.include or question.metrics or question.bootstrap) or inline.is_slow(request)


def _whole(
    check: Check, whole: bytes | bytearray, task: TaskName, forms: Accepted, exchange: Exchange
) -> tuple[Response, int]:
    with exchange.capacity.json_lock:
        check()
        request = asked(score_request, task, whole, exchange.settings.max_columns)
        if not _is_slow(request):
            return _answered(check, request, forms)
    return _answered(check, request, forms)


def _answered(check: Check, request: ScoreRequest, forms: Accepted) -> tuple[Response, int]:
    check()
    content = service.score(request)
    return forms.answer(content), content["n_scored"]


async def _compressed(exchange: Exchange, task: TaskName, encoding: str, forms: Accepted) -> tuple[Response, int]:
    settings = exchange.settings

    def work(check: Check, source: Source) -> tuple[Response, int]:
        whole = decompressed_json(encoding, source, settings, check)
        return _answered(check, asked(score_request, task, whole, settings.max_columns), forms)

    async with spooled(exchange, limits_of(FORMATS["json"], settings)) as file:
        return await while_connected(exchange, exchange.capacity.whole, work, file)


for _task in TASKS.values():
    _add_route(_task)
