"""The real application, driven in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.types import Message, Receive, Send

from app.api.capacity import Capacity
from app.api.exchange import Exchange
from app.main import create_app
from app.settings import DEFAULTS, Settings


class Transport(httpx.ASGITransport):
    """A way into the application on which the turn of the event loop that an answer came in ends before the test."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        await asyncio.sleep(0)  # the log line is written
        return response


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    transport = Transport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://surprisal") as client,
    ):
        yield client


async def silence() -> Message:
    """A client that neither sends anything nor leaves."""
    message: Message = await asyncio.get_running_loop().create_future()
    return message


async def nobody(message: Message) -> None:
    """A client that reads no answer."""


def exchange_with(
    *headers: tuple[bytes, bytes], receive: Receive = silence, send: Send = nobody, **scope: object
) -> Exchange:
    """A request that no application answers."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, **scope}
    return Exchange(scope, receive, send, DEFAULTS, Capacity(DEFAULTS))
