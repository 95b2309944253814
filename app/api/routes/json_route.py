"""A route that reads a JSON body whole and does its work in a thread."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.api.capacity import Lease
from app.api.exchange import Exchange
from app.api.intake.bodies import whole_body
from app.api.intake.while_connected import Check, while_connected
from app.api.negotiation.accept import Accepted, json_terms
from app.api.schemas.query import refuse_query
from app.api.schemas.questions import Schema, asked
from app.core.tasks import TaskName
from app.settings import Settings


class Work(NamedTuple):
    """The work of a route: `schema` makes a request of the fields of a body, `answer` the content of the answer."""

    task: TaskName
    schema: Schema[Any]
    answer: Callable[[Any], dict[str, Any]]


def add_json_route(router: APIRouter, path: str, work: Work, model: type[BaseModel], **texts: str) -> None:
    """Add `POST path`, which does its work on a body."""

    async def answer(exchange: Exchange) -> Response:
        forms, settings = json_terms(exchange.head).forms, exchange.settings
        refuse_query(exchange)
        with Lease(exchange.capacity.memory) as memory:
            body = await whole_body(exchange, memory, "send fewer rows at once")
            # Even a small body may hold the work of many: always a thread.
            response, exchange.n_scored = await while_connected(
                exchange, exchange.capacity.whole, _answered, work, body, forms, settings
            )
        return response

    router.add_api_route(
        path,
        answer,
        methods=["POST"],
        response_model=model,
        **texts,  # type: ignore[arg-type]
    )


def _answered(
    check: Check, work: Work, body: bytes | bytearray, accepted: Accepted, settings: Settings
) -> tuple[Response, int]:
    request: Any = asked(work.schema, work.task, body, settings.max_columns)
    check()
    content = work.answer(request)
    return accepted.answer(content), content["n_scored"]
