"""The event loop never stands for long, as its own beat tells in `/metrics`."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.api.servers import Process
from tests.attacks.clients import answer, get


def metric(server: Process, name: str) -> float:
    _, got = answer(server, get("/metrics"))
    return next(float(line.split()[-1]) for line in got.decode().splitlines() if line.startswith(name + " "))


def test_the_beat_and_what_is_held_are_shown(server: Process) -> None:
    before = metric(server, "surprisal_loop_stall_seconds_count")
    with server.socket() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert idle.recv(1 << 16)
        while metric(server, "surprisal_connections") < 2:  # it is set once a second
            pass
    assert metric(server, "surprisal_loop_stall_seconds_count") > before
    assert metric(server, 'surprisal_threads_busy{pool="whole"}') == 0
    assert metric(server, "surprisal_answers_unread") == 0
    assert metric(server, "surprisal_loop_stall_greatest_seconds") > 0


@contextmanager
def unread_server() -> Iterator[Process]:
    """A server whose log is read up to its start alone."""
    server = Process(SURPRISAL_LOG_LEVEL="debug")
    try:
        yield server
    finally:
        server.terminate()
        server.ended()


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    """Each request makes a line of some 300 bytes, and a pipe holds 64 KiB of them."""
    with unread_server() as server:
        for _ in range(50):
            with server.socket() as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n" * 10)
                n_answers = 0
                while n_answers < 10:
                    n_answers += client.recv(1 << 16).count(b"HTTP/1.1 200")
        assert metric(server, "surprisal_log_lines_lost_total") == 0
