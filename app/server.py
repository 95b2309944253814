"""A server on uvicorn that adds deadlines, bounds on heads, problems as answers, and indifference to upgrade offers."""

import asyncio
import gc
import sys
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api import problems
from app.api.application import Application
from app.api.exchange import SECURITY_HEADERS, WHOLE_ANSWER
from app.api.telemetry import Telemetry
from app.settings import Settings

MAX_HEAD_BYTES = 64 * 2**10
"""The largest request line with headers, and the largest trailers of a body; beyond it the answer is 431."""

SWITCH_SECONDS = 0.000_5
"""The interval after which a waiting thread takes the interpreter from another, a tenth of Python's default: now and
then a small request waits that long for a thread that scores."""

KEEP_ALIVE_SECONDS = 75
"""The time for which an idle connection stays open. It is longer than that of clients and proxies (httpx 5 seconds,
load balancers 60): a server that closes first may do so on a request that is already under way."""


EXTENSIONS: dict[str, dict[object, object]] = {WHOLE_ANSWER: {}}
"""The extension of ASGI by which an application learns that this server takes whole answers."""


def server(app: Application, settings: Settings, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to run; the interpreter is tuned for it."""
    tune()
    return uvicorn.Server(configuration(app, settings, host, port))


def tune() -> None:
    """Tune the interpreter for a server, after all imports."""
    # What is imported by now stays: the collector need not look at it while a body is read.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def configuration(app: Application, settings: Settings, host: str, port: int) -> uvicorn.Config:
    """The configuration of uvicorn."""
    protocol: Callable[..., asyncio.Protocol] = partial(BoundedProtocol, settings, app.telemetry)
    return uvicorn.Config(
        app,
        host,
        port,
        http=protocol,  # type: ignore[arg-type] # uvicorn's type asks for a class, but it only calls it
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_timeout_seconds,
    )


class Cycle(RequestResponseCycle):
    """The state of a request in uvicorn, which also takes a whole answer in one message and sends it faster."""

    async def send(self, message: Any) -> None:
        """Callback of ASGI: send a message, which may be a whole answer of the type `WHOLE_ANSWER`."""
        if message["type"] != WHOLE_ANSWER:
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        lines = [STATUS_LINE[message["status"]], *(b"%b: %b\r\n" % header for header in self.default_headers)]
        close = b"" if self.keep_alive else b"connection: close\r\n"
        body = b"" if self.scope["method"] == "HEAD" else message["body"]
        self.transport.write(b"".join([*lines, message["head"], close, b"\r\n", body]))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection.

    A head is bounded in time and size, errors are problems, a client that does not read its answer is cut off, and a
    request that offers another protocol is answered in this one.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, **connection: Any) -> None:
        super().__init__(**connection)
        self._settings = settings
        self._telemetry = telemetry

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Callback of asyncio: a client has connected, and must send a head."""
        super().connection_made(transport)
        self._refused = False
        # Bytes of the present piece, of the earlier pieces of this message, and of the piece in which it began.
        self._n_read = self._head_bytes = self._first_bytes = 0
        # Bytes since the head of a chunk, which are trailers if the chunk was the last; None while a chunk has a body.
        self._trailer_bytes: int | None = None
        self._is_in_head = True
        self._deadline: asyncio.TimerHandle | None = self._open_head()
        self._stalled: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio: nothing more will come."""
        self._close_head()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: bytes of the client, cut anywhere."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._n_read = n_read = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parse_without(offer, data)
        except httptools.HttpParserError:
            self._refuse_bytes()
        self._head_bytes += n_read
        if self._is_in_head:
            self._watch_head()
        if self._trailer_bytes is not None:
            self._trailer_bytes += n_read
            if self._trailer_bytes > MAX_HEAD_BYTES:
                self._refuse("head_too_large", f"trailers must fit in {MAX_HEAD_BYTES} bytes")

    def _parse_without(self, offer: httptools.HttpParserUpgrade, data: bytes) -> None:
        """Go on after a head with an offer to upgrade, at which the parser ends the message and leaves the body unread.

        A new parser reads that head again, without the offer, and then the bytes that the first one has left.
        """
        rest = memoryview(data)
        while not self._refused:
            rest, head = rest[offer.args[0] :], self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            try:
                self.parser.feed_data(head)
                if rest:
                    self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                offer = another
            except httptools.HttpParserError:
                self._refuse_bytes()
            else:
                return

    def _head_without_offer(self) -> bytes:
        first = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        others = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([first, *others, b"", b""])

    def on_message_begin(self) -> None:
        """Callback of the parser: the first byte of a request."""
        super().on_message_begin()
        if not self._refused:
            self._first_bytes = self._n_read
            self._is_in_head = True
            if self._deadline is not None:
                self._close_head()

    def on_headers_complete(self) -> None:
        """Callback of the parser: the head is complete; deadlines and sizes of bodies belong to the application."""
        if self._refused:
            return
        self._is_in_head = False
        if self._deadline is not None:
            self._close_head()
        # The exact size is a sum over all headers, found only if the pieces that hold the head exceed the bound.
        if self._first_bytes + self._head_bytes + self._n_read > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            self._refuse_head()
        elif not self.parser.should_upgrade():
            self._begin_request()
        elif self.parser.get_method() == b"CONNECT":
            self._refuse("malformed_request", "the method must not be CONNECT: this service is no proxy")

    def _begin_request(self) -> None:
        """Hand a request to the application as uvicorn does, but with a cycle of our class."""
        url, version, last = httptools.parse_url(self.url), self.parser.get_http_version(), self.cycle
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = unquote(url.path.decode("ascii"))
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""
        self.scope["extensions"] = EXTENSIONS
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if last is None or last.response_complete:  # type: ignore[redundant-expr]
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_chunk_header(self) -> None:
        """Callback of the parser: a chunk follows, or after the last one trailers; this piece is not counted."""
        self._trailer_bytes = -self._n_read

    def on_body(self, body: bytes) -> None:
        """Callback of the parser: a piece of a body."""
        self._trailer_bytes = None
        if self._refused:
            return
        cycle: Any = self.cycle
        if not cycle.body and not cycle.response_complete:
            # uvicorn adds every piece to an array of bytes, and copies that for the application
            cycle.body, body = body, b""
        elif type(cycle.body) is bytes:  # of many small pieces each would copy all before it
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Callback of the parser: the end of a request; what follows in the same piece is the next, and not counted."""
        if self._refused or self.parser.should_upgrade():
            return
        self._head_bytes = -self._n_read
        self._trailer_bytes = None
        self.scope["state"]["has_arrived"] = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Callback of asyncio: the client reads more slowly than it is answered."""
        super().pause_writing()
        self._stalled = self._watch_reading()

    def resume_writing(self) -> None:
        """Callback of asyncio: the client has read nearly all."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _open_head(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self._settings.head_timeout_seconds, self._head_timed_out)

    def _watch_head(self) -> None:
        """Hold a head to its size and its time; the clock starts after its first piece, which is all of most heads."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        elif self._deadline is None:
            self._deadline = self._open_head()

    def _close_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None

    def _head_timed_out(self) -> None:
        if self._head_bytes == 0:
            self.transport.close()
        else:
            limit = f"{self._settings.head_timeout_seconds:g} seconds"
            self._refuse("request_timeout", f"request line and headers must arrive within {limit}")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _refuse_bytes(self) -> None:
        self._refuse("malformed_request", "the bytes must be a request in HTTP/1.1")

    def _refuse_head(self) -> None:
        rule = f"request line and headers must fit in {MAX_HEAD_BYTES} bytes"
        self._refuse("head_too_large", f"{rule}; longer options stand in a JSON body")

    def _refuse(self, code: str, detail: str) -> None:
        """Answer, drop for a while what still comes, and close.

        On a connection that is closed at once such bytes cause a reset, by which the answer is lost. There is no answer
        while earlier requests of the connection wait for theirs.
        """
        if self._refused:
            return
        self._close_head()
        self._is_in_head, self._refused = False, True
        request_id = self._record_refusal(code)
        if not self._may_answer():
            self.cycle.keep_alive = False
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._problem(code, detail, request_id))
        self.transport.write_eof()
        self._deadline = self.loop.call_later(self._settings.head_timeout_seconds, self.transport.close)

    def _record_refusal(self, code: str) -> str:
        """Count and log a refusal, unless the application does for a request that it has; return the request id."""
        status = problems.CATALOGUE[code].status
        if self._is_inside_body() and (exchange := self.cycle.scope["state"].get("exchange")):
            exchange.status, exchange.code = status, code
            return str(exchange.request_id)
        request_id = token_hex(16)
        self._telemetry.refuse(request_id, status, code)
        return request_id

    def _problem(self, code: str, detail: str, request_id: str) -> bytes:
        """The bytes of a whole answer, where no application is asked."""
        further = {"type": problems.address(code, self._settings.root_path)}
        content = problems.content(code, detail, "", request_id, further)
        head = (
            f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n"
        )
        security = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS.items())
        return STATUS_LINE[problems.CATALOGUE[code].status] + head.encode() + security + b"\r\n" + content

    def _may_answer(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # type: ignore[redundant-expr]
            return True
        return self._is_inside_body()

    def _is_inside_body(self) -> bool:
        """Tell if the body of a request is under way, its answer is not begun, and no request waits before it."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        return cycle is not None and cycle.more_body and not cycle.response_started and not self.pipeline

    def _watch_reading(self) -> asyncio.TimerHandle:
        seconds, unread = self._settings.body_timeout_seconds, self.transport.get_write_buffer_size()
        most = unread - seconds * self._settings.min_bytes_per_second
        return self.loop.call_later(seconds, self._check_reading, most)

    def _check_reading(self, most: float) -> None:
        if self.transport.get_write_buffer_size() > most:
            self.transport.abort()
        else:
            self._stalled = self._watch_reading()
