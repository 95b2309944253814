"""The service under load goes on answering: new clients are let in, and what finds no room is told so."""

import asyncio

import pytest

from tests.api.connections import request
from tests.api.servers import Process
from tests.attacks.clients import get
from tests.attacks.load import logging, scored, under_load

pytestmark = pytest.mark.anyio


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


async def test_what_finds_no_room_is_refused_and_spread() -> None:
    with logging(SURPRISAL_MAX_LAG_SECONDS="0") as server:
        sent = request("POST", "/v1/score/multiclass", scored(2_000))
        async with asyncio.timeout(60), under_load(server, sent, 60) as load:
            while min(load.statuses[200], load.statuses[503]) < 200:
                assert await is_healthy(server)
        assert set(load.statuses) == {200, 503}
        assert len(load.retry_after) > 1
        assert await is_healthy(server)
