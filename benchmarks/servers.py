"""Servers as child processes, started on a free port, frozen while others have a turn, ended by process group."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60
STOP_SECONDS = 15


class NotStarted(Exception):
    """A server that ended, or did not answer in time."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _family(ancestor: int) -> set[int]:
    """A process and all its descendants, since some workers lead sessions of their own."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    family, found = {ancestor}, {ancestor}
    while found:
        found = {child for child, parent in parents.items() if parent in found} - family
        family |= found
    return family


def _cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        return time.clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid(3) finds
    return 0.0


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Server:
    """A context manager that ends every process it started."""

    def __init__(self, command: list[str], port: int, environ: Mapping[str, str]) -> None:
        self.port = port
        self._command = command
        self._environ = {**os.environ, **environ}

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.resume()
        family = _family(self.pid)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        _signal(family, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """The processor time of the server and of every living process that it started."""
        return sum(map(_cpu_seconds, _family(self.pid)))

    def pause(self) -> None:
        """Take the server off the processor, since some peers poll."""
        _signal(_family(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        _signal(_family(self.pid), signal.SIGCONT)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                sys.stderr.write(self._log.read().decode(errors="replace")[-2000:])
                raise NotStarted("did not start")
            time.sleep(0.1)

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
        return True
