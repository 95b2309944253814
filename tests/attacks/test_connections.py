"""Connections without end: an address and a process have room for so many, and probes are answered all the same."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from app.server.room import N_FILES, N_SPARE
from tests.api.servers import ROOT, Process, running
from tests.attacks.talk import head, logged, refusals, request_id, statuses

MOST, MOST_OF_ADDRESS = 12, 4
PROXY = "127.0.0.9"
OPEN = b"GET /v1/limits HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def server() -> Iterator[Process]:
    settings = {"MAX_CONNECTIONS": MOST, "MAX_CONNECTIONS_PER_ADDRESS": MOST_OF_ADDRESS, "TRUSTED_PROXIES": PROXY}
    with running(**{f"SURPRISAL_{name}": str(value) for name, value in settings.items()}) as process:
        yield process


def connected(server: Process, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20, source_address=(address, 0))


def asked(connection: socket.socket, sent: bytes = OPEN) -> bytes:
    """The answer to a request, or to none."""
    connection.sendall(sent)
    return connection.recv(1 << 16)


def closed(connection: socket.socket) -> bytes:
    """The answer that came unasked, after which the server has closed."""
    got = bytearray()
    while piece := connection.recv(1 << 16):
        got += piece
    return bytes(got)


def test_of_an_address(server: Process) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server, "127.0.0.2")) for _ in range(MOST_OF_ADDRESS)]
        assert [statuses(asked(connection)) for connection in held] == [[200]] * MOST_OF_ADDRESS
        with closing(connected(server, "127.0.0.2")) as another:
            got = closed(another)
        assert statuses(got) == [503]
        line = logged(server, request_id(got))
        assert (line["reason"], line["peer"], line["status"]) == ("connections_of_address", "127.0.0.2", 503)
        assert refusals(server, "connections_of_address") == 1
        other = stack.enter_context(connected(server, "127.0.0.3"))
        assert statuses(asked(other)) == [200]
        assert statuses(asked(held[0])) == [200]
        # Every closed connection makes room for another; the server has heard of it when it has closed too.
        held[0].shutdown(socket.SHUT_WR)
        assert held[0].recv(1) == b""
        assert refusals(server, "connections_of_address") == 1
        assert statuses(asked(stack.enter_context(connected(server, "127.0.0.2")))) == [200]


def test_those_who_are_refused_come_again_at_different_times(server: Process) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server, "127.0.0.4")) for _ in range(MOST_OF_ADDRESS)]
        assert [statuses(asked(connection)) for connection in held] == [[200]] * MOST_OF_ADDRESS
        refused = [stack.enter_context(connected(server, "127.0.0.4")) for _ in range(20)]
        told = [re.findall(rb"\r\nretry-after: (\d+)\r\n", closed(connection)) for connection in refused]
    assert set(map(tuple, told)) == {(b"1",), (b"2",)}


def test_of_a_named_proxy(server: Process) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server, PROXY)) for _ in range(2 * MOST_OF_ADDRESS)]
        assert [statuses(asked(connection)) for connection in held] == [[200]] * 2 * MOST_OF_ADDRESS


def test_of_a_process(server: Process) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server, PROXY)) for _ in range(MOST)]
        assert [statuses(asked(connection)) for connection in held] == [[200]] * MOST
        with closing(connected(server, "127.0.0.2")) as another:
            got = asked(another)
        assert statuses(got) == [503]
        assert logged(server, request_id(got))["reason"] == "connections"
        for path in ("/healthz", "/readyz", "/metrics"):
            with closing(connected(server, "127.0.0.2")) as probe:
                got = asked(probe, head(line=f"GET {path} HTTP/1.1"))
            assert statuses(got) == [200]
            assert b"\r\nconnection: close\r\n" in got
        assert refusals(server, "connections") == 1
        assert [statuses(asked(connection)) for connection in held] == [[200]] * MOST


def test_beyond_those_for_probes(server: Process) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server, PROXY)) for _ in range(MOST + 3 * N_SPARE)]
        answers = [closed(connection) for connection in held[MOST:]]
    assert all(statuses(got) in ([503], []) for got in answers)  # who brings nothing to a spare one hears nothing
    assert sum(statuses(got) == [503] for got in answers) >= N_SPARE
    assert [] in map(statuses, answers)
    assert refusals(server, "connections") >= N_SPARE  # by this answer the server has heard that they are closed
    with closing(connected(server, PROXY)) as again:
        assert statuses(asked(again)) == [200]


FEW = N_SPARE + N_FILES
ROOM = """
import resource, sys
from app.server.room import Room
from app.settings import Settings
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
room, n = Room(Settings(max_connections=100)), 0
while not room.is_overfull:
    room.enter("")
    n += 1
print(n - 1, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "most", "granted"),
    [
        (FEW + 200, FEW + 200, 100, FEW + 200),
        (FEW + 99, FEW + 200, 100, FEW + 100),
        (FEW, FEW + 7, 7, FEW + 7),
        (200, 200, 1, 200),
    ],
)
def test_room_is_what_the_system_grants(soft: int, hard: int, most: int, granted: int) -> None:
    command = [sys.executable, "-c", ROOM, str(soft), str(hard)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(most), str(granted), str(hard)]
