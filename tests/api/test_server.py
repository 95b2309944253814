"""A real server process on a socket: what the in-process transport skips."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from app.__main__ import main
from tests.api.servers import ROOT, Process, running
from tests.encoded import MEDIA_TYPES, encoded

SCORE = "/v1/score/binary"
ROWS = f"{SCORE}/rows"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}'
SHORT = {
    "SURPRISAL_MAX_BODY_BYTES": "1000000",
    "SURPRISAL_BODY_TIMEOUT_SECONDS": "0.5",
    "SURPRISAL_HEAD_TIMEOUT_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running(**SHORT) as server:
        yield server


@pytest.fixture(scope="module")
def patient() -> Iterator[Process]:
    """A server with the deadlines that it has by default."""
    with running() as server:
        yield server


def exchanged(server: Process, *parts: bytes) -> tuple[bytes, dict[str, Any]]:
    """Send bytes, read until the server closes, and part status line from problem."""
    with server.socket() as connection:
        for part in parts:
            connection.sendall(part)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert b"\r\nconnection: close" in head
    assert b"\r\nx-content-type-options: nosniff" in head
    problem: dict[str, Any] = json.loads(body)
    assert b"x-request-id: " + problem["request_id"].encode() in head
    return head.split(b"\r\n")[0], problem


def logged(server: Process, request_id: str) -> dict[str, Any]:
    """The line of a request in the log."""
    while (line := server.wait_for("request"))["request_id"] != request_id:
        pass
    return line


def counted(server: Process, code: str) -> float:
    """The number of requests that the server refused with a code before the application heard of them."""
    connection = server.connection()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(rf'surprisal_requests_total{{code="{code}",route="unmatched",status="\d+"}} (\S+)', text)
    return float(found[0]) if found else 0.0


@pytest.mark.parametrize(
    ("sent", "code", "status"),
    [
        (b"\x16\x03\x01\x02", "malformed_request", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000, "head_too_large", 431),
        (b"GET / HTTP/1.1\r\n", "request_timeout", 408),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "malformed_request", 400),
    ],
)
def test_what_never_becomes_a_request_is_counted_and_logged(
    sent: bytes, code: str, status: int, server: Process
) -> None:
    before = counted(server, code)
    _, problem = exchanged(server, sent)
    assert problem["code"] == code
    line = logged(server, problem["request_id"])
    assert (line["code"], line["status"], line["route"], line["level"]) == (code, status, "unmatched", "info")
    assert counted(server, code) == before + 1


def post(server: Process, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{SCORE}", body, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - the URL is ours
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_request_is_answered_and_logged_under_its_id(server: Process) -> None:
    status, answer = post(server, BODY, **{"X-Request-ID": "socket-1"})
    assert (status, answer["n_samples"]) == (200, 3)
    line = server.wait_for("request")
    assert (line["request_id"], line["status"], line["n_scored"]) == ("socket-1", 200, 3)
    assert (line["level"], line["logger"]) == ("info", "surprisal.access")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_too_much_lives_to_read_why(chunked: bool, server: Process) -> None:
    megabyte = b" " * 2**20
    status, problem = post(server, iter([megabyte] * 32) if chunked else megabyte * 32)
    assert (status, problem["code"]) == (413, "too_large")


def test_a_refused_body_is_taken_in_on_every_path(server: Process) -> None:
    connection = server.connection()
    connection.request("POST", "/nothing", b" " * 2**25)
    response = connection.getresponse()
    assert response.status == 404
    response.read()
    connection.close()


def test_a_slow_body_is_cut_off(server: Process) -> None:
    head = f"POST {SCORE} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n".encode()
    status, problem = exchanged(server, head, b"{")
    assert status == b"HTTP/1.1 408 Request Timeout"
    assert "0.5 seconds" in problem["detail"]


def test_a_slow_head_is_cut_off(server: Process) -> None:
    status, problem = exchanged(server, b"GET /healthz HTTP/1.1\r\nhost: ")
    assert status == b"HTTP/1.1 408 Request Timeout"
    assert problem["code"] == "request_timeout"


def test_a_second_head_on_a_connection_has_a_deadline_too(server: Process) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
    with server.socket() as connection:
        connection.sendall(whole)
        answer = b""
        while not answer.endswith(b'{"status":"alive"}'):
            answer += connection.recv(65536)
        connection.sendall(whole[:-2])
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 Request Timeout")


def test_a_connection_that_brings_nothing_is_closed(server: Process) -> None:
    with server.socket() as connection:
        assert connection.recv(1) == b""


def test_a_head_has_a_size(server: Process) -> None:
    status, problem = exchanged(server, b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000)
    assert status == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert problem["code"] == "head_too_large"


def test_what_is_not_http_is_a_problem(server: Process) -> None:
    status, problem = exchanged(server, b"\x16\x03\x01\x02\x00\x01\x00")
    assert status == b"HTTP/1.1 400 Bad Request"
    assert problem["code"] == "malformed_request"


def test_head_has_no_body(server: Process) -> None:
    with server.socket() as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"\r\nserver:" not in answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_loses_nothing_in_flight(number: int) -> None:
    with running() as server:
        idle = server.socket()
        connections = [server.connection() for _ in range(5)]
        for connection in connections:
            connection.putrequest("POST", SCORE)
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders(BODY[:10])
        # The sixth is answered after the five were begun, for they came before it.
        assert post(server, BODY)[0] == 200
        server.terminate(number)
        server.wait_for("Shutting down")
        for connection in connections:
            connection.send(BODY[10:])
        for connection in connections:
            response = connection.getresponse()
            assert json.load(response)["n_samples"] == 3
            assert response.headers["connection"] == "close"
            connection.close()
        assert server.ended() == 0
        idle.close()
    assert [line["status"] for line in server.log if line["event"] == "request"] == [200] * 6


def test_a_drain_has_an_end() -> None:
    with running(SURPRISAL_DRAIN_TIMEOUT_SECONDS="1") as server:
        connection = server.connection()
        connection.putrequest("POST", SCORE)
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        assert post(server, BODY)[0] == 200
        server.terminate()
        response = connection.getresponse()
        problem = json.load(response)
        assert (response.status, problem["code"], response.headers["retry-after"] in {"1", "2"}) == (
            503,
            "unavailable",
            True,
        )
        assert problem["request_id"] == response.headers["x-request-id"]
        assert server.ended() == 0
        connection.close()
    cut_off = server.log[[line["event"] for line in server.log].index("Shutting down") :]
    assert [line["status"] for line in cut_off if line["event"] == "request"] == [503]


def test_wrong_settings_stop_the_start() -> None:
    environment = os.environ | {"SURPRISAL_MAX_THREADS": "none", "SURPRISAL_MAX_THREAD": "4"}
    done = subprocess.run(
        [sys.executable, "-m", "app"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "SURPRISAL_MAX_THREAD must be a setting, found none of that name; did you mean SURPRISAL_MAX_THREADS?",
        'SURPRISAL_MAX_THREADS must be a valid integer, found "none"',
    ]


@pytest.mark.parametrize("port", ["65536", "-1", "http", "80.0", ""])
def test_a_port_is_a_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([f"--port={port}"])
    assert end.value.code == 2
    told = f'argument --port: must be a number from 0 to 65535, found "{port}"\n'
    assert capsys.readouterr().err.endswith(told)


def answers(server: Process, *parts: bytes) -> list[tuple[int, bytes]]:
    """Send bytes on one connection, read until the server closes; status and body of each answer."""
    found = []
    with server.socket() as connection, connection.makefile("rb") as file:
        for part in parts:
            connection.sendall(part)
        while line := file.readline():
            headers = http.client.parse_headers(file)
            found.append((int(line.split()[1]), file.read(int(headers.get("content-length", "0")))))
    return found


def request(path: str, body: bytes = b"", *headers: str, last: bool = False) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: a", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, *["connection: close"] * last, "", ""]).encode() + body


EXPECT = "expect: 100-continue"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{ROWS}?epsilonn=1", ["content-type: text/csv"], 422),
        (f"{ROWS}?epsilon=1", ["content-type: application/x-npz"], 422),
        (f"{SCORE}?epsilon=0.1", [], 422),
        ("/v1/compare/binary?margin=0.1", [], 422),
        (SCORE, ["content-type: text/plain"], 415),
        (SCORE, ["content-type: text/csv"], 415),
        (ROWS, ["content-type: application/json"], 415),
        (ROWS, [], 415),
        (SCORE, ["content-encoding: br"], 415),
        (SCORE, ["accept: text/html"], 406),
        (ROWS, ["content-type: text/csv", "accept: application/vnd.apache.arrow.stream"], 406),
        ("/nothing", [], 404),
        ("/healthz", [], 405),
    ],
)
def test_what_the_head_gets_wrong_is_refused_before_the_body_is_asked_for(
    path: str, headers: list[str], status: int, server: Process
) -> None:
    head = request(path, b" " * 100, *headers, EXPECT)[:-100]
    with server.socket() as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("media_type", ["application/json", "application/x-npz", "text/csv"])
def test_a_length_beyond_the_limit_is_refused_before_the_body_is_asked_for(media_type: str, server: Process) -> None:
    length = f"content-length: {2**50}"
    path = SCORE if media_type == "application/json" else ROWS
    head = request(path, b"", f"content-type: {media_type}", EXPECT).replace(b"content-length: 0", length.encode())
    with server.socket() as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_is_asked_for_where_nothing_is_wrong_with_the_head(server: Process) -> None:
    whole = request(SCORE, BODY, EXPECT, last=True)
    with server.socket() as connection:
        connection.sendall(whole[: -len(BODY)])
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("n_bytes", [65_000, 66_000, 200_000, 3_000_000])
def test_options_that_are_too_long_for_a_head_are_told_so(n_bytes: int, server: Process) -> None:
    weights = ",".join(["0.5"] * (n_bytes // 4))
    connection = server.connection()
    connection.request(
        "POST", f"/v1/score/multiclass/rows?class_weight={weights}", b"labels\n1\n", {"Content-Type": "text/csv"}
    )
    response = connection.getresponse()
    problem = json.load(response)
    connection.close()
    assert (response.status, problem["code"]) == (
        (422, "invalid_input") if n_bytes < 2**16 else (431, "head_too_large")
    )
    assert n_bytes < 2**16 or "JSON" in problem["detail"]


def test_pipelined_requests_are_answered_in_order(server: Process) -> None:
    large = b'{"labels": [1], "probabilities": [0.5]}' + b" " * 200_000
    parts = [request(SCORE, BODY), request(SCORE, large), request("/nothing"), request(SCORE, BODY, last=True)]
    found = answers(server, b"".join(parts))
    assert [status for status, _ in found] == [200, 200, 404, 200]
    assert [json.loads(body).get("n_samples") for _, body in found] == [3, 1, None, 3]


def test_a_head_after_a_large_body_in_one_piece_is_not_too_large(server: Process) -> None:
    last = request(SCORE, BODY, last=True)
    first = request(SCORE, BODY + b" " * 200_000)
    assert [status for status, _ in answers(server, first + last[:20], last[20:])] == [200, 200]


def test_nonsense_after_a_request_does_not_answer_it(server: Process) -> None:
    slow = json.dumps({"labels": [1, 0] * 20_000, "probabilities": [0.25] * 40_000}).encode()
    ((status, body),) = answers(server, request(SCORE, slow) + b"nonsense\r\n\r\n")
    assert (status, json.loads(body)["n_samples"]) == (200, 40_000)


def test_an_offer_of_http_2_does_no_harm_on_a_connection_in_use(server: Process) -> None:
    offer = request(SCORE, BODY, "connection: Upgrade, HTTP2-Settings", "upgrade: h2c")
    with server.socket() as connection:
        for _ in range(2):
            connection.sendall(offer)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK")


def open_files(server: Process) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=20) as response:
        text: str = response.read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("process_open_fds"))


def test_who_does_not_read_its_answer_is_cut_off(server: Process) -> None:
    sink = io.BytesIO()
    n_rows = 400_000  # with an answer that is longer than what two sockets hold
    np.savez(sink, labels=np.ones(n_rows, int), probabilities=np.random.default_rng(1).uniform(0.1, 1.0, n_rows))
    path = f"{ROWS}?include=per_sample,gradient"
    before = open_files(server)
    with server.socket() as connection:
        connection.sendall(request(path, sink.getvalue(), "content-type: application/x-npz", last=True))
        while connection.recv(1, socket.MSG_PEEK) and open_files(server) > before:
            pass
        with connection.makefile("rb") as file:
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(file)
            assert len(file.read()) < int(headers["content-length"])


def test_options_is_a_method_that_paths_do_not_know(server: Process) -> None:
    ((status, body),) = answers(server, request(SCORE, last=True).replace(b"POST", b"OPTIONS"))
    assert (status, json.loads(body)["detail"]) == (405, "the method must be one of: POST")


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["json", *MEDIA_TYPES])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_hundred_at_once_are_all_answered(format_: str, is_chunked: bool, patient: Process) -> None:
    columns: dict[str, list[Any]] = {"labels": [1, 0], "probabilities": [0.75, 0.5]}
    body = json.dumps(columns).encode() if format_ == "json" else encoded(format_, columns)
    media_type = MEDIA_TYPES.get(format_, "application/json")
    whole = request(SCORE if format_ == "json" else ROWS, body, f"content-type: {media_type}", last=True)
    if is_chunked:
        length = f"content-length: {len(body)}".encode()
        head = whole[: -len(body)].replace(length, b"transfer-encoding: chunked")
        whole = head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    with ExitStack() as stack:
        connections = [stack.enter_context(patient.socket()) for _ in range(100)]
        for connection in connections:
            connection.sendall(whole)
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
            patient.wait_for("request")  # a log that nobody reads stops the server
