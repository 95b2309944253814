"""The envelope of every request: its id and headers, its log line, its last resort, and the end of its body.

Plain ASGI, so that nothing buffers a body and nothing hides a cancellation.
"""

import asyncio
import os
import re
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.api.head import Head, Header, read_head
from app.api.telemetry import NOT_BEGUN, Exchange, Telemetry
from app.errors import Unavailable

VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")
SECURITY_HEADERS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class RequestEnvelope:
    """Names, times and counts a request, heads its answer, turns a failure into a problem, and drains its body.

    What is left of a body that was refused before its end is taken in and dropped: a server that closes a connection on
    which the client still sends resets it, and most clients then report a broken pipe in place of the answer they were
    given.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry, drain_seconds: float) -> None:
        self._app = app
        self._telemetry = telemetry
        self._drain_seconds = drain_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = read_head(scope["headers"])
        exchange = Exchange(_request_id(head), scope["method"], head)
        if exchange.method == "HEAD":  # GET without a body, and the server knows to leave that out
            scope = {**scope, "method": "GET"}
        # In the state that the server made for this request, so that the server finds it there too.
        scope.setdefault("state", {})["exchange"] = exchange
        begun = self._telemetry.begin()
        try:
            await self._answer(exchange, scope, *self._channels(exchange, receive, send))
        finally:
            self._telemetry.end(exchange, scope, begun)

    def _channels(self, exchange: Exchange, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """The two channels of a request; what passes is noted, and the answer gets its headers and its body's end."""
        unread = _has_body(exchange.head)

        async def receive_noted() -> Message:
            nonlocal unread
            message = await receive()
            unread = message.get("more_body", False)
            exchange.bytes_in += len(message.get("body", b""))
            return message

        async def send_noted(message: Message) -> None:
            nonlocal unread
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = _with_own(message["headers"], exchange.request_id)
                if unread:
                    message["headers"].append((b"connection", b"close"))
                    unread = exchange.status != 408  # who was too slow gets no more time
            else:
                exchange.bytes_out += len(message.get("body", b""))
                if unread and not message.get("more_body"):
                    await send({**message, "more_body": True})
                    await self._drain(receive)
                    message = {"type": "http.response.body"}
            await send(message)

        return receive_noted, send_noted

    async def _drain(self, receive: Receive) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while (await receive()).get("more_body"):
                    pass

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
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


def _request_id(head: Head) -> str:
    sent = head.get("x-request-id", "")
    return sent if VISIBLE_ASCII.fullmatch(sent) else os.urandom(16).hex()


def _has_body(head: Head) -> bool:
    return "transfer-encoding" in head or head.get("content-length", "0") != "0"


def _with_own(headers: list[Header], request_id: str) -> list[Header]:
    """Headers with those that every answer has, unless they are there."""
    names = dict(headers)
    own = [header for header in SECURITY_HEADERS if header[0] not in names]
    return [*headers, (b"x-request-id", request_id.encode()), *own]
