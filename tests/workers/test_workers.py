"""Several workers on a socket: nothing of the contract changes with their number."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.__main__ import main
from tests.api.servers import ROOT, Process, running
from tests.encoded import MEDIA_TYPES, encoded

SCORE = "/v1/score/binary"
COLUMNS: dict[str, list[Any]] = {"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}
BODY = json.dumps(COLUMNS).encode()
WRONG = b'{"labels": [1], "probabilities": [2]}'
COMPARED = b"""{"labels": [1, 0, 1], "candidates": [
    {"name": "a", "probabilities": [0.9, 0.2, 0.6]}, {"name": "b", "probabilities": [0.8, 0.3, 0.6]}]}"""
TWO = {"SURPRISAL_WORKERS": "2"}


@pytest.fixture(scope="module")
def pair() -> Iterator[Process]:
    with running(**TWO) as server:
        yield server


@pytest.fixture(scope="module")
def single() -> Iterator[Process]:
    with running() as server:
        yield server


def answer(server: Process, path: str, body: bytes | None, media_type: str) -> tuple[int, dict[str, str], bytes]:
    """The answer to a client of its own, but for the date."""
    connection = server.connection()
    headers = {"Content-Type": media_type, "X-Request-ID": "same"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()) | {"date": ""}, content


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        *((path, None, "") for path in ("/healthz", "/readyz", "/v1/limits", "/v1/metrics", "/openapi.json", "/none")),
        *((path, body, "application/json") for path, body in ((SCORE, BODY), (SCORE, WRONG), (SCORE, b"{"))),
        ("/v1/compare/binary", COMPARED, "application/json"),
        *((f"{SCORE}/rows", encoded(name, COLUMNS), media) for name, media in MEDIA_TYPES.items()),
    ],
)
def test_no_byte_of_an_answer_depends_on_the_number_of_workers(
    path: str, body: bytes | None, media_type: str, single: Process, pair: Process
) -> None:
    expected = answer(single, path, body, media_type)
    assert expected[0] != 500
    assert [answer(pair, path, body, media_type) for _ in range(3)] == [expected] * 3


def clients(pid: int) -> int:
    """Sockets that a process has open."""
    return sum(str(link.readlink()).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())


def gain(server: Process, pid: int, stack: ExitStack) -> int:
    """Clients of eight, one after the other, that a worker takes."""
    before = clients(pid)
    for _ in range(8):
        connection = stack.enter_context(server.socket())
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(4096)
    return clients(pid) - before


def catches_up(server: Process) -> bool:
    """Give one worker eight clients; tell if the other then has most of the next eight."""
    one, other = server.workers()
    with ExitStack() as stack:
        os.kill(other, signal.SIGSTOP)
        assert gain(server, one, stack) == 8
        os.kill(other, signal.SIGCONT)
        return gain(server, other, stack) >= 6


def test_a_client_goes_to_the_worker_that_has_fewest(pair: Process) -> None:
    # A machine with more to do may keep the other from the processor while its turn lasts.
    assert any(catches_up(pair) for _ in range(40))


def samples(server: Process) -> dict[tuple[str, ...], float]:
    _, _, content = answer(server, "/metrics", None, "")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def test_a_scrape_of_any_worker_adds_up_all(single: Process) -> None:
    path = "/v1/score/multiclass"
    with running(**TWO) as server:
        for _ in range(12):
            assert answer(server, SCORE, BODY, "application/json")[0] == 200
        while samples(server)["surprisal_request_seconds_count", SCORE] < 12:
            pass  # a request is counted once it is answered
        scrapes = [samples(server) for _ in range(4)]
        while samples(server)["surprisal_in_flight",] != 1:
            pass  # the scrape before is answered, and may not have ended yet
        memory = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.workers())
    for found in scrapes:
        assert found["surprisal_requests_total", "", SCORE, "200"] == 12
        assert found["surprisal_request_seconds_count", SCORE] == 12
        assert found["surprisal_request_seconds_bucket", "+Inf", SCORE] == 12
        assert found["surprisal_samples_total", SCORE] == 36
        assert found["process_resident_memory_bytes",] > 0.9 * memory * os.sysconf("SC_PAGE_SIZE")
        assert ("surprisal_requests_total", "", path, "200") not in found
    names = {key[0] for key in samples(single) if not key[0].endswith("_created")}
    assert names <= {key[0] for key in scrapes[-1]} | {"surprisal_samples_total"}
    cpu = [found["process_cpu_seconds_total",] for found in scrapes]
    assert cpu == sorted(cpu)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_loses_nothing_in_flight(number: int) -> None:
    with running(**TWO) as server:
        connections = [server.connection() for _ in range(6)]
        for connection in connections:
            connection.putrequest("POST", SCORE)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders(BODY[:10])
        while samples(server)["surprisal_in_flight",] < 7:
            pass
        server.terminate(number)
        for _ in range(2):
            server.wait_for("Shutting down")
        with socket.socket() as late:
            assert late.connect_ex(("127.0.0.1", server.port)) != 0
        for connection in connections:
            connection.send(BODY[10:])
        for connection in connections:
            response = connection.getresponse()
            assert (response.status, json.load(response)["n_samples"]) == (200, 3)
            connection.close()
        assert server.ended() == 0


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_limits_that_cannot_be_divided_stop_the_start() -> None:
    done = start("--workers", "3", SURPRISAL_MAX_THREADS="2", SURPRISAL_WORKERS="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "SURPRISAL_MAX_THREADS must be at least 3, one a worker, found 2\n"


def test_a_port_that_is_taken_stops_the_start(pair: Process) -> None:
    done = start("--workers", "2", "--port", str(pair.port))
    assert done.returncode == 3
    assert "in use" in json.loads(done.stdout)["event"]


def test_a_worker_for_each_cpu_as_the_log_says() -> None:
    with running(SURPRISAL_WORKERS="0", SURPRISAL_MAX_THREADS="1") as server:
        told = server.log[0]["event"]
        assert told.startswith("1 worker: there are ")
        assert told.endswith(", and limits for 1")
        assert server.workers() == []


@pytest.mark.parametrize("workers", ["-1", "two", "1.5", ""])
def test_a_number_of_workers_is_a_number(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([f"--workers={workers}"])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(f'argument --workers: must be a number from 0, found "{workers}"\n')
