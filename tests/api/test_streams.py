"""Bodies that are scored while they arrive, from a real client on a real socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from secrets import token_hex
from typing import Any

import pytest

from tests.api.servers import Process, running
from tests.encoded import MEDIA_TYPES, encoded

ROW = b'{"labels": 1, "probabilities": 0.25}\n'
HEAD = (
    b"POST /v1/score/binary/rows HTTP/1.1\r\nhost: surprisal\r\ncontent-type: application/x-ndjson\r\n"
    b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)
END = b"0\r\n\r\n"


START = ROW * 30_000
"""The bytes of a body that is so long that it gets a thread before its end."""
SETTINGS = {
    "SURPRISAL_MAX_STREAMS": "1",
    "SURPRISAL_MAX_WAITING": "2",
    "SURPRISAL_BODY_TIMEOUT_SECONDS": "1",
    "SURPRISAL_MIN_BYTES_PER_SECOND": "1000",
    "SURPRISAL_SPOOL_TIMEOUT_SECONDS": "2",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running(**SETTINGS) as server:
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


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def dripped(connection: socket.socket, drop: bytes) -> bytes:
    """Send a little now and then until there is an answer; all of it."""
    connection.settimeout(0.05)
    for _ in range(400):
        try:
            return connection.recv(65_536) + read_all(connection)
        except TimeoutError:
            connection.sendall(drop)
    raise AssertionError("no end of it")


@pytest.mark.parametrize("start", [b"", START])
def test_rows_that_arrive_slowly_are_scored(start: bytes, server: Process) -> None:
    _, answer = exchanged(server, HEAD, chunk(start + ROW[:10]), chunk(ROW[10:] + ROW), chunk(ROW), END)
    assert answer["n_samples"] == (start + ROW * 3).count(b"\n")


@pytest.mark.parametrize("start", [ROW, START])
def test_a_pause_that_is_too_long_ends_the_request(start: bytes, server: Process) -> None:
    head, answer = exchanged(server, HEAD, chunk(start))
    assert head.startswith(b"HTTP/1.1 408")
    assert "1000 bytes a second or more, measured over 1 seconds" in answer["detail"]


MANY: dict[str, list[Any]] = {
    "labels": [1, 0] * 60_000,
    "probabilities": [i * 7919 % 120_000 / 120_000 for i in range(120_000)],
}


def body_of(format_: str, columns: dict[str, list[Any]]) -> bytes:
    return json.dumps(columns).encode() if format_ == "json" else encoded(format_, columns, 10_000)


def head_of(format_: str) -> bytes:
    if format_ == "json":
        return HEAD.replace(b"/rows", b"").replace(b"application/x-ndjson", b"application/json")
    return HEAD.replace(b"application/x-ndjson", MEDIA_TYPES[format_].encode())


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["json", *MEDIA_TYPES])
@pytest.mark.parametrize("share", [0.0, 0.9])
def test_drops_do_not_make_a_body(share: float, format_: str, server: Process) -> None:
    body = body_of(format_, MANY)
    start = body[: int(share * len(body))]
    with server.socket() as connection:
        connection.sendall(head_of(format_) + (chunk(start) if start else b""))
        answer = dripped(connection, chunk(body[len(start) : len(start) + 1]))
    assert answer.startswith(b"HTTP/1.1 408")


def test_who_sends_nothing_takes_no_thread(server: Process) -> None:
    with ExitStack() as stack:
        for format_ in [*MEDIA_TYPES] * 5:
            stack.enter_context(server.socket()).sendall(head_of(format_) + chunk(b"x"))
        for start in (b"", START):
            assert exchanged(server, HEAD, chunk(start + ROW), END)[1]["n_samples"] > 0


def test_a_body_that_must_be_complete_has_a_deadline(server: Process) -> None:
    with server.socket() as connection:
        connection.sendall(head_of("npz"))
        answer = dripped(connection, chunk(bytes(1_000)))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"within 2 seconds" in answer


def test_a_bad_row_is_answered_before_the_body_ends(server: Process) -> None:
    bad = chunk(ROW * 40_000) + chunk(b'{"labels": 2, "probabilities": 0.25}\n' + ROW * 200_000)
    head, answer = exchanged(server, HEAD, bad)
    assert head.startswith(b"HTTP/1.1 422")
    assert answer["errors"][0]["pointer"] == "/labels/40000"


def leave(server: Process, head: bytes, *parts: bytes) -> None:
    """Send bytes and close, and wait until that was noticed."""
    name = token_hex(8)
    with server.socket() as left:
        left.sendall(head.replace(b"host:", f"x-request-id: {name}\r\nhost:".encode()))
        for part in parts:
            left.sendall(part)
        left.shutdown(socket.SHUT_RDWR)
    line = server.wait_for("request")
    while line["request_id"] != name:
        line = server.wait_for("request")
    assert line["status"] == 499


@pytest.mark.parametrize("start", [b"", START])
def test_a_client_that_leaves_makes_room_for_the_next(start: bytes, server: Process) -> None:
    for _ in range(4):
        leave(server, HEAD, chunk(start + ROW))
    _, answer = exchanged(server, HEAD, chunk(START + ROW), END)
    assert answer["n_samples"] == 30_001


@pytest.mark.slow
def test_clients_that_leave_leave_no_memory_behind(server: Process) -> None:
    rows = chunk(ROW * 80_000)
    sizes = []
    for _ in range(24):
        leave(server, HEAD, rows)
        sizes.append(server.resident_bytes())
    assert max(sizes[12:]) < max(sizes[:12]) + 4 * len(rows)  # twelve of them would be far more


@pytest.mark.parametrize("format_", ["json", *MEDIA_TYPES])
def test_a_client_that_leaves_after_its_last_byte_is_noticed(format_: str, server: Process) -> None:
    leave(server, head_of(format_), chunk(body_of(format_, MANY)) + END)


def test_streams_wait_their_turn_and_those_beyond_are_told_to_come_again(server: Process) -> None:
    begun = HEAD + chunk(START)
    with server.socket() as first, server.socket() as second, server.socket() as third:
        for connection in (first, second, third):
            connection.sendall(begun)
        head, answer = exchanged(server, begun, END)
        while not head.startswith(b"HTTP/1.1 503"):  # until the others are seen to have begun
            head, answer = exchanged(server, begun, END)
        assert b"retry-after: " in head.lower()
        assert answer["code"] == "unavailable"
        for connection in (first, second, third):
            connection.sendall(chunk(ROW) + END)
        for connection in (first, second, third):
            assert b'"n_samples":30001' in read_all(connection)


@pytest.mark.slow
def test_a_stream_in_flight_is_answered_before_the_end() -> None:
    with running() as server, server.socket() as connection:
        connection.sendall(HEAD + chunk(START))
        assert exchanged(server, HEAD, chunk(ROW), END)[1]["n_samples"] == 1
        server.terminate()
        server.wait_for("Shutting down")
        connection.sendall(chunk(ROW) + END)
        assert b'"n_samples":30001' in read_all(connection)
        assert server.ended() == 0
