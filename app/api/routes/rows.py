"""The routes `POST /v1/score/{task}/rows`: rows in a file or a stream, with the options in the query."""

from fastapi import APIRouter

from app.api.application import BareRoute
from app.api.contract import texts
from app.api.exchange import Exchange
from app.api.intake.bodies import spooled, while_arriving
from app.api.intake.while_connected import while_connected
from app.api.negotiation.accept import Accepted, accepted
from app.api.negotiation.formats import limits_of
from app.api.response import Response
from app.api.schemas.answers import ScoreAnswer
from app.api.scoring import Rows, read_rows_head, scored_rows
from app.core.checkpoints import Check
from app.core.tasks import TASKS, Task
from app.wire.sources import Source

router = APIRouter(tags=["rows"], route_class=BareRoute)


def _add_route(task: Task) -> None:
    json_path = f"/v1/score/{task.name}"
    path = f"{json_path}/rows"

    async def score_rows(exchange: Exchange) -> Response:
        rows = await exchange.read_query(read_rows_head, task.name, json_path, exchange)
        forms = accepted(exchange.head)
        forms.check(rows.options.get("include", ()))
        response, exchange.n_scored = await _scored(exchange, rows, forms)
        return response

    router.add_api_route(
        path,
        score_rows,
        methods=["POST"],
        operation_id=f"score_{task.name}_rows",
        summary=texts.SUMMARIES["rows"][task.name],
        description=f"{texts.fields_of(task.name)} {texts.samples_of(task.name)}",
        response_model=ScoreAnswer,
        response_description=f"{texts.ANSWERS['rows']} {texts.AS_ARROW}",
    )


async def _scored(exchange: Exchange, rows: Rows, accepted: Accepted) -> tuple[Response, int]:
    settings = exchange.settings

    def work(check: Check, source: Source) -> tuple[Response, int]:
        content = scored_rows(rows, source, settings, check)
        return accepted.answer(content, exchange), content["n_scored"]

    limits = limits_of(rows.format, settings)
    if rows.format.arrival == "streamed":
        return await while_arriving(exchange, limits, work)
    async with spooled(exchange, limits) as file:
        return await while_connected(exchange, exchange.capacity.whole, work, file)


for _task in TASKS.values():
    _add_route(_task)
