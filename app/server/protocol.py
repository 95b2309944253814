"""HTTP/1.1 of one connection, with bounds and deadlines."""

import asyncio
from math import inf
from typing import Any

import httptools

from app.api.bounds import (
    MAX_CHUNKS_PER_SECOND,
    MAX_HEAD_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADER_LINES,
    MAX_PIPELINED,
)
from app.api.telemetry import PROBES
from app.server import refusals
from app.server.cycle import Cycle, shared_scope, target
from app.server.head import LINE_BYTES, UNCOUNTED_BYTES, breach_of_framing, breach_of_size, without_offer
from app.server.room import SPARE_SECONDS
from app.server.shedding import SheddingProtocol


class BoundedProtocol(SheddingProtocol):
    """HTTP/1.1 of one connection.

    A head is bounded in time and size, errors are problems, a client that does not read its answer is cut off, and a
    request that offers another protocol is answered in this one.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Callback of asyncio: a client has connected, and must send a head."""
        super().connection_made(transport)
        # Bytes of the present piece, of the earlier pieces of this message, and of the piece in which it began.
        self._n_read = self._head_bytes = self._first_bytes = 0
        # Bytes since the head of a chunk, which are trailers if the chunk was the last; None while a chunk has a body.
        self._trailer_bytes: int | None = None
        self._n_trailers = self._n_chunks = 0  # bytes of trailers that are parsed, and chunks of about a second
        self._chunks_since = 0.0
        self._is_in_head, self._is_in_body = True, False
        self._seconds = SPARE_SECONDS if self._is_spare else self._settings.head_timeout_seconds
        self._scope = shared_scope(self)
        if not self._refused:
            self._deadline = self._open_head()
        self._idle_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: bytes of the client, cut anywhere."""
        if self._refused:
            return
        if (self._turns.waiting or self._threads.refuses) and self._sheds(data):
            return
        self._n_read = n_read = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parse_without(offer, data)
        except httptools.HttpParserError:
            self._refuse(refusals.BYTES)
        if self._refused:
            return  # type: ignore[unreachable] # a callback may have refused
        self._head_bytes += n_read
        if self._is_in_head or (self._head_bytes > 0 and not self._is_in_body):
            self._watch_head()
        elif self._trailer_bytes is not None:
            self._watch_trailers(n_read)

    def _parse_without(self, offer: httptools.HttpParserUpgrade, data: bytes) -> None:
        """Go on after a head with an offer to upgrade, at which the parser ends the message and leaves the body unread.

        A new parser reads that head again, without the offer, and then the bytes that the first one has left.
        """
        rest = memoryview(data)
        while not self._refused:
            rest, head = rest[offer.args[0] :], without_offer(self.parser, self.url, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            try:
                self.parser.feed_data(head)
                if rest:
                    self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                offer = another
            except httptools.HttpParserError:
                self._refuse(refusals.BYTES)
            else:
                return

    def on_message_begin(self) -> None:
        """Callback of the parser: the first byte of a request."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._end(refusals.PIPELINED)
        self.url, self.headers = b"", []
        self._idle_since = inf
        self._first_bytes = self._n_read
        self._is_in_head = True
        if self._deadline is not None and self._head_bytes <= 0:  # else empty lines have begun the time of this head
            self._stop_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Callback of the parser: a header, or a trailer, which is not kept."""
        if not self._is_in_head:
            self._count_trailer(len(name) + len(value))
            return
        self.headers.append((name.lower(), value))
        if len(self.headers) > MAX_HEADER_LINES:
            self._end(refusals.HEADER_LINES)

    def on_headers_complete(self) -> None:
        """Callback of the parser: the head is complete; deadlines and sizes of bodies belong to the application."""
        self._is_in_head = False
        if self._deadline is not None:
            self._stop_clock()
        # Exact sizes are sums over all headers, found only if the pieces that hold the head exceed the bound.
        if self._first_bytes + self._head_bytes + self._n_read > MAX_HEADER_BYTES and (
            breach := breach_of_size(self.url, self.headers)
        ):
            self._end(breach)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._end(refusals.CONNECT)
            return
        version = self.parser.get_http_version()
        if breach := breach_of_framing(self.headers, version):
            self._end(breach)
        self._begin_request(version)

    def _begin_request(self, version: str) -> None:
        """Hand a request to the application as uvicorn does, but with a cycle of our class."""
        scope: Any = self._scope.copy()
        self.scope, last = scope, self.cycle
        self._is_in_body = True
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"], scope["raw_path"], scope["query_string"] = target(self.url)
        scope["headers"] = self.headers
        if self._is_spare and scope["path"].removeprefix(self._settings.root_path) not in PROBES:
            self._end(refusals.CONNECTIONS)
        is_kept = version != "1.0" and self.parser.should_keep_alive() and not self._is_spare
        self.cycle = cycle = Cycle(self, scope, is_kept)
        if last is None or last.response_complete:  # type: ignore[redundant-expr]
            self._beginnings.add(self.loop, cycle, self._beginnings.serve)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self._beginnings.serve))

    def on_chunk_header(self) -> None:
        """Callback of the parser: a chunk follows, or after the last one trailers; this piece is not counted."""
        self._trailer_bytes, self._n_trailers = -self._n_read, 0
        if self._n_chunks == 0:
            self._chunks_since = self.loop.time()
        elif self._n_chunks == MAX_CHUNKS_PER_SECOND:
            if self.loop.time() < self._chunks_since + 1:
                self._end(refusals.CHUNKS)
            self._n_chunks, self._chunks_since = 0, self.loop.time()
        self._n_chunks += 1

    def on_body(self, body: bytes) -> None:
        """Callback of the parser: a piece of a body."""
        self._trailer_bytes = None
        cycle: Any = self.cycle
        cycle.waiting_for_100_continue = False  # RFC 9110, 10.1.1: who sends the body does not wait
        if not cycle.response_complete:
            cycle.add(body)

    def on_message_complete(self) -> None:
        """Callback of the parser: the end of a request; what follows in the same piece is the next, and not counted."""
        if self.parser.should_upgrade():
            return
        self._head_bytes = -self._n_read
        self._trailer_bytes = None
        self._is_in_body = False
        if self._deadline is not None:  # that of trailers
            self._stop_clock()
        cycle: Any = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.tell()

    def on_response_complete(self) -> None:
        """Callback of a cycle: its answer is out, so the next request has its turn, or the connection is idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._beginnings.add(self.loop, *self.pipeline.pop())
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
            self._close()
            return
        seconds = min(seconds, self.timeout_keep_alive)
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def shutdown(self) -> None:
        """Callback of the server, which ends: leave, unless a request has begun."""
        if self._head_bytes <= 0 and not self._refused and not self._is_answering():
            self.leave()

    def _open_head(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self._seconds, self._head_timed_out)

    def _watch_head(self) -> None:
        """Hold a head, and empty lines before it, to size and time.

        The clock starts after the first piece, which is all of most heads.
        """
        if self._head_bytes > MAX_HEAD_BYTES + UNCOUNTED_BYTES:
            self._refuse(refusals.HEAD_BYTES)
        elif self._deadline is None:
            self._deadline = self._open_head()

    def _watch_trailers(self, n_read: int) -> None:
        """Hold trailers that come in pieces to the size and the time of a head."""
        self._trailer_bytes += n_read  # type: ignore[operator] # only called where it is a number
        if self._trailer_bytes > MAX_HEAD_BYTES:
            self._refuse(refusals.TRAILER_BYTES)
        elif self._trailer_bytes > 0 and self._deadline is None:
            self._deadline = self._open_head()

    def _count_trailer(self, n_bytes: int) -> None:
        self._n_trailers += n_bytes + LINE_BYTES
        if self._n_trailers > MAX_HEAD_BYTES:
            self._end(refusals.TRAILER_BYTES)

    def _head_timed_out(self) -> None:
        if self.flow.read_paused:  # what is missing may be here already
            self._deadline = self._open_head()
        elif self._is_in_body:
            self._refuse(refusals.too_slow("trailer", self._seconds))
        elif self._is_in_head and (self._head_bytes or self._first_bytes):
            self._refuse(refusals.too_slow("head", self._seconds))
        elif self._is_answering():  # only empty lines came
            self._deadline = self._open_head()
        else:
            self._close()
