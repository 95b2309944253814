"""Bodies that are scored while they arrive, from a real client on a real socket."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_server import Process, running

ROW = b'{"labels": 1, "probabilities": 0.25}\n'
HEAD = (
    b"POST /v1/score/binary HTTP/1.1\r\nhost: surprisal\r\ncontent-type: application/x-ndjson\r\n"
    b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)
END = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running(SURPRISAL_MAX_STREAMS="1", SURPRISAL_BODY_TIMEOUT_SECONDS="1") as server:
        yield server


def chunk(text: bytes) -> bytes:
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


def exchanged(server: Process, *parts: bytes) -> tuple[bytes, dict[str, Any]]:
    """Send bytes, read until the server closes, and part head from answer."""
    with server.socket() as connection:
        for part in parts:
            connection.sendall(part)
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    return head, json.loads(body)


def test_rows_that_arrive_slowly_are_scored(server: Process) -> None:
    _, answer = exchanged(server, HEAD, chunk(ROW[:10]), chunk(ROW[10:] + ROW), chunk(ROW), END)
    assert answer["n_samples"] == 3


def test_a_pause_that_is_too_long_ends_the_request(server: Process) -> None:
    head, answer = exchanged(server, HEAD, chunk(ROW))
    assert head.startswith(b"HTTP/1.1 408")
    assert "within 1 seconds" in answer["detail"]


def test_a_bad_row_is_answered_before_the_body_ends(server: Process) -> None:
    bad = chunk(ROW * 40_000) + chunk(b'{"labels": 2, "probabilities": 0.25}\n' + ROW * 200_000)
    head, answer = exchanged(server, HEAD, bad)
    assert head.startswith(b"HTTP/1.1 422")
    assert answer["errors"][0]["pointer"] == "/labels/40000"


def test_a_client_that_leaves_makes_room_for_the_next(server: Process) -> None:
    for _ in range(3):
        with server.socket() as left:
            left.sendall(HEAD + chunk(ROW))
            left.shutdown(socket.SHUT_RDWR)
        while server.wait_for("request")["status"] != 499:
            pass
    _, answer = exchanged(server, HEAD, chunk(ROW), END)
    assert answer["n_samples"] == 1


def test_clients_that_leave_leave_no_memory_behind(server: Process) -> None:
    rows = chunk(ROW * 80_000)
    sizes = []
    for _ in range(24):
        with server.socket() as left:
            left.sendall(HEAD + rows)
            left.shutdown(socket.SHUT_RDWR)
        while server.wait_for("request")["status"] != 499:
            pass
        sizes.append(server.resident_bytes())
    assert max(sizes[12:]) < max(sizes[:12]) + 4 * len(rows)  # twelve of them would be far more


def test_more_streams_than_may_be_are_told_to_come_again(server: Process) -> None:
    with server.socket() as first:
        first.sendall(HEAD + chunk(ROW))
        head, answer = exchanged(server, HEAD, chunk(ROW), END)
        while not head.startswith(b"HTTP/1.1 503"):  # until the first one is seen to have begun
            head, answer = exchanged(server, HEAD, chunk(ROW), END)
        assert b"retry-after: 1" in head.lower()
        assert answer["code"] == "unavailable"
        first.sendall(chunk(ROW) + END)
        assert b'"n_samples":2' in b"".join(iter(lambda: first.recv(65_536), b""))
