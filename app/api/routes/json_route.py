"""A route for JSON: it reads the body whole and answers a short one on the event loop, others in a thread."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.api.capacity import Lease
from app.api.exchange import Exchange
from app.api.intake.bodies import whole_body
from app.api.intake.while_connected import Check, while_connected
from app.api.negotiation.accept import Accepted, json_terms
from app.api.routes import inline
from app.api.schemas.query import refuse_query
from app.api.schemas.questions import Schema, asked, asked_of
from app.core.tasks import TaskName
from app.settings import Settings
from app.wire.json.reader import walk


class Work(NamedTuple):
    """The functions of a route, step by step.

    Attributes:
        schema: A function from the fields of a body to a request.
        answer: A function from a request to the content of the answer.
        is_quick: A function that tells if a request of a short body is answered on the event loop.
    """

    task: TaskName
    schema: Schema[Any]
    answer: Callable[[Any], dict[str, Any]]
    is_quick: Callable[[Any], bool]


N_SCORES = 2
"""The factor on the sizes of `inline`: a body is answered on the event loop if it is up to so many times as long."""


def add_json_route(router: APIRouter, path: str, work: Work, model: type[BaseModel], **texts: str) -> None:
    """Add the route `POST path` to a router."""

    async def answer(exchange: Exchange) -> Response:
        forms, settings = json_terms(exchange.head).forms, exchange.settings
        refuse_query(exchange)
        with Lease(exchange.capacity.memory) as memory:
            body = await whole_body(exchange, memory, "send fewer rows at once")
            request = _asked_at_once(work, body, settings)
            ask = partial(asked, work.schema, work.task, body, settings.max_columns)
            if request is None:
                answered = await while_connected(exchange, exchange.capacity.whole, _answered, work, ask, forms)
            elif work.is_quick(request):
                answered = _answered(inline.never_stop, work, lambda: request, forms)
            else:
                answered = await while_connected(
                    exchange, exchange.capacity.whole, _answered, work, lambda: request, forms
                )
            response, exchange.n_scored = answered
        return response

    router.add_api_route(
        path,
        answer,
        methods=["POST"],
        response_model=model,
        **texts,  # type: ignore[arg-type]
    )


def _asked_at_once(work: Work, body: bytes | bytearray, settings: Settings) -> Any:
    """The request of a body that is so short that it is read on the event loop; None of others."""
    if len(body) > N_SCORES * inline.MAX_BYTES:
        return None
    walked = walk(body, work.task)
    if inline.is_long(body, walked, N_SCORES):
        return None
    return asked_of(work.schema, work.task, body, walked, settings.max_columns)


def _answered(check: Check, work: Work, ask: Callable[[], Any], forms: Accepted) -> tuple[Response, int]:
    request = ask()
    check()
    content = work.answer(request)
    return forms.answer(content), content["n_scored"]
