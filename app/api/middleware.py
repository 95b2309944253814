"""What surrounds every request: its id and headers, its log line, its last resort, and the end of its body.

Plain ASGI, so that nothing buffers a body and nothing hides a cancellation.
"""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.api.telemetry import NOT_BEGUN, Exchange, Telemetry
from app.errors import Unavailable

VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")
Header = tuple[bytes, bytes]
SECURITY_HEADERS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Frame:
    """Names, times and counts a request, heads its answer, and turns a failure into a problem."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(_request_id(Headers(scope=scope)), scope["method"])
        # HEAD is GET without a body, and the server knows to leave that out.
        method = "GET" if exchange.method == "HEAD" else exchange.method
        scope = {**scope, "method": method}
        # In the state that the server made for this request, so that the server finds it there too.
        scope.setdefault("state", {})["exchange"] = exchange
        begun = self._telemetry.begin()
        try:
            await self._answer(exchange, scope, receive, send)
        finally:
            self._telemetry.end(exchange, scope, begun)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        receive, send = _counted(exchange, receive, send)
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except asyncio.CancelledError:
            if exchange.status == NOT_BEGUN:
                await problems.answer(scope, Unavailable("the service is ending"))(scope, receive, send)
            raise
        except Exception as error:
            answer = problems.answer(scope, error)
            if exchange.code == "internal":
                exchange.error = error
            if exchange.status != NOT_BEGUN:
                raise  # half an answer is out: the server cuts the connection
            await answer(scope, receive, send)


def _counted(exchange: Exchange, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """The two channels of a request; what passes is noted, and the answer gets its headers."""

    async def receive_counted() -> Message:
        message = await receive()
        exchange.bytes_in += len(message.get("body", b""))
        return message

    async def send_headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            message["headers"] = _with_own(message["headers"], exchange.request_id)
        exchange.bytes_out += len(message.get("body", b""))
        await send(message)

    return receive_counted, send_headed


class Linger:
    """Takes in and drops what is left of a body that was refused before its end.

    A server that closes a connection on which the client still sends resets it, and most clients then report
    a broken pipe in place of the answer they were given.
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread = True

        async def receive_noting() -> Message:
            nonlocal unread
            message = await receive()
            unread = message.get("more_body", False)
            return message

        async def send_lingering(message: Message) -> None:
            nonlocal unread
            if message["type"] == "http.response.start" and unread:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
                unread = message["status"] != 408  # who was too slow gets no more time
            if unread and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                await self._drain(receive_noting)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, receive_noting, send_lingering)

    async def _drain(self, receive: Receive) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_seconds):
                while (await receive()).get("more_body"):
                    pass


def _request_id(headers: Headers) -> str:
    sent = headers.get("x-request-id", "")
    return sent if VISIBLE_ASCII.fullmatch(sent) else token_hex(16)


def _with_own(headers: Iterable[Header], request_id: str) -> list[Header]:
    """Headers with those that every answer has, unless they are there."""
    own = [*headers, (b"x-request-id", request_id.encode())]
    names = {name for name, _ in own}
    return own + [header for header in SECURITY_HEADERS if header[0] not in names]


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
