"""A route for rows in a file or a stream, whose options stand in the query."""

from typing import NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.exchange import Exchange
from app.api.intake.bodies import spooled, while_arriving
from app.api.intake.while_connected import while_connected
from app.api.negotiation.accept import Accepted, accepted
from app.api.negotiation.formats import limits_of
from app.api.response import Response
from app.api.schemas.query import RowsSchema
from app.api.scoring import Answer, Rows, answered_rows, read_rows_head
from app.core.checkpoints import Check
from app.core.tasks import TaskName
from app.wire.sources import Source


class RowsWork(NamedTuple):
    """The functions of a route.

    Attributes:
        json_path: The path for the same in JSON; that for rows is the same with `/rows` after it.
        schema: The fields of the operation.
        answer: The use case.
    """

    task: TaskName
    json_path: str
    schema: RowsSchema
    answer: Answer


def add_rows_route(router: APIRouter, work: RowsWork, model: type[BaseModel], **texts: str) -> None:
    """Add the route `POST path` for rows to a router."""

    async def answer(exchange: Exchange) -> Response:
        rows = await exchange.read_query(read_rows_head, work.schema, work.task, work.json_path, exchange)
        forms = accepted(exchange.head)
        forms.check(rows.options.get("include", ()))
        response, exchange.n_scored = await _answered(exchange, work, rows, forms)
        return response

    router.add_api_route(
        f"{work.json_path}/rows",
        answer,
        methods=["POST"],
        response_model=model,
        **texts,  # type: ignore[arg-type]
    )


async def _answered(exchange: Exchange, work: RowsWork, rows: Rows, forms: Accepted) -> tuple[Response, int]:
    settings = exchange.settings

    def in_thread(check: Check, source: Source) -> tuple[Response, int]:
        content = answered_rows(rows, work.answer, source, settings, check)
        return forms.answer(content, exchange), content["n_scored"]

    limits = limits_of(rows.format, settings)
    if rows.format.arrival == "streamed":
        return await while_arriving(exchange, limits, in_thread)
    async with spooled(exchange, limits) as file:
        return await while_connected(exchange, exchange.capacity.whole, in_thread, file)
