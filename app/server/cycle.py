"""One request of a connection and its answer, between the protocol and the application."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.exchange import ARRIVED, WHOLE_ANSWER
from app.server.head import expects_continue
from app.server.refusing import RefusingProtocol

TAKEN: dict[str, dict[object, object]] = {WHOLE_ANSWER: {}}
"""The extension of ASGI by which an application learns that this server takes whole answers."""

OWN = ("http_version", "method", "path", "raw_path", "query_string", "headers")
"""The parts of a scope that each request has of its own."""

SLOW = 408
"""The status of a request that came too slowly: its connection is closed at once, or it would be held again."""
MAX_KEPT_BYTES = 256
"""Bytes of a path with its query up to which its parts are kept: longer ones hold options, and seldom come twice."""
MAX_PATH = 2**10
"""Bytes of a path that are read: nothing is served at a longer one, and each wrong escape in it takes a microsecond."""


Serve: TypeAlias = Callable[[Any, Any, Any, Callable[[int, bytes, bytes], bool]], Coroutine[Any, Any, None] | None]
"""The way of `Application.serve` to begin a request."""


class Target(NamedTuple):
    """The target of a request, in the parts that ASGI knows."""

    path: str
    raw_path: bytes
    query: bytes


def target(url: bytes) -> Target:
    """The parts of a target.

    >>> target(b"/v1/score/a%20b?x=1")
    Target(path='/v1/score/a b', raw_path=b'/v1/score/a%20b', query=b'x=1')

    Raises:
        HttpParserInvalidURLError: It is none.
    """
    return _kept_target(url) if len(url) <= MAX_KEPT_BYTES else _target(url)


def _target(url: bytes) -> Target:
    parts = httptools.parse_url(url)
    return Target(unquote(parts.path[:MAX_PATH].decode("ascii")), parts.path, parts.query or b"")


_kept_target = lru_cache(maxsize=256)(_target)


def shared_scope(connection: HttpToolsProtocol) -> dict[str, Any]:
    """A scope with what all requests of a connection share, and room for the rest: a copy need not grow."""
    return dict.fromkeys(OWN) | {
        "type": "http",
        "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
        "server": connection.server,
        "client": connection.client,
        "scheme": connection.scheme,
        "root_path": connection.root_path,
        "extensions": TAKEN,
    }


class Cycle(RequestResponseCycle):
    """The state of a request in uvicorn, which also takes a whole answer in one message and sends it faster."""

    # The class holds what is the same at the beginning of every request.
    access_log = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _event: asyncio.Event | None = None
    _has_news = False
    _answer: tuple[int, bytes] | None = None

    body: Any = b""  # a piece as it came, or an array of bytes that several have been added to
    waiting_for_100_continue = False

    def __init__(self, connection: RefusingProtocol, scope: Any, keep_alive: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.transport = connection.transport
        self.flow = connection.flow
        self.keep_alive = keep_alive

    @property
    def logger(self) -> Any:  # type: ignore[override]
        """The log for uvicorn's messages."""
        return self._connection.logger

    @property
    def default_headers(self) -> Any:  # type: ignore[override]
        """The headers that the server adds to each answer: the date."""
        return self._connection.server_state.default_headers

    def on_response(self) -> None:
        """Callback at the end of the answer; uvicorn puts another in its place when the task ends."""
        self._connection.on_response_complete()

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """The event for which uvicorn waits; for most requests, whose body is there, none is made."""
        if self._event is None:
            self._event = asyncio.Event()
            if self._has_news:
                self._event.set()
        return self._event

    def tell(self) -> None:
        """Tell that there is news: a piece of the body, its end, or that of the request."""
        self._has_news = True
        if self._event is not None:
            self._event.set()

    async def receive(self) -> Any:
        """Callback of ASGI: the next message; a piece that is there is handed over as uvicorn does it after a wait."""
        is_here = self._has_news and not (self.disconnected or self.response_complete or self.waiting_for_100_continue)
        if not is_here or self._event is not None:
            message = await super().receive()
        else:
            self.flow.resume_reading()
            message = {"type": "http.request", "body": bytes(self.body), "more_body": self.more_body}
            self.body = b""
        self._has_news = False
        return message

    def add(self, piece: bytes) -> None:
        """Add a piece of the body; one that comes whole is not copied, as uvicorn would do twice."""
        if not self.body:
            self.body = piece
        else:
            if type(self.body) is bytes:  # of many small pieces each would copy all before it
                self.body = bytearray(self.body)
            self.body += piece
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if self._event is not None:  # somebody waits for it
            self._event.set()
        self._has_news = True

    def begin(self, serve: Serve) -> None:
        """Let the application begin; what it does not end at once, a task does."""
        if self.more_body:
            is_silent = not (self.body or self.disconnected)
            self.waiting_for_100_continue = is_silent and expects_continue(self.scope)
        elif not self.disconnected:
            self.scope["extensions"] = {WHOLE_ANSWER: {}, ARRIVED: {"body": bytes(self.body)}}
            self.body, self._has_news = b"", False
        try:
            rest = serve(self.scope, self.receive, self.send, self.sends)
        except Exception as error:  # noqa: BLE001 as it would be in a task
            rest = _failure(error)
        if rest is not None:
            tasks = self._connection.tasks
            task = self._connection.loop.create_task(self.run_asgi(lambda *_: rest))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def send(self, message: Any) -> None:
        """Callback of ASGI: send a message, which may be a whole answer of the type `WHOLE_ANSWER`."""
        if message["type"] != WHOLE_ANSWER:
            self.keep_alive = self.keep_alive and (self.response_started or not self._connection.is_leaving)
            await super().send(message)
            return
        status, head, body = message["status"], message["head"], message["body"]
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if len(body) <= HIGH_WATER_LIMIT or self.disconnected:
            self.sends(status, head, body)
            self.end()
            return
        # Written without a copy, and waited for until the client has read nearly all: so long the body is paid for.
        self.transport.write(self._head(status, head))
        if self.scope["method"] != "HEAD":
            self.transport.write(body)
        if self.flow.write_paused:
            await self.flow.drain()
        self._complete(status)

    def sends(self, status: int, head: bytes, body: bytes) -> bool:
        """Take a whole answer, which `end` writes; return False if the client must first read earlier ones."""
        if self.disconnected:
            return True
        if self.flow.write_paused:
            return False
        head = self._head(status, head)
        self._answer = status, head if self.scope["method"] == "HEAD" else head + body
        return True

    def end(self) -> None:
        """Write the answer that was taken, if there is one, and go on with the connection."""
        if self._answer is not None:
            status, whole = self._answer
            self._answer = None
            self.transport.write(whole)
            self._complete(status)

    def _head(self, status: int, lines: bytes) -> bytes:
        """The head of an answer, which begins with it."""
        self.response_started = True
        self.keep_alive = self.keep_alive and not (self.more_body or self._connection.is_leaving)
        own = b"".join([b"%b: %b\r\n" % header for header in self.default_headers])
        return b"%b%b%b%b\r\n" % (STATUS_LINE[status], own, lines, b"" if self.keep_alive else b"connection: close\r\n")

    def _complete(self, status: int) -> None:
        """Go on with the connection once an answer is out."""
        self.response_complete = True
        self.tell()
        if self.more_body and status != SLOW:
            self._connection.drop_rest()
        elif not self.keep_alive:
            self._connection.leave()
        self.on_response()


async def _failure(error: Exception) -> None:
    raise error


class Beginnings:
    """The requests that come in one turn of the event loop; they begin in the next one.

    One callback begins all: a task for each would cost more, and only what must wait for anything gets one. Their
    answers leave together when all have begun. One that left earlier would wake its client, and the way through the
    system would put what scores the next one out of the caches of the processor: that costs a sixth of a request.
    `app.api.turns` bounds the time that it takes.
    """

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self._waiting: list[tuple[Cycle, Serve]] = []

    def add(self, loop: asyncio.AbstractEventLoop, cycle: Cycle, serve: Serve) -> None:
        """Let a request begin in the next turn."""
        self._waiting.append((cycle, serve))
        if len(self._waiting) == 1:
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Callback of the event loop in the next turn."""
        waiting, self._waiting = self._waiting, []
        for cycle, serve in waiting:
            cycle.begin(serve)
        for cycle, _ in waiting:
            cycle.end()
