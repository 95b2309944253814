"""Requests that begin in one callback of the event loop, and what of them gets a task."""

import asyncio
import gc
from typing import Any

import pytest

from app.settings import Settings
from tests.api.connections import chunked, request, several

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0], "probabilities": [0.8125, 0.1875]}'
GOOD, WRONG = request("POST", SCORE, BODY), request("POST", SCORE, b"{")


async def test_requests_of_one_turn_are_answered_each_for_itself() -> None:
    asked = [GOOD, WRONG, request("GET", "/healthz", b""), request("GET", "/nothing", b""), GOOD]
    async with several(Settings(), len(asked)) as connections:
        for connection, piece in zip(connections, asked, strict=True):
            connection.send(piece)
        answers = [await connection.answer() for connection in connections]
    assert [status for status, _ in answers] == [200, 400, 200, 404, 200]
    assert answers[0] == answers[-1]


async def test_answers_of_one_turn_leave_when_all_of_it_is_scored() -> None:
    order: list[str] = []

    def serve(_scope: object, _receive: object, _send: object, sends: Any) -> None:
        order.append("scored")
        assert sends(200, b"content-length: 2\r\n", b"{}")

    async with several(Settings(), 3, serve) as connections:
        for connection in connections:
            connection.send(GOOD)
            assert not connection.protocol.cycle.response_started
        await asyncio.sleep(0)
        assert [connection.protocol.cycle.response_complete for connection in connections] == [True] * 3
        assert order == ["scored"] * 3
        assert [await connection.answer() for connection in connections] == [(200, {})] * 3


async def test_a_failure_of_one_leaves_the_others_of_its_turn_alone(caplog: pytest.LogCaptureFixture) -> None:
    def serve(scope: Any, _receive: object, _send: object, sends: Any) -> None:
        if scope["path"] == "/healthz":
            raise ZeroDivisionError
        assert sends(200, b"content-length: 2\r\n", b"{}")

    async with several(Settings(), 3, serve) as (first, failing, last):
        first.send(GOOD)
        failing.send(request("GET", "/healthz", b""))
        last.send(GOOD)
        assert (await first.answer(), await last.answer()) == ((200, {}), (200, {}))
        assert (await failing.rest()).startswith(b"HTTP/1.1 500 ")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("cut", [1, 40, len(GOOD) - 1])
async def test_a_request_that_waits_for_its_body_gets_a_task_which_ends_well(cut: int) -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    async with several(Settings(), 2) as (late, in_chunks):
        late.send(GOOD[:cut])
        in_chunks.send(chunked(SCORE, BODY)[:-5])
        await asyncio.sleep(0.01)
        late.send(GOOD[cut:])
        in_chunks.send(chunked(SCORE, BODY)[-5:])
        answers = [await connection.answer() for connection in (late, in_chunks)]
        assert [status for status, _ in answers] == [200, 200]
        while late.protocol.tasks:  # noqa: ASYNC110 - the end of a task sets no event
            await asyncio.sleep(0)
    gc.collect()
    assert unheard == []
