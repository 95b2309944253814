"""A route that reads a JSON body whole and does its work in a thread."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.api.capacity import Lease
from app.api.exchange import Exchange
from app.api.intake.bodies import whole_body
from app.api.intake.while_connected import Check, while_connected
from app.api.negotiation.accept import Accepted, json_terms
from app.api.schemas.query import refuse_query
from app.api.schemas.validation import json_fields
from app.core.tasks import TaskName
from app.settings import Settings

Work = Callable[[TaskName, Mapping[str, Any]], dict[str, Any]]


def add_json_route(
    router: APIRouter, path: str, task: TaskName, work: Work, model: type[BaseModel], **texts: str
) -> None:
    """Add `POST path`, which answers what `work` makes of the fields of a body."""

    async def answer(exchange: Exchange) -> Response:
        forms, settings = json_terms(exchange.head).forms, exchange.settings
        refuse_query(exchange)
        with Lease(exchange.capacity.memory) as memory:
            body = await whole_body(exchange, memory, "send fewer rows at once")
            # Even a small body may hold the work of many: always a thread.
            response, exchange.n_scored = await while_connected(
                exchange, exchange.capacity.whole, _answered, work, task, body, forms, settings
            )
        return response

    router.add_api_route(
        path,
        answer,
        methods=["POST"],
        response_model=model,
        **texts,  # type: ignore[arg-type]
    )


def _answered(  # noqa: PLR0913 what a request is made of
    check: Check, work: Work, task: TaskName, body: bytes | bytearray, accepted: Accepted, settings: Settings
) -> tuple[Response, int]:
    fields = json_fields(body, task, settings)
    check()
    content = work(task, fields)
    return accepted.answer(content), content["n_scored"]
