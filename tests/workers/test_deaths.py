"""Workers and their supervisor die, hang and are replaced."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from socket import socket
from threading import Event, Thread
from typing import Self

import pytest

from tests.api.servers import ROOT, Process, children_of, running, workers_of

TWO = {"SURPRISAL_WORKERS": "2"}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def status(server: Process) -> int:
    connection = server.connection()
    connection.request("GET", "/healthz")
    found = connection.getresponse().status
    connection.close()
    return found


def total(server: Process) -> float:
    """Answers of /healthz that are counted."""
    connection = server.connection()
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.split()[1]) for line in lines if "requests_total{" in line and '"/healthz"' in line)


class Load:
    """Clients that ask again and again, each on a connection that it keeps until it breaks."""

    def __init__(self, server: Process) -> None:
        self.n_answered = self.n_broken = 0
        self._server, self._end = server, Event()
        self._threads = [Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = self._server.connection()
        while not self._end.is_set():
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                self.n_answered += 1
            except (OSError, http.client.HTTPException):
                self.n_broken += 1
                connection.close()
        connection.close()


@pytest.mark.slow
def test_a_worker_that_is_killed_under_load_is_replaced_and_no_count_falls() -> None:
    with running(**TWO) as server:
        killed, other = server.workers()
        with Load(server) as load:
            eventually(lambda: load.n_answered > 100)
            before = total(server)
            os.kill(killed, signal.SIGKILL)
            told = server.wait_for("worker ")
            n_answered = load.n_answered
            eventually(lambda: load.n_answered > n_answered + 100)
            eventually(lambda: total(server) > before)
            server.wait_for("Application startup complete")
        assert load.n_broken <= 4  # one a client, which the dead worker had
        assert (told["level"], told["logger"]) == ("error", "surprisal.workers")
        assert f"process {killed}, was killed by SIGKILL; another takes its place in" in told["event"]
        eventually(lambda: len(server.workers()) == 2)
        assert other in server.workers()
        eventually(lambda: total(server) >= load.n_answered - 4)  # one a client: answers are counted once they are sent
        server.terminate()
        assert server.ended() == 0


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_is_replaced_ever_later() -> None:
    with running(**TWO) as server:
        stays, dies = server.workers()
        told = []
        for _ in range(3):
            os.kill(dies, signal.SIGKILL)
            told.append(server.wait_for("worker ")["event"].rpartition(" in ")[2])
            eventually(lambda: len(server.workers()) == 2)
            (dies,) = set(server.workers()) - {stays}
            assert status(server) == 200
    # The first is early only if the machine was quick.
    assert told in (["1 s", "2 s", "4 s"], ["0 s", "1 s", "2 s"])


def test_a_worker_that_dies_before_it_serves_ends_the_start() -> None:
    command = [sys.executable, "-m", "app", "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        eventually(lambda: bool(workers_of(process.pid)))
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        log, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"].rpartition(", ")[2] for line in lines if line["level"] == "critical"] == [
        "was killed by SIGKILL"
    ]
    assert not any("running" in line["event"] for line in lines)


def test_a_worker_that_just_begins_ends_in_order_though_the_tracker_was_killed() -> None:
    """Python's tracker of resources begins again with the next process, and lets signals through to it."""
    with running(**TWO) as server:
        for pid in (*children_of(server.pid, b"resource_tracker"), server.workers()[0]):
            os.kill(pid, signal.SIGKILL)
        server.wait_for("worker ")
        eventually(lambda: len(server.workers()) == 2)
        server.terminate()
        assert server.ended() == 0


def test_no_worker_and_no_file_outlives_the_supervisor(tmp_path: Path) -> None:
    with running(**TWO, TMPDIR=str(tmp_path)) as server:
        assert status(server) == 200
        eventually(lambda: bool(list(tmp_path.glob("*/*.db"))))  # a request is counted once it is answered
        workers = server.workers()
        server.terminate(signal.SIGKILL)
        server.ended()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert list(tmp_path.iterdir()) == []
    assert [line["event"] for line in server.log].count("the supervisor has died, and its workers end") == 2


def test_a_worker_that_hangs_keeps_no_new_client_waiting_and_no_end() -> None:
    with running(**TWO, SURPRISAL_DRAIN_TIMEOUT_SECONDS="0") as server:
        hangs, _ = server.workers()
        os.kill(hangs, signal.SIGSTOP)
        assert [status(server) for _ in range(20)] == [200] * 20
        server.terminate()
        server.wait_for("Shutting down")
        with socket() as late:  # the worker that hangs listens still, and would never take it
            late.settimeout(0.2)
            assert late.connect_ex(("127.0.0.1", server.port)) != 0
        assert server.ended() == 1
    assert f"process {hangs} did not end in time" in [line["event"] for line in server.log]
