"""The bounds of the protocol over raw sockets: what is just within is answered, what is just beyond is refused."""

import socket
from collections.abc import Iterator
from contextlib import closing
from time import monotonic

import pytest

from app.api.bounds import (
    MAX_CHUNKS_PER_SECOND,
    MAX_CONTENT_TYPE,
    MAX_HEAD_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADER_LINES,
    MAX_PIPELINED,
    MAX_RANGES,
)
from tests.api.servers import Process, running
from tests.attacks.talk import head, logged, pieces, refusals, request_id, talk

SCORE = "POST /v1/score/binary HTTP/1.1"
BODY = b'{"labels":[1],"probabilities":[0.5]}'
CHUNKED = "transfer-encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
MOST_LINES = MAX_HEADER_LINES - 2
"""The most headers beside `Host` and `Connection`."""


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def hasty() -> Iterator[Process]:
    with running(SURPRISAL_HEAD_TIMEOUT_SECONDS="0.5") as process:
        yield process


def filled(n_bytes: int) -> bytes:
    """A head of a size, as it is counted: without the spaces of the first line, its method and version."""
    headers = [f"x: {'a' * 8_000}"] * 8
    rest = n_bytes - len("/v1/limits") - len("host: a\r\nconnection: close\r\n") - 8 * (8_000 + len("x: \r\n")) - 5
    return head(*headers, f"y: {'b' * rest}")


def trailers(n_bytes: int) -> bytes:
    return head(CHUNKED, line=SCORE) + CHUNKS + b"a: %b\r\n" * 8 % ((b"b" * (n_bytes // 8 - 5),) * 8) + b"\r\n"


def chunks(n: int) -> bytes:
    """A body of so many chunks, the last one included."""
    return head(CHUNKED, line=SCORE) + b"1\r\n \r\n" * (n - 2) + CHUNKS + b"\r\n"


WITHIN = {
    "headers": head(*["a:"] * MOST_LINES),
    "a header": head(f"x: {'a' * (MAX_HEADER_BYTES - 1)}"),
    "a head": filled(MAX_HEAD_BYTES),
    "trailers": trailers(MAX_HEAD_BYTES),
    "chunks": chunks(1_000),
    "a content type": head(f"content-type: {'application/json;'.ljust(MAX_CONTENT_TYPE - 1)}x", line=SCORE).replace(
        b"\r\n\r\n", b"\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    ),
    "media ranges": head("accept: " + ",".join(["*/*"] * MAX_RANGES)),
    "no host in 1.0": head(line="GET /v1/limits HTTP/1.0", host=""),
    "a host in 1.0": head(line="GET /v1/limits HTTP/1.0"),
    "empty lines": b"\r\n" * 10 + head(),
}
BEYOND = {
    "headers": (head(*["a:"] * (MOST_LINES + 1)), "header_lines", 431),
    "a header": (head(f"x: {'a' * MAX_HEADER_BYTES}"), "header_bytes", 431),
    "the name of a header": (head(f"{'a' * MAX_HEADER_BYTES}: a"), "header_bytes", 431),
    "a head": (filled(MAX_HEAD_BYTES + 1), "head_bytes", 431),
    "a head without end": (b"GET / HTTP/1.1\r\nx: " + b"a" * 8 * MAX_HEAD_BYTES, "head_bytes", 431),
    "trailers": (trailers(MAX_HEAD_BYTES + 8), "trailer_bytes", 431),
    "trailers of 4 bytes": (head(CHUNKED, line=SCORE) + CHUNKS + b"a:\r\n" * 20_000, "trailer_bytes", 431),
    "a trailer without end": (head(CHUNKED, line=SCORE) + CHUNKS + b"a:" + b"b" * 2**19, "trailer_bytes", 431),
    "no host": (head(host=""), "host", 400),
    "two hosts": (head("host: b"), "host", 400),
    "two hosts in 1.0": (head("host: b", line="GET /v1/limits HTTP/1.0"), "host", 400),
    "a coding that nobody reads": (head("transfer-encoding: gzip, chunked", line=SCORE), "transfer_encoding", 400),
    "a coding beside another": (head("transfer-encoding: gzip", CHUNKED, line=SCORE), "transfer_encoding", 400),
    "a proxy": (head(line="CONNECT a:1 HTTP/1.1"), "method", 400),
    "bytes": (b"\x16\x03\x01\x02\x00\x01\x00", "bytes", 400),
    "a bad chunk": (head(CHUNKED, line=SCORE) + b"zz\r\n", "bytes", 400),
    "a bad chunk that is waited for": (head("expect: 100-continue", CHUNKED, line=SCORE) + b"zz\r\n", "bytes", 400),
}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("name", WITHIN)
def test_just_within(name: str, cut: bool, server: Process) -> None:
    sent = WITHIN[name]
    found, got = talk(server, pieces(sent) if cut else [sent])
    assert found == [200]
    assert "reason" not in logged(server, request_id(got))


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("name", BEYOND)
def test_just_beyond(name: str, cut: bool, server: Process) -> None:
    sent, reason, status = BEYOND[name]
    before = refusals(server, reason)
    found, got = talk(server, pieces(sent) if cut else [sent])
    assert [number for number in found if number != 100] == [status]
    line = logged(server, request_id(got))
    assert (line["reason"], line["peer"], line["status"]) == (reason, "127.0.0.1", status)
    assert refusals(server, reason) == before + 1
    assert not [line for line in server.log if "exception" in line or line.get("status") == 500]


@pytest.mark.parametrize("name", BEYOND)
def test_beyond_behind_another_request(name: str, server: Process) -> None:
    """The first is answered, then the connection is closed; the second is recorded, whether it is answered or not."""
    sent, reason, _ = BEYOND[name]
    before = refusals(server, reason)
    found, _ = talk(server, [b"GET /v1/limits HTTP/1.1\r\nhost: a\r\n\r\n" + sent])
    assert found[0] == 200
    assert len([status for status in found if status != 100]) <= 2
    assert refusals(server, reason) == before + 1


def test_requests_that_wait(server: Process) -> None:
    first = b"GET /v1/limits HTTP/1.1\r\nhost: a\r\n\r\n"
    found, got = talk(server, [first * MAX_PIPELINED + head()])
    assert found == [200] * (MAX_PIPELINED + 1)
    before = refusals(server, "pipelined")
    found, got = talk(server, [first * 1_000])
    assert found == [200] * (MAX_PIPELINED + 1)
    assert got.count(b"\r\nconnection: close\r\n") == 1
    assert refusals(server, "pipelined") == before + 1


def test_chunks_of_a_second(server: Process) -> None:
    assert talk(server, [chunks(MAX_CHUNKS_PER_SECOND)])[0] == [200]
    before, began = refusals(server, "chunks"), monotonic()
    found, got = talk(server, [chunks(3 * MAX_CHUNKS_PER_SECOND)])
    if monotonic() - began < 1.5:  # on a slow machine they do not come within two seconds
        assert found == [400]
        assert logged(server, request_id(got))["reason"] == "chunks"
    assert refusals(server, "chunks") == before + found.count(400)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([b"GET / HTTP/1.1\r\n"], "head_seconds"),
        ([b"\r\n"], "head_seconds"),
        ([head(CHUNKED, line=SCORE) + CHUNKS, b"a: b\r\n"], "trailer_seconds"),
        ([head(CHUNKED, line=SCORE) + CHUNKS, b"a", b":"], "trailer_seconds"),
    ],
)
def test_who_is_slow(sent: list[bytes], reason: str, hasty: Process) -> None:
    before = refusals(hasty, reason)
    # What is asked on another connection in between is answered after the piece before it was read.
    found, got = talk(hasty, (piece for piece in sent if refusals(hasty, reason) == before))
    assert found == [408]
    assert logged(hasty, request_id(got))["reason"] == reason
    assert refusals(hasty, reason) == before + 1


def test_an_empty_line_after_a_request_begins_the_time_of_a_head(hasty: Process) -> None:
    with closing(hasty.socket()) as connection:
        connection.sendall(head().replace(b"connection: close\r\n", b""))
        got = connection.recv(1 << 16)
        connection.sendall(b"\r\n")  # without it the connection may stay for 75 s, more than the socket waits
        while piece := connection.recv(1 << 16):
            got += piece
    assert got.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue", "something else"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_expectations(expect: str, version: str, server: Process) -> None:
    sent = head(f"expect: {expect}", f"content-length: {len(BODY)}", line=SCORE.replace("1.1", version))
    assert talk(server, [sent + BODY])[0] == [200]  # who has sent the body does not wait
    with closing(server.socket()) as connection:
        connection.sendall(sent)
        if version == "1.1" and expect.lower() == "100-continue":
            assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")


def test_what_is_left_of_a_refused_body_is_dropped(server: Process) -> None:
    """Bytes that are no chunks do no harm there: nobody parses them."""
    with closing(server.socket()) as connection:
        connection.sendall(head(CHUNKED, "content-type: text/plain", line=SCORE) + b"1\r\na\r\n")
        got = bytearray()
        while piece := connection.recv(1 << 16):
            got += piece
        for _ in range(20):
            connection.sendall(b"no chunk" * 2**13)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert bytes(got).startswith(b"HTTP/1.1 415 ")
    assert b"\r\nconnection: close\r\n" in got
    assert logged(server, request_id(got))["status"] == 415


def test_a_body_that_looks_like_an_offer_is_not_rewritten(server: Process) -> None:
    rows = b"slices.a,labels,probabilities\r\nx,1,0.5\r\nupgrade:,1,0.5"
    line = "POST /v1/score/binary/rows HTTP/1.1"
    sent = head("content-type: text/csv", f"content-length: {len(rows)}", line=line) + rows
    first = b"GET /v1/limits HTTP/1.1\r\nhost: a\r\n\r\n"
    offer = first.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    answers = [talk(server, [before + sent]) for before in (b"", first, offer)]
    assert [found for found, _ in answers] == [[200], [200, 200], [200, 200]]
    ends = [got.rpartition(b"\r\n\r\n")[2] for _, got in answers]
    assert b'"upgrade:"' in ends[0]
    assert ends == ends[:1] * 3
