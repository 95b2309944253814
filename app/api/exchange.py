"""A request and its answer, as a route gets them, with the facts that are counted and logged."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from random import getrandbits
from time import perf_counter
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import callers
from app.api.capacity import Capacity
from app.api.memory import Lease
from app.api.response import Fixed, Header, Response
from app.settings import Settings

Head: TypeAlias = Mapping[bytes, bytes]
"""Headers by their names in lower case."""

NOT_BEGUN = 499
"""The status that is logged while no answer has begun; it stays if the client leaves before one does."""

WHOLE_ANSWER = "surprisal.whole_answer"
"""The type of a message of ASGI that our own server takes: a whole answer, with `status`, `head` (lines) and `body`. It
is announced as an extension."""

ARRIVED = "surprisal.arrived"
"""The extension of ASGI by which our own server hands over a `body` that is whole when its request begins."""

JOINED = (b"accept", b"x-forwarded-for")
"""Headers of which several are one list; a caller that sends one of its own does not hide that of a proxy."""

FREE_ANSWER_BYTES = 2**16
"""The longest answer that is not paid for: as much waits for the client in the buffers of any connection."""

LONG_QUERY = 2**12
"""The bytes of a query beyond which a thread reads it: 64 KiB of wrong escapes or of weights take some 50 ms."""

Whole: TypeAlias = tuple[int, bytes, bytes]
"""A whole answer: its status, the lines of its headers, and its body."""

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

Answered: TypeAlias = Response | Coroutine[Any, Any, Response]
"""The answer of a route, or what makes it where that has to wait for anything."""

VISIBLE_ASCII = re.compile(rb"[!-~]{1,128}")


class Exchange(Request):
    """A request and its answer, as far as they have come.

    Attributes:
        settings: The settings of the application.
        capacity: The capacity of the application.
        method: The method that was sent. HEAD is routed as GET, and the server leaves the body out.
        head: The headers of the request.
        request_id: The id that was sent, or a new one.
        arrived: The whole body, if our own server had it when the request began, until it is read; else None.
        began: The time at which the head had come, by `perf_counter`.
        status: The status of the answer; `NOT_BEGUN` before there is one.
        code: The code of the problem; empty if the answer is none.
        n_scored: The number of rows that were scored.
        error: The unexpected exception behind a 500, for the log.
        key: The name of the key that was sent; empty if none was asked for.
        is_admin: Whether the caller may see what others have: its key says so, or none is asked for.
        further_headers: Headers of the answer that the request asks for, whatever the answer is.
        refusal: The reason and the peer, for the log, of a request that the server refused in the middle of its body.
    """

    method = ""

    # The class holds what Starlette's requests and ours are in the beginning: that of `Request` is not run.
    _stream_consumed = _is_disconnected = False
    _form = None
    code = ""
    status = NOT_BEGUN
    bytes_in = bytes_out = n_scored = 0
    error: Exception | None = None
    key = ""
    arrived: bytes | None = None
    is_admin = True
    further_headers: tuple[Header, ...] = ()
    refusal: Mapping[str, str] | None = None
    _memory: Lease | None = None

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings, capacity: Capacity) -> None:
        self.began = perf_counter()
        self.method = scope["method"]
        scope["exchange"] = self
        self._given = scope
        self.scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        self._receive = receive
        self._send = send
        self.settings = settings
        self.capacity = capacity
        self.head = head = read_head(scope["headers"])
        sent = head.get(b"x-request-id")
        self.request_id = sent.decode() if sent and VISIBLE_ASCII.fullmatch(sent) else f"{getrandbits(128):032x}"
        self._is_unread = b"transfer-encoding" in head or head.get(b"content-length", b"0") != b"0"
        extensions = scope.get("extensions", ())
        self._takes_whole = WHOLE_ANSWER in extensions
        if ARRIVED in extensions:
            self.arrived = extensions[ARRIVED]["body"]

    def header(self, name: str) -> str:
        """A header by its name in lower case; empty if it was not sent."""
        return self.head.get(name.encode(), b"").decode("latin-1")

    @property
    def declared_bytes(self) -> int:
        """The length of the body as the head declares it; 0 where it does not."""
        digits = self.head.get(b"content-length", b"").lstrip(b"0")  # a number may begin with thousands of zeros
        return int(digits) if digits.isdigit() else 0

    @cached_property
    def caller(self) -> str:
        """The caller, to whom shares and limits belong: its key, else its address.

        Callers are told apart by it, so a named proxy is none: where it does not say for whom it asks, it is empty.
        """
        if self.key:
            return f"key {self.key}"
        peer = self.scope.get("client") or ("", 0)
        forwarded = self.header("x-forwarded-for")[-callers.FORWARDED_BYTES :]
        return callers.address(peer[0], forwarded, self.settings.trusted_proxies)

    @property
    def memory(self) -> Lease:
        """The lease that pays for what the request holds, until `release`."""
        if self._memory is None:
            self._memory = self.capacity.lease(self.declared_bytes, self.caller)
        return self._memory

    async def read_query(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """The result of work on the query, done in a thread if the query is long.

        Raises:
            Unavailable: It is long, and no thread is free.
        """
        if len(self.scope["query_string"]) <= LONG_QUERY:
            return work(*arguments)
        return await self.capacity.light.run(0, work, *arguments)

    def release(self) -> None:
        """Give back all memory that the request holds, and end the circle that it makes with its scope."""
        self._given["exchange"] = self.scope["exchange"] = None
        if self._memory is not None:
            self._memory.free()

    def taken(self, arrived: bytes) -> bytes:
        """Take the body that has arrived, as one who reads it."""
        self.arrived, self._is_unread = None, False
        self.bytes_in += len(arrived)
        return arrived

    async def next_piece(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether there are more.

        Raises:
            ClientDisconnect: The client has left.
        """
        if self.arrived is not None:
            return self.taken(self.arrived), False
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._is_unread = False
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        self.bytes_in += len(piece)
        self._is_unread = message.get("more_body", False)
        return piece, self._is_unread

    async def passed_to(self, router: ASGIApp) -> None:
        """Leave the request to a router, whose routes send the answer."""
        await router(self.scope, self._receive, self._send)

    async def respond(self, response: Response) -> None:
        """Send the answer, then read and drop what is left of the body.

        A server that closes a connection on which the client still sends resets it, and most clients then report a
        broken pipe in place of the answer they were given.
        """
        body = response.body
        if self._takes_whole:  # our own server drops what is left itself
            status, head, _ = self.whole(response)
            await self._send({"type": WHOLE_ANSWER, "status": status, "head": head, "body": body})
            return
        headers = [*self._began_with(response).headers, (b"x-request-id", self.request_id.encode())]
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        if self._is_unread:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self._is_unread and self.status != 408:  # after a 408 a slow client would hold it again
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self._drain()
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    def whole(self, response: Response) -> Whole:
        """The answer as our own server takes it.

        Raises:
            TooLarge: It is too long to be held.
            Unavailable: Others hold the memory at present.
        """
        fixed, body = self._began_with(response), response.body
        length = b"" if self.status == 204 else b"content-length: %d\r\n" % len(body)
        return self.status, b"%b%bx-request-id: %b\r\n" % (fixed.lines, length, self.request_id.encode()), body

    def _began_with(self, response: Response) -> Fixed:
        """Note the answer that begins, pay for its body if it is long, and return its fixed headers."""
        n_bytes = len(response.body)
        if n_bytes > FREE_ANSWER_BYTES:
            self.memory.hold("answer", n_bytes)
        self.status, self.bytes_out = response.status_code, n_bytes
        return response.fixed.and_further(self.further_headers) if self.further_headers else response.fixed

    async def send_pieces(self, response: Response, pieces: AsyncIterator[bytes]) -> None:
        """Send the head of an answer, and its body piece by piece while it is made; to HEAD the head alone."""
        self.status = response.status_code
        fixed = response.fixed.and_further(self.further_headers) if self.further_headers else response.fixed
        headers = [*fixed.headers, (b"x-request-id", self.request_id.encode())]
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.method != "HEAD":
            async for piece in pieces:
                self.bytes_out += len(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.body_timeout_seconds):
                while (await self._receive()).get("more_body"):
                    pass


def read_head(headers: Sequence[Header]) -> Head:
    """The headers of a request. If one is repeated, the first counts; those of `JOINED` are joined with commas.

    >>> read_head([(b"accept", b"text/csv"), (b"host", b"a"), (b"host", b"b"), (b"accept", b"*/*")])
    {b'accept': b'text/csv,*/*', b'host': b'a'}
    """
    head = dict(headers)
    if len(head) < len(headers):
        head |= dict(reversed(headers))
        for joined in head.keys() & JOINED:
            head[joined] = b",".join(value for name, value in headers if name == joined)
    return head
