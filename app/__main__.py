"""`python -m app`: the server, with its limits and deadlines.

SIGTERM and Ctrl-C drain: no further connection is taken, every request that was begun is answered (within
`SURPRISAL_DRAIN_TIMEOUT_SECONDS`), and the process ends with exit code 0.
"""

import argparse
import asyncio
import gc
import re
import signal
import sys
from secrets import token_hex

import uvicorn
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api import logs, problems
from app.main import create_app
from app.settings import Settings

UPGRADE = re.compile(rb"\r\n(upgrade:)", re.IGNORECASE)
MAX_HEAD_BYTES = 64 * 2**10
# How long a thread that waits for the interpreter lets another go on (by default ten times as long): a small request
# waits that long, now and then, for one that scores.
SWITCH_SECONDS = 0.000_5
# Longer than clients and proxies keep an idle connection (httpx 5 seconds, load balancers 60): the server
# must not be the first to close it, or it closes on a request that is already under way.
KEEP_ALIVE_SECONDS = 75


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with what it lacks.

    A head is bounded in time and size, errors are problems, and who does not read its answer is cut off.
    """

    settings: Settings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection is there to bring a request."""
        super().connection_made(transport)
        self._refused = False
        self._n_read = self._head_bytes = 0
        self._deadline = self._open_head()
        self._stalled: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._deadline.cancel()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of a body."""
        if self._refused:
            return
        self._n_read = len(data)
        super().data_received(self._without_upgrade(data) if self._head_bytes == 0 else data)
        self._head_bytes += self._n_read
        if self._head_bytes > MAX_HEAD_BYTES and not self._deadline.cancelled():
            self._refuse_head()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._deadline.cancel()
        self._deadline = self._open_head()

    def on_headers_complete(self) -> None:
        """The head is complete; deadlines and sizes of bodies belong to the application."""
        self._deadline.cancel()
        if self._head_bytes + self._n_read > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request; what follows in the same piece is the next one, and not counted."""
        self._head_bytes = -self._n_read
        if not self._refused:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._stalled = self._watch_reading()

    def resume_writing(self) -> None:
        """The client has read nearly all."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self._refuse("malformed_request", msg)

    def _without_upgrade(self, data: bytes) -> bytes:
        """Clients that offer HTTP/2 ("Upgrade: h2c") are answered in HTTP/1.1, not left without their body.

        The parser stops at an upgrade and would drop what follows the head.
        """
        head, end, rest = data.partition(b"\r\n\r\n")
        return UPGRADE.sub(rb"\r\nx-\1", head, count=1) + end + rest

    def _open_head(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.settings.head_timeout_seconds, self._head_timed_out)

    def _head_timed_out(self) -> None:
        if self._head_bytes == 0:
            self.transport.close()
        else:
            limit = f"{self.settings.head_timeout_seconds:g} seconds"
            self._refuse("request_timeout", f"request line and headers must arrive within {limit}")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _refuse_head(self) -> None:
        rule = f"request line and headers must fit in {MAX_HEAD_BYTES} bytes"
        self._refuse("head_too_large", f"{rule}; longer options stand in a JSON body")

    def _refuse(self, code: str, detail: str) -> None:
        """Answer and close; what still comes is dropped for a while, or it would reset the connection and the answer.

        While earlier requests of the connection wait for their answers there can be none.
        """
        self._deadline.cancel()
        self._refused = True
        if not self._may_answer():
            self.cycle.keep_alive = False
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_problem(code, detail))
        self.transport.write_eof()
        self._deadline = self.loop.call_later(self.settings.head_timeout_seconds, self.transport.close)

    def _may_answer(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # type: ignore[redundant-expr]
            return True
        return cycle.more_body and not cycle.response_started and not self.pipeline

    def _watch_reading(self) -> asyncio.TimerHandle:
        seconds, unread = self.settings.body_timeout_seconds, self.transport.get_write_buffer_size()
        return self.loop.call_later(seconds, self._check_reading, unread - seconds * self.settings.min_bytes_per_second)

    def _check_reading(self, most: float) -> None:
        if self.transport.get_write_buffer_size() > most:
            self.transport.abort()
        else:
            self._stalled = self._watch_reading()


def _problem(code: str, detail: str) -> bytes:
    """A whole answer, of what never became a request."""
    request_id = token_hex(16)
    content = problems.content(code, detail, "", request_id)
    head = (
        f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[problems.CATALOGUE[code].status] + head.encode() + content


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Surprisal, a scoring service.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="port, 0 for any (default: %(default)s)")
    options = parser.parse_args(arguments)
    # uvicorn sends itself the signal again once it has drained; by then it means: done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"SURPRISAL_*: {error}")
    server(settings, options.host, options.port).run()


def server(settings: Settings, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to run."""
    logs.configure(settings.log_level)
    BoundedProtocol.settings = settings
    app = create_app(settings)
    # What is imported by now stays: the collector need not look at it while a body is read.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    config = uvicorn.Config(
        app,
        host,
        port,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_timeout_seconds,
    )
    return uvicorn.Server(config)


if __name__ == "__main__":
    main()
