"""HTTP/1.1 of one connection, with bounds and deadlines."""

import asyncio
from math import inf
from secrets import token_hex
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api import problems
from app.api.telemetry import Telemetry
from app.server.cycle import TAKEN, TAKEN_AND_HERE, Cycle, target
from app.server.refusals import refusal
from app.server.unread import UnreadWatch
from app.settings import Settings

MAX_HEAD_BYTES = 64 * 2**10
"""The largest request line with headers, and the largest trailers of a body; beyond it the answer is 431."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection.

    A head is bounded in time and size, errors are problems, a client that does not read its answer is cut off, and a
    request that offers another protocol is answered in this one.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, **connection: Any) -> None:
        super().__init__(**connection)
        self._settings = settings
        self._telemetry = telemetry
        telemetry.connections = self.connections

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
        self._unread = UnreadWatch(transport, self._settings)
        # The time at which the last answer was out; infinite while a request is under way.
        self._idle_since = inf

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio: nothing more will come."""
        self._close_head()
        self._unread.end()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: bytes of the client, cut anywhere."""
        if self._refused:
            return
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
        self._idle_since = inf
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
        scope, version, last = self.scope, self.parser.get_http_version(), self.cycle
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"], scope["raw_path"], scope["query_string"] = target(self.url)
        scope["extensions"] = TAKEN
        self.cycle = Cycle(self, version != "1.0" and self.parser.should_keep_alive())
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
        self.scope["extensions"] = TAKEN_AND_HERE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Callback of a cycle: its answer is out, so the next request has its turn, or the connection is idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._is_in_head:  # else the next head has begun, and has a deadline of its own
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_handler()

    def timeout_keep_alive_handler(self) -> None:
        """Callback of a timer: close a connection that was idle for too long, or look again when it may have been.

        One timer serves all requests of a connection, for to set one costs more than to read the clock.
        """
        seconds = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if seconds <= 0:
            self.transport.close()
            return
        seconds = min(seconds, self.timeout_keep_alive)
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        """Callback of asyncio: the client reads more slowly than it is answered."""
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        """Callback of asyncio: the client has read nearly all."""
        super().resume_writing()
        self._unread.end()

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
        self.transport.write(refusal(code, detail, request_id, self._settings.root_path))
        self.transport.write_eof()
        self._deadline = self.loop.call_later(self._settings.head_timeout_seconds, self.transport.close)

    def _record_refusal(self, code: str) -> str:
        """Count and log a refusal, unless the application does for a request that it has; return the request id."""
        status = problems.CATALOGUE[code].status
        scope: Any = self.cycle.scope if self._is_inside_body() else {}
        if exchange := scope.get("exchange"):
            exchange.status, exchange.code = status, code
            return str(exchange.request_id)
        request_id = token_hex(16)
        self._telemetry.refuse(request_id, status, code)
        return request_id

    def _may_answer(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # type: ignore[redundant-expr]
            return True
        return self._is_inside_body()

    def _is_inside_body(self) -> bool:
        """Tell if the body of a request is under way, its answer is not begun, and no request waits before it."""
        cycle: Any = self.cycle  # None until the first request
        return cycle is not None and cycle.more_body and not cycle.response_started and not self.pipeline
