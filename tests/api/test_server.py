"""A real server process on a socket: what the in-process transport skips."""

import http.client
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}'
SHORT = {
    "SURPRISAL_MAX_BODY_BYTES": "1000000",
    "SURPRISAL_BODY_TIMEOUT_SECONDS": "0.5",
    "SURPRISAL_HEAD_TIMEOUT_SECONDS": "0.5",
}


class Process:
    """`python -m app` on a port of its own; its log is read line by line, so that tests wait for events."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "--port", "0"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        url = re.search(r"127\.0\.0\.1:(\d+)", self.wait_for("Uvicorn running")["event"])
        assert url
        self.port = int(url[1])

    def wait_for(self, event: str) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            self.log.append(json.loads(line))
            if self.log[-1]["event"].startswith(event):
                return self.log[-1]
        raise AssertionError(self.log)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def resident_bytes(self) -> int:
        """Memory that the process holds, as Linux tells it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        return int(kilobytes) * 1024

    def terminate(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """Read the rest of the log; the exit code."""
        with self._process as process:
            assert process.stdout
            if not process.stdout.closed:
                self.log += map(json.loads, process.stdout)
        return process.returncode


@contextmanager
def running(**environment: str) -> Iterator[Process]:
    server = Process(**environment)
    try:
        yield server
    finally:
        server.terminate()
        server.ended()


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running(**SHORT) as server:
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
    problem: dict[str, Any] = json.loads(body)
    assert b"x-request-id: " + problem["request_id"].encode() in head
    return head.split(b"\r\n")[0], problem


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
    assert (line["request_id"], line["status"], line["n_samples"]) == ("socket-1", 200, 3)
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
        assert server.ended() == 0
        connection.close()
    cut_off = server.log[[line["event"] for line in server.log].index("Shutting down") :]
    assert [line["status"] for line in cut_off if line["event"] == "request"] == [499]


def test_a_wrong_setting_stops_the_start() -> None:
    environment = os.environ | {"SURPRISAL_MAX_THREADS": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "app"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("SURPRISAL_*: ")
    assert "max_threads" in done.stderr
    assert "Traceback" not in done.stderr
