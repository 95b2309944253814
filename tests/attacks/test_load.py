"""The service under load goes on answering: new clients are let in, and what finds no room is told so."""

import asyncio
import socket
from contextlib import ExitStack, closing

import pytest

from app.main import create_app
from app.server.listeners import listeners_on
from app.server.listening import Server
from app.server.start import configuration
from app.settings import Settings
from tests.api.connections import request
from tests.api.servers import Process
from tests.attacks.clients import get
from tests.attacks.load import logging, scored, under_load

pytestmark = pytest.mark.anyio
N_WAITING = 50


async def is_healthy(server: Process) -> bool:
    """Ask for its health on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get("/healthz"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.startswith(b"HTTP/1.1 200")


async def test_new_clients_are_let_in_while_others_keep_it_busy() -> None:
    """A new connection once waited until the load ended, and each check for thousands of answers."""
    sent = request("POST", "/v1/score/multiclass", scored(500))
    with logging() as server:
        async with asyncio.timeout(60), under_load(server, sent, 30) as load:
            before = load.statuses.total()
            for _ in range(10):
                assert await is_healthy(server)
            between = load.statuses.total() - before
    assert between < 5_000
    assert set(load.statuses) <= {200, 503}
    assert load.statuses[200]


async def test_clients_that_wait_are_taken_together() -> None:
    """An event loop by itself takes one a turn, and under load a turn is long."""
    (listener,) = listeners_on("127.0.0.1", 0)
    settings = Settings(drain_delay_seconds=0)
    server = Server(configuration(create_app(settings), settings, "", 0), settings)
    with ExitStack() as stack:
        for _ in range(N_WAITING):
            stack.enter_context(closing(socket.create_connection(listener.getsockname())))
        serving = asyncio.create_task(server.serve([listener]))
        n_turns = 0
        while len(server.server_state.connections) < N_WAITING:
            await asyncio.sleep(0)
            n_turns += bool(server.server_state.connections)
    server.should_exit = True
    await serving
    assert n_turns < N_WAITING / 5


async def test_what_finds_no_room_is_refused_and_spread() -> None:
    with logging(SURPRISAL_MAX_LAG_SECONDS="0") as server:
        sent = request("POST", "/v1/score/multiclass", scored(2_000))
        async with asyncio.timeout(60), under_load(server, sent, 60) as load:
            while min(load.statuses[200], load.statuses[503]) < 200:
                assert await is_healthy(server)
        assert set(load.statuses) == {200, 503}
        assert len(load.retry_after) > 1
        assert await is_healthy(server)
