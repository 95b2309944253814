"""Requests to the routes in this process, for examples: they go the way of every request, but for log and counters."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import Message, Scope

from app.api import problems
from app.api.capacity import Capacity
from app.api.exchange import Exchange
from app.settings import DEFAULTS

REQUEST_ID = "5e0c6d9a1f0b4c7e8a3d2b1f6c5e4d3a"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request by POST."""

    path: str
    media_type: str
    body: bytes
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request."""

    status: int
    body: bytes


def answers(app: FastAPI, requests: Iterable[Asked]) -> list[Answered]:
    """The answers of an application's routes with default settings; in a thread, for an event loop may run here."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, _all(app, list(requests))).result()


async def _all(app: FastAPI, requests: Sequence[Asked]) -> list[Answered]:
    with Capacity(DEFAULTS) as capacity:
        return [await _one(app, request, capacity) for request in requests]


async def _one(app: FastAPI, request: Asked, capacity: Capacity) -> Answered:
    sent: list[Message] = []
    received = iter([{"type": "http.request", "body": request.body}])

    async def receive() -> Message:
        return next(received, None) or await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        sent.append(message)

    exchange = Exchange(_scope(app, request), receive, send, DEFAULTS, capacity)
    try:
        await app.router(exchange.scope, receive, send)
    except Exception as error:  # noqa: BLE001 as every request's: each becomes a problem
        await exchange.respond(problems.answer(exchange, error))
    return Answered(sent[0]["status"], b"".join(message.get("body", b"") for message in sent))


def _scope(app: FastAPI, request: Asked) -> Scope:
    length = str(len(request.body))
    head = {"content-type": request.media_type, "content-length": length, "x-request-id": REQUEST_ID}
    return {
        "type": "http",
        "method": "POST",
        "path": request.path,
        "root_path": "",
        "query_string": request.query,
        "headers": [(name.encode(), value.encode()) for name, value in head.items()],
        "app": app,
    }
