"""A route for JSON: it reads the body whole and answers a short one on the event loop, others in a thread."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.exchange import Answered, Exchange
from app.api.intake.bodies import arrived_body, spooled, whole_body
from app.api.intake.body import Body
from app.api.intake.while_connected import while_connected
from app.api.memory import SMALL_BYTES
from app.api.negotiation.accept import Accepted, json_terms
from app.api.negotiation.formats import ADVICE, FORMATS, limits_of
from app.api.response import Response
from app.api.routes import inline
from app.api.schemas.query import refuse_query
from app.api.schemas.questions import Schema, asked, asked_of
from app.api.scoring import decompressed_json
from app.core.checkpoints import Check
from app.core.tasks import TaskName
from app.wire.json.reader import walk
from app.wire.sources import Source


class Work(NamedTuple):
    """The functions of a route, step by step, and the sizes of bodies that it answers at once.

    Attributes:
        schema: A function from the fields of a body to a request.
        answer: A function from a request to the content of the answer.
        is_quick: A function that tells if few rows take little time, so that they are answered on the event loop.
        is_light: A function that tells if a small body takes less than some 100 ms.
        is_listing: A function that tells if an answer is made in turn, for it is long.
        n_scores: The factor on the sizes of `inline` up to which a body is read on the event loop.
        needs_thread: Whether each request gets a thread, so that no body is read while there is no room for it.
        rows_path: The path for rows in other formats; empty if there is none, and then no body may be compressed.
    """

    task: TaskName
    schema: Schema[Any]
    answer: Callable[[Any], dict[str, Any]]
    is_quick: Callable[[Any], bool]
    is_light: Callable[[Any], bool]
    is_listing: Callable[[Any], bool] = lambda _: False
    n_scores: int = 1
    needs_thread: bool = False
    rows_path: str = ""

    @property
    def advice(self) -> str:
        """The way out for the sender of a body that is too large."""
        return ADVICE["held"] if self.rows_path else "send fewer rows at once"

    @property
    def max_inline_bytes(self) -> int:
        """The longest body that is read on the event loop."""
        return self.n_scores * inline.MAX_BYTES


def add_json_route(router: APIRouter, path: str, work: Work, model: type[BaseModel], **texts: str) -> None:
    """Add the route `POST path` to a router."""

    def answer(exchange: Exchange) -> Answered:
        encoding, forms = json_terms(exchange.head, work.rows_path)
        if work.needs_thread:
            exchange.capacity.whole.check_room()
        if exchange.scope["query_string"] or encoding:
            return _later(exchange, work, encoding, forms)
        body = arrived_body(exchange, work.advice)
        if body is None:
            return _later(exchange, work, encoding, forms)
        if len(body) > work.max_inline_bytes:
            return _in_thread(exchange, work, forms, body, None)
        return _of_body(exchange, work, forms, body)

    router.add_api_route(
        path,
        answer,
        methods=["POST"],
        response_model=model,
        **texts,  # type: ignore[arg-type]
    )


async def _later(exchange: Exchange, work: Work, encoding: str, forms: Accepted) -> Response:
    """Answer a body that is not yet there, or is compressed, or stands beside a query."""
    if exchange.scope["query_string"]:
        await exchange.read_query(refuse_query, exchange)
    if encoding:
        return await _compressed(exchange, work, encoding, forms)
    body = await whole_body(exchange, work.advice)
    if len(body) > work.max_inline_bytes:
        return await _in_thread(exchange, work, forms, body, None)
    answered = _of_body(exchange, work, forms, body.taken() if isinstance(body, Body) else body)
    return answered if isinstance(answered, Response) else await answered


def _of_body(exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray) -> Answered:
    """The response to a body that is not long, at once if it takes little time."""
    if not exchange.capacity.turns.has_time():
        return _in_turn(exchange, work, forms, body)
    answered = _at_once(exchange, work, forms, body)
    return answered if isinstance(answered, Response) else _not_at_once(exchange, work, forms, body, answered)


async def _in_turn(exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray) -> Response:
    """Answer in one of the next turns of the event loop, for this one has no time left."""
    answered = await exchange.capacity.turns.later(partial(_at_once, exchange, work, forms, body), len(body))
    if isinstance(answered, Response):
        return answered
    return await _not_at_once(exchange, work, forms, body, answered)


def _at_once(exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray) -> Any:
    """The response, or the request that calls for a thread, or None if it is not even read."""
    walked = walk(body, work.task)
    if len(body) > inline.MAX_NUMBERS and inline.is_long(walked, work.n_scores):
        return None
    request = asked_of(work.schema, work.task, body, walked, exchange.settings.max_columns)
    if not work.is_quick(request):
        return request
    content = work.answer(request)
    exchange.n_scored = content["n_scored"]
    return forms.answer(content, exchange)


async def _not_at_once(
    exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray, request: Any
) -> Response:
    """Answer a small body that calls for a thread, and pay for it now."""
    exchange.memory.hold("body", len(body))
    return await _in_thread(exchange, work, forms, body, request)


async def _in_thread(
    exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray | Body, request: Any
) -> Response:
    """Answer a request, which a thread reads from the body if it is None."""

    def answered(check: Check) -> tuple[Response, int]:
        if request is not None:
            return _answered(exchange, work, request, forms)
        return _read_and_answered(exchange, work, forms, body, check)

    capacity, is_light = exchange.capacity, request is not None and len(body) <= SMALL_BYTES and work.is_light(request)
    pool = capacity.light if is_light else capacity.whole
    response, exchange.n_scored = await while_connected(exchange, pool, answered)
    return response


async def _compressed(exchange: Exchange, work: Work, encoding: str, forms: Accepted) -> Response:
    settings = exchange.settings

    def answered(check: Check, source: Source) -> tuple[Response, int]:
        body = decompressed_json(encoding, source, settings, check)
        return _read_and_answered(exchange, work, forms, body, check)

    async with spooled(exchange, limits_of(FORMATS["json"], settings)) as file:
        response, exchange.n_scored = await while_connected(exchange, exchange.capacity.whole, answered, file)
    return response


def _read_and_answered(
    exchange: Exchange, work: Work, forms: Accepted, body: bytes | bytearray | Body, check: Check
) -> tuple[Response, int]:
    """Read a body in its turn, and answer it in that turn if it takes little time."""
    with exchange.capacity.json_lock:
        check()
        whole = body.taken() if isinstance(body, Body) else body
        request = asked(work.schema, work.task, whole, exchange.settings.max_columns)
        check()
        if work.is_quick(request):
            return _answered(exchange, work, request, forms)
    return _answered(exchange, work, request, forms)


def _answered(exchange: Exchange, work: Work, request: Any, forms: Accepted) -> tuple[Response, int]:
    with exchange.capacity.json_lock if work.is_listing(request) else nullcontext():
        content = work.answer(request)
        return forms.answer(content, exchange), content["n_scored"]
