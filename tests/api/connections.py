"""The protocol of the server on one connection, to which a test hands what a client sends piece by piece."""

import asyncio
import http.client
import io
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import orjson
import uvicorn

from app.main import create_app
from app.server.cycle import Beginnings, Serve
from app.server.protocol import BoundedProtocol
from app.server.refusing import State
from app.server.room import Room
from app.server.start import configuration
from app.settings import Settings


class Connection:
    """A socket to the real application; pieces arrive exactly as they are cut, as no network promises."""

    def __init__(self, protocol: asyncio.Protocol, reader: asyncio.StreamReader) -> None:
        self.protocol: Any = protocol
        self._reader = reader

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.data_received(piece)

    async def answer(self) -> tuple[int, Any]:
        """The next answer: its status and what its JSON says."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)
        status, _, lines = head.partition(b"\r\n")
        if status.split()[1] == b"100":
            return await self.answer()
        headers = http.client.parse_headers(io.BytesIO(lines))
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), orjson.loads(body)

    async def answers(self, n: int) -> list[tuple[int, Any]]:
        return [await self.answer() for _ in range(n)]

    async def rest(self) -> bytes:
        """Read until the server closes."""
        return await asyncio.wait_for(self._reader.read(), 20)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    async with several(settings, 1) as (connection,):
        yield connection


@asynccontextmanager
async def several(settings: Settings, n: int, serve: Serve | None = None) -> AsyncIterator[list[Connection]]:
    """Connections to one application, or to what begins requests in its place."""
    app, state = create_app(settings), State()
    config = configuration(app, settings, "127.0.0.1", 0)
    if serve is not None:
        own: Any = partial(BoundedProtocol, app.capacity, settings, app.telemetry, Room(settings), Beginnings(serve))
        config.http = own
    config.load()
    async with app.router.lifespan_context(app), AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_connection(config, state)) for _ in range(n)]


@asynccontextmanager
async def _connection(config: uvicorn.Config, state: State) -> AsyncIterator[Connection]:
    protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]
    mine, its = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, its)
    reader, writer = await asyncio.open_connection(sock=mine)
    try:
        yield Connection(protocol, reader)
    finally:
        writer.close()
        transport.close()
        await writer.wait_closed()


def request(method: str, path: str, body: bytes, headers: Iterable[str] = (), version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "host: a", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(path: str, body: bytes, headers: Iterable[str] = ()) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: a", "transfer-encoding: chunked", *headers]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    return "\r\n".join([*lines, "", ""]).encode() + chunks + b"0\r\n\r\n"
