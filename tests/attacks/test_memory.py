"""No body ends the process: small forms of what did, eight at once, and small requests beside them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import NamedTuple

import pytest

from tests.api.servers import Process, running
from tests.attacks.clients import answer, post
from tests.attacks.killers import BINARY, KILLERS, Killer

MIB = 2**20
SHORT = 0.12
SETUPS = {"512 MiB": (1, 512 * MIB), "384 MiB": (1, 384 * MIB), "two workers of 512 MiB": (2, 1024 * MIB)}
"""Workers, and their memory. Of 512 MiB the short forms would take as much as the whole ones, eight times as long, do
of 2 GiB."""
FAST, *SLOW = SETUPS
LONG_LIMIT = 2048 * MIB
SMALL = post(BINARY, b'{"labels": [1, 0], "probabilities": [0.5, 0.25]}', "application/json")


class Small(NamedTuple):
    """A server with little memory."""

    server: Process
    limit: int


@pytest.fixture(scope="module", params=[FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def small(request: pytest.FixtureRequest) -> Iterator[Small]:
    n_workers, limit = SETUPS[request.param]
    with running(SURPRISAL_MEMORY_BYTES=str(limit), SURPRISAL_WORKERS=str(n_workers)) as server:
        yield Small(server, limit)


def sent(server: Process, request: bytes, reads: bool) -> str:
    """Send a request; the status, or nothing if the server closed before it was all sent."""
    got = b""
    with closing(server.socket()) as connection, suppress(ConnectionError, TimeoutError):
        connection.settimeout(60)
        connection.sendall(request)
        got = connection.recv(64)
        while reads and connection.recv(MIB):
            pass
        if not reads:
            time.sleep(0.5)  # the answer waits for its reader meanwhile
    return got[9:12].decode()


def attacked(server: Process, killer: Killer, request: bytes, n: int) -> list[str]:
    with ThreadPoolExecutor(n) as clients:
        return list(clients.map(lambda _: sent(server, request, killer.reads), range(n)))


@pytest.mark.parametrize("kind", [kind for kind in KILLERS if kind != "batches of one row"])
def test_eight_bodies_at_once_leave_the_server_below_its_limit(kind: str, small: Small) -> None:
    killer, (server, limit) = KILLERS[kind], small
    found = attacked(server, killer, killer.request(SHORT), 8)
    assert set(found) <= {"200", "413", "422", "503", ""}
    assert any(found)
    assert server.peak_bytes() < limit
    assert answer(server, SMALL)[0] == 200


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KILLERS)
def test_whole_bodies_leave_the_server_below_2_gib(kind: str) -> None:
    killer = KILLERS[kind]
    request = killer.request()
    with running(SURPRISAL_MEMORY_BYTES=str(LONG_LIMIT)) as server:
        for n in (1, killer.at_once):
            attacked(server, killer, request, n)
            assert server.peak_bytes() < LONG_LIMIT
        assert answer(server, SMALL)[0] == 200


def test_bodies_that_lack_their_last_byte_keep_no_small_request_out(small: Small) -> None:
    server = small.server
    body = b'{"labels":[' + b"0," * (8 * MIB - 10)
    unfinished = post(BINARY, body + b"0]}", "application/json")[:-1]
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(server.socket())) for _ in range(16)]
        for connection in connections:
            connection.settimeout(5)
            with suppress(ConnectionError, TimeoutError):
                connection.sendall(unfinished)
        head, _, rest = SMALL.partition(b"\r\n\r\n")
        for _ in range(20):
            assert answer(server, SMALL)[0] == 200
        with closing(server.socket()) as connection:  # one whose body comes after its head
            connection.sendall(head + b"\r\n\r\n")
            connection.sendall(rest[:10])
            connection.sendall(rest[10:])
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
