"""A real server process on a socket."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Process:
    """`python -m app` on a port of its own; its log is read line by line, so that tests wait for events."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "--port", "0"],
            cwd=ROOT,
            env=os.environ | {"SURPRISAL_DRAIN_DELAY_SECONDS": "0"} | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
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

    def peak_bytes(self) -> int:
        """The most memory that the process has held so far; with workers the sum of what each has."""
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in (self.pid, *self.workers())]
        lines = [line for status in statuses for line in status.splitlines()]
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return workers_of(self.pid)

    def terminate(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for the end without reading the log; the exit code."""
        with self._process as process:  # which closes the pipe of the log
            return process.wait(seconds)

    def ended(self) -> int:
        """Read the rest of the log; the exit code."""
        with self._process as process:
            assert process.stdout
            if not process.stdout.closed:
                self.log += map(json.loads, process.stdout)
        return process.returncode


def free_port() -> int:
    """A port on which nobody listens, for a program that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def workers_of(pid: int) -> list[int]:
    """The process ids of workers below a process."""
    return children_of(pid, b"spawn_main")


def children_of(pid: int, word: bytes) -> list[int]:
    """The process ids below a process whose command holds a word."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")  # each has the processes that it has started
    children = [child for thread in threads for child in thread.read_text().split()]
    return [int(child) for child in children if word in Path(f"/proc/{child}/cmdline").read_bytes()]


@contextmanager
def running(**environment: str) -> Iterator[Process]:
    server = Process(**environment)
    try:
        yield server
    finally:
        server.terminate()
        server.ended()
