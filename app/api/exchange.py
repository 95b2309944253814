"""A request and its answer, as a route gets them, with the facts that are counted and logged."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from random import getrandbits
from time import perf_counter
from typing import TypeAlias

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api import callers
from app.api.capacity import Capacity
from app.settings import Settings

Header: TypeAlias = tuple[bytes, bytes]
Head: TypeAlias = Mapping[str, str]
"""Headers by their names in lower case."""

NOT_BEGUN = 499
"""The status that is logged while no answer has begun; it stays if the client leaves before one does."""

WHOLE_ANSWER = "surprisal.whole"
"""The type of a message of ASGI that our own server takes: a whole answer, with `status`, `head` (lines) and `body`."""

JOINED = ("accept", "x-forwarded-for")
"""Headers of which several are one list; a caller that sends one of its own does not hide that of a proxy."""

VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")
SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer, unless a route has set its own."""


class Exchange(Request):
    """A request and its answer, as far as they have come.

    Attributes:
        settings: The settings of the application.
        capacity: The capacity of the application.
        method: The method that was sent. HEAD is routed as GET, and the server leaves the body out.
        head: The headers of the request.
        request_id: The id that was sent, or a new one.
        has_arrived: Whether the server has the whole body, which then is the next piece; other servers do not tell.
        began: The time at which the head had come, by `perf_counter`.
        status: The status of the answer; `NOT_BEGUN` before there is one.
        code: The code of the problem; empty if the answer is none.
        n_scored: The number of rows that were scored.
        error: The unexpected exception behind a 500, for the log.
        key: The name of the key that was sent; empty if none was asked for.
        further_headers: Headers of the answer that the request asks for, whatever the answer is.
    """

    method = ""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings, capacity: Capacity) -> None:
        state = scope.setdefault("state", {})
        state["exchange"] = self
        self.method = scope["method"]
        super().__init__({**scope, "method": "GET"} if self.method == "HEAD" else scope, receive, send)
        self.has_arrived = "has_arrived" in state
        self.settings = settings
        self.capacity = capacity
        self.head = head = read_head(scope["headers"])
        sent = head.get("x-request-id", "")
        self.request_id = sent if VISIBLE_ASCII.fullmatch(sent) else f"{getrandbits(128):032x}"
        self._is_unread = "transfer-encoding" in head or head.get("content-length", "0") != "0"
        self._takes_whole = WHOLE_ANSWER in scope.get("extensions", ())
        self.began = perf_counter()
        self.status = NOT_BEGUN
        self.code = ""
        self.bytes_in = self.bytes_out = self.n_scored = 0
        self.error: Exception | None = None
        self.key = ""
        self.further_headers: tuple[Header, ...] = ()

    @cached_property
    def caller(self) -> str:
        """The caller, to whom shares and limits belong: its key, else its address.

        Callers are told apart by it, so a named proxy is none: where it does not say for whom it asks, it is empty.
        """
        if self.key:
            return f"key {self.key}"
        peer, forwarded = self.scope.get("client") or ("", 0), self.head.get("x-forwarded-for", "")
        return callers.address(peer[0], forwarded, self.settings.trusted_proxies)

    async def next_piece(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether there are more.

        Raises:
            ClientDisconnect: The client has left.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._is_unread = False
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        self.bytes_in += len(piece)
        self._is_unread = message.get("more_body", False)
        return piece, self._is_unread

    async def respond(self, response: Response) -> None:
        """Send the answer, then read and drop what is left of the body.

        A server that closes a connection on which the client still sends resets it, and most clients then report a
        broken pipe in place of the answer they were given.

        Raises:
            ValueError: A header is not one line.
        """
        self.status, body = response.status_code, response.body
        self.bytes_out = len(body)
        if self.further_headers:
            response.raw_headers.extend(self.further_headers)
        if self._takes_whole and not self._is_unread:
            fixed = tuple([header for header in response.raw_headers if header[0] != b"content-length"])
            own = b"content-length: %d\r\nx-request-id: %b\r\n" % (len(body), self.request_id.encode())
            head = _head(fixed) + own
            await self._send({"type": WHOLE_ANSWER, "status": self.status, "head": head, "body": body})
            return
        headers = [
            *(SECURITY_HEADERS | dict(response.raw_headers)).items(),
            (b"x-request-id", self.request_id.encode()),
        ]
        if self._is_unread:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self._is_unread and self.status != 408:  # after a 408 a slow client would hold it again
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self._drain()
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.body_timeout_seconds):
                while (await self._receive()).get("more_body"):
                    pass


@lru_cache(maxsize=64)  # but for the length, most answers have the same headers
def _head(headers: tuple[Header, ...]) -> bytes:
    lines = [b"%b: %b\r\n" % header for header in (SECURITY_HEADERS | dict(headers)).items()]
    if any(line.splitlines() != [line[:-2]] for line in lines):
        raise ValueError("a header must be one line")
    return b"".join(lines)


def read_head(headers: Iterable[Header]) -> Head:
    """The headers of a request. If one is repeated, the first counts; those of `JOINED` are joined with commas.

    >>> read_head([(b"accept", b"text/csv"), (b"host", b"a"), (b"host", b"b"), (b"accept", b"*/*")])
    {'accept': 'text/csv,*/*', 'host': 'a'}
    """
    head: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name not in head:
            head[name] = value
        elif name in JOINED:
            head[name] += f",{value}"
    return head
