"""The time for which a connection stays open between requests."""

import asyncio

import pytest

from app.settings import Settings
from tests.api.connections import Connection, connected, request

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.625]}'
WHOLE = request("POST", SCORE, BODY)


async def look(connection: Connection, times: int) -> None:
    """Wait until the timer of a connection has looked a few times if it is idle."""
    for _ in range(times):
        before = connection.protocol.timeout_keep_alive_task
        async with asyncio.timeout(20):
            while connection.protocol.timeout_keep_alive_task is before:  # noqa: ASYNC110 - a timer sets no event
                await asyncio.sleep(0)


async def test_an_idle_connection_is_closed() -> None:
    async with connected(Settings()) as connection:
        connection.protocol.timeout_keep_alive = 0.5
        for _ in range(3):
            connection.send(WHOLE)
            assert (await connection.answer())[0] == 200
        assert await connection.rest() == b""


async def test_a_client_that_does_not_read_is_cut_off_after_the_close() -> None:
    async with connected(Settings(body_timeout_seconds=0.1)) as connection:
        protocol = connection.protocol
        async with asyncio.timeout(20):
            while not protocol.transport.get_write_buffer_size():
                connection.send(request("GET", "/v1/limits", b""))
                await asyncio.sleep(0)
            protocol.timeout_keep_alive = 0.0
            protocol.timeout_keep_alive_handler()
            assert protocol.transport.is_closing()
            while protocol in protocol.connections:  # noqa: ASYNC110 - the loss of a connection sets no event
                await asyncio.sleep(0)


async def test_a_connection_is_not_idle_while_a_body_comes() -> None:
    async with connected(Settings()) as connection:
        connection.protocol.timeout_keep_alive = 0.5
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 200
        connection.send(WHOLE[:-10])
        await look(connection, 3)
        connection.send(WHOLE[-10:])
        assert (await connection.answer())[0] == 200
        assert await connection.rest() == b""


async def test_a_connection_is_not_idle_while_a_head_comes_that_began_before_the_answer() -> None:
    async with connected(Settings()) as connection:
        connection.protocol.timeout_keep_alive = 0.5
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 200
        connection.send(WHOLE + WHOLE[:20])
        assert (await connection.answer())[0] == 200
        connection.send(WHOLE[20:-10])
        await look(connection, 3)
        connection.send(WHOLE[-10:])
        assert (await connection.answer())[0] == 200
