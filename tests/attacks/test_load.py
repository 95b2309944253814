"""The service under load goes on answering: new clients are let in, and what finds no room is told so."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from app.api.backoff import LONGEST_SPREAD
from app.main import create_app
from app.server.listeners import listeners_on
from app.server.listening import Server
from app.server.start import configuration
from app.settings import Settings
from benchmarks import overload
from benchmarks.open_loop import OpenLoop, Plan, Seen
from tests.api.connections import request
from tests.api.servers import Process
from tests.attacks.clients import answer, get
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
        body = scored(2_000)
        sent = request("POST", "/v1/score/multiclass", body)
        async with asyncio.timeout(60), under_load(server, sent, 60) as load:
            while min(load.statuses[200], load.statuses[503]) < 200:
                assert await is_healthy(server)
        assert set(load.statuses) == {200, 503}
        assert load.retry_after - {*range(1, LONGEST_SPREAD + 1)} == set()
        assert len(load.retry_after) > 1
        assert await is_healthy(server)
        alone = request("POST", "/v1/score/multiclass", body, ["connection: close"])
        assert {status for status, _ in map(answer, [server] * 10, [alone] * 10)} == {200}


def flood(server: Process, work: overload.Work, rate: float, seconds: float) -> Seen:
    """Offer a load, and hold what was seen to what must be true however busy the machine is."""
    with ThreadPoolExecutor() as threads:
        watching = threads.submit(overload.watched, server.port, seconds, 0.0)
        seen = OpenLoop(Plan(server.port, work.sent, rate, seconds, n_connections=200, patience=100.0)).run()
        assert watching.result().n_failed == 0
    assert not seen.others
    assert not seen.n_late
    assert set(seen.retry_after) <= {*range(1, LONGEST_SPREAD + 1)}
    assert len(seen.served) + len(seen.refused) == seen.n_due
    assert {answer(server, work.alone)[0] for _ in range(10)} == {200}
    return seen


@pytest.mark.parametrize("work", overload.works().values(), ids=overload.works())
def test_each_request_beyond_the_bound_is_told_so(work: overload.Work) -> None:
    with logging() as server:
        seen = flood(server, work, 2 * work.guess, 1.0)
        assert seen.served
        assert seen.refused
        assert len(seen.retry_after) > 1


@pytest.mark.slow
@pytest.mark.parametrize("work", overload.works().values(), ids=overload.works())
def test_each_request_of_a_long_flood_is_answered(work: overload.Work) -> None:
    with logging() as server:
        for rate in (work.guess / 10, work.guess, 2 * work.guess):
            flood(server, work, rate, 3.0)
