"""The end of the service as its clients see it: each request sent is answered, and the process ends in time."""

import asyncio
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from app.server.listeners import listeners_on, turn_away
from tests.api.connections import request
from tests.api.servers import ROOT, Process
from tests.attacks.clients import answer, get
from tests.attacks.load import logging, scored, under_load

pytestmark = pytest.mark.anyio

N_CLIENTS = 20
SENT = request("POST", "/v1/score/multiclass", scored(300))
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"


async def stop_under_load(**environment: str) -> None:
    with logging(**environment) as server:
        async with asyncio.timeout(60), under_load(server, SENT, N_CLIENTS) as load:
            server.terminate()
            await asyncio.gather(*load.tasks)  # until nobody listens
    assert load.statuses[0] == 0
    assert set(load.statuses) <= {0, 200, 503}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_stop_under_load_resets_nobody(workers: str) -> None:
    await stop_under_load(SURPRISAL_DRAIN_DELAY_SECONDS="0.5", SURPRISAL_WORKERS=workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_many_stops_under_load_reset_nobody(workers: str) -> None:
    for _ in range(10):
        await stop_under_load(SURPRISAL_DRAIN_DELAY_SECONDS="0.5", SURPRISAL_WORKERS=workers)


@pytest.mark.skipif(sys.platform != "linux", reason="the packet filter of a socket is one of Linux")
def test_a_listener_that_turns_clients_away_keeps_those_that_have_come() -> None:
    (listener,) = listeners_on("127.0.0.1", 0)
    with listener, closing(socket.create_connection(listener.getsockname())) as early:
        turn_away(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.2)
        early.sendall(b"a")
        with closing(listener.accept()[0]) as taken:
            assert taken.recv(1) == b"a"


def test_clients_are_sent_away_before_the_listener_closes() -> None:
    with logging(SURPRISAL_DRAIN_DELAY_SECONDS="2") as server, server.socket() as kept, server.socket() as idle:
        kept.sendall(HEALTH)
        assert b"connection: close" not in kept.recv(4096)
        server.terminate()
        while (ready := answer(server, get("/readyz")))[0] == 200:
            pass
        assert b"the service is ending" in ready[1]
        kept.sendall(HEALTH)
        last = kept.recv(4096)
        assert last.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in last
        assert kept.recv(1) == b""
        kept.sendall(HEALTH)  # it is read, so there is no reset
        assert answer(server, get("/healthz"))[0] == 200
        assert idle.recv(1) == b""


def test_requests_in_a_row_are_all_answered() -> None:
    with logging(SURPRISAL_DRAIN_DELAY_SECONDS="1") as server, server.socket() as connection:
        connection.sendall(HEALTH)
        connection.recv(4096)
        server.terminate()
        while answer(server, get("/readyz"))[0] == 200:
            pass
        connection.sendall(SENT + HEALTH)
        got = b"".join(iter(lambda: connection.recv(4096), b""))
    assert got.count(b"HTTP/1.1 200") == 2
    assert got.count(b"connection: close") == 1


async def test_a_log_that_nobody_reads_holds_up_no_end() -> None:
    server = Process(SURPRISAL_DRAIN_TIMEOUT_SECONDS="1")
    clients = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(40)]
    for _, writer in clients:
        writer.write(HEALTH.replace(b"/healthz", b"/none") * 40)  # probes are not logged
    await asyncio.sleep(0)
    await clients[0][0].read(1)
    server.terminate()
    assert await asyncio.to_thread(server.wait, 20) == 0
    for _, writer in clients:
        writer.close()


STUCK = """
from threading import Event
from app.server.last_resort import LastResort
LastResort(0.0).begin()
Event().wait()
"""


def test_the_clock_ends_a_process_that_is_never_done() -> None:
    assert subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, check=False, timeout=60).returncode == 0
