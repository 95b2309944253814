"""Load as clients see it: `python -m benchmarks.overload`, beside or beyond what the service can do.

The server has the first processor, clients and health checks the second. The capacity is the most that was answered
with 200 in a second. What else runs on the machine disturbs every number, so nothing is written to the pages.

Clients written in Python send less than ten thousand requests of 9 kB a second. Beyond the capacity those of `h2load`
may take their place where it is installed (Debian: nghttp2-client): each of 1,000 sends at its rate, but only once it
has its answer, and its times count from then.
"""

import argparse
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import contestants, formats, load, predictions
from benchmarks.environments import HERE
from benchmarks.open_loop import Plan, Seen, offered
from benchmarks.servers import Server

TIMES = (0.8, 2, 5, 10)
N_CLIENTS, N_FLOODING = 100, 1000
"""The clients that wait for each answer, and those that send more than can be answered, as many as one address may."""
FLOOD_RATE = 5_000
"""The requests a second beyond which clients written in Python are the ones that are overloaded."""
PAUSE_SECONDS = 0.02
NORMAL_SECONDS = 0.05
"""The time of a health check that is normal again."""
AFTER_SECONDS = 3.0
HEADINGS = (
    *("load", "offered/s", "200/s", "p50", "p99", "503/s", "p50", "p99", "again after", "late", "other"),
    *("health p50", "p99", "failed", "normal after", "processor"),
)


class Work(NamedTuple):
    """A request that is sent again and again; `guess` is far beyond what can be answered in a second."""

    path: str
    body: bytes
    guess: float

    @property
    def sent(self) -> bytes:
        """The whole request, which leaves the connection open."""
        return self._sent("keep-alive")

    @property
    def alone(self) -> bytes:
        """The same, after which the connection is closed."""
        return self._sent("close")

    def _sent(self, connection: str) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nhost: a\r\nconnection: {connection}\r\n"
        kind = f"content-type: {formats.JSON}\r\ncontent-length: {len(self.body)}\r\n\r\n"
        return f"{head}{kind}".encode() + self.body


class Health(NamedTuple):
    """The seconds of answers of `/healthz` on new connections, those that failed, and the time until all are normal."""

    seconds: list[float]
    n_failed: int
    normal_after: float


def works() -> dict[str, Work]:
    """The requests: one that is scored on the event loop, and one that gets a thread."""
    scored, fitted = predictions.of_task("binary", 1000), predictions.of_task("binary", 100)
    return {
        "score 1,000 rows": Work("/v1/score/binary", formats.columns_json(scored), 4000),
        "calibrate 100 rows": Work("/v1/calibrate/binary", formats.columns_json(fitted), 300),
    }


def watched(port: int, seconds: float, after: float = AFTER_SECONDS) -> Health:
    """Ask for health again and again, for so many seconds under load and some after."""
    load_ends = time.perf_counter() + seconds
    taken, n_failed, late, asked = list[float](), 0, load_ends, 0.0
    while asked < load_ends + after:
        asked = time.perf_counter()
        is_healthy = _is_healthy(port)
        n_failed += not is_healthy
        answered = time.perf_counter()
        if asked < load_ends:
            taken.append(answered - asked)
        if not is_healthy or answered - asked > NORMAL_SECONDS:
            late = max(late, answered)
        time.sleep(PAUSE_SECONDS)
    return Health(taken, n_failed, late - load_ends)


def _is_healthy(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _move() -> None:
    """Move this process to the last processor."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _watched(port: int, seconds: float) -> Health:
    _move()
    return watched(port, seconds)


def _clients(plan: Plan) -> Seen:
    _move()
    return offered(plan)


def _flood(plan: Plan, work: Work) -> Seen:
    """Offer a load by clients in C."""
    _move()
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(work.body)
        command = ["h2load", "--h1", f"-c{plan.n_connections}", f"-D{round(plan.seconds)}", f"--log-file={log}"]
        command += [f"--rps={plan.rate / plan.n_connections}", "-d", str(body), "-H", f"content-type: {formats.JSON}"]
        subprocess.run([*command, f"http://127.0.0.1:{plan.port}{work.path}"], check=True, capture_output=True)
        answers = np.loadtxt(log, np.int64, ndmin=2)
    statuses, taken = answers[:, 1], answers[:, 2] / 1e6
    seen.served, seen.refused = taken[statuses == 200].tolist(), taken[statuses == 503].tolist()
    seen.others.update(statuses[(statuses != 200) & (statuses != 503)].tolist())
    seen.n_due, seen.seconds = len(answers), plan.seconds
    return seen


def _large(port: int, seconds: float) -> Seen:
    _move()
    began = time.perf_counter()
    seen = Seen()
    seen.others.update(load.uploads(port, seconds))
    seen.seconds = time.perf_counter() - began
    return seen


class Course:
    """A server and the processes that load it."""

    def __init__(self, server: Server, pool: ProcessPoolExecutor, seconds: float) -> None:
        self._server, self._pool, self._seconds = server, pool, seconds

    def clients(self, name: str, work: Work, rate: float, n_connections: int = 400) -> float:
        """Offer so many requests a second; by 0 as many as the clients send. Return those answered in a second."""
        plan = Plan(self._server.port, work.sent, rate, self._seconds, n_connections)
        seen = self._show(name, lambda: self._pool.submit(_clients, plan))
        return len(seen.served) / seen.seconds

    def flood(self, name: str, work: Work, rate: float) -> float:
        """Offer more requests than can be answered."""
        plan = Plan(self._server.port, work.sent, rate, self._seconds, N_FLOODING)
        seen = self._show(name, lambda: self._pool.submit(_flood, plan, work))
        return len(seen.served) / seen.seconds

    def uploads(self) -> None:
        """Send large bodies, each as soon as the one before it is answered."""
        port, seconds = self._server.port, self._seconds
        self._show(f"{load.N_LARGE} uploads", lambda: self._pool.submit(_large, port, seconds))

    def _show(self, name: str, begin: Callable[[], Future[Seen]]) -> Seen:
        cpu = self._server.cpu_seconds()
        watching = self._pool.submit(_watched, self._server.port, self._seconds)
        seen = begin().result()
        share = (self._server.cpu_seconds() - cpu) / seen.seconds
        print(
            "|",
            " | ".join([name, *_cells(seen), *_cells_of_health(watching.result()), f"{share:.0%}"]),
            "|",
            flush=True,
        )
        return seen


def _cells(seen: Seen) -> list[str]:
    served, refused = _milliseconds(seen.served), _milliseconds(seen.refused)
    rates = [f"{n / seen.seconds:,.0f}" for n in (seen.n_due, len(seen.served), len(seen.refused))]
    spread = f"{min(seen.retry_after)} to {max(seen.retry_after)}" if seen.retry_after else ""
    others = ", ".join(f"{status}: {n}" for status, n in seen.others.items())
    return [*rates[:2], *served, rates[2], *refused, spread, f"{seen.n_late / max(1, seen.n_due):.1%}", others]


def _cells_of_health(health: Health) -> list[str]:
    return [*_milliseconds(health.seconds), str(health.n_failed), f"{health.normal_after:.1f} s"]


def _milliseconds(seconds: list[float]) -> list[str]:
    """The median and the 99th percentile."""
    return [f"{1e3 * value:.0f} ms" for value in np.percentile(seconds, [50, 99])] if seconds else ["", ""]


def measure(seconds: float, words: list[str], **environ: Any) -> None:
    """Print a table; every load lasts so many seconds."""
    spawn = multiprocessing.get_context("spawn")
    with contestants.server(contestants.SURPRISAL, HERE, **environ) as server, ProcessPoolExecutor(3, spawn) as pool:
        os.sched_setaffinity(server.pid, {min(os.sched_getaffinity(0))})
        course = Course(server, pool, seconds)
        print("|", " | ".join(HEADINGS), "|\n|", " --- |" * len(HEADINGS), sep="")
        for name, work in works().items():
            if not words or any(word in name for word in words):
                course.clients("warm up", work, work.guess / 20)
                most = max(course.clients(f"{name}, to find the capacity", work, work.guess / n) for n in (1, 2))
                most = max(most, course.clients(f"{name}, {N_CLIENTS} clients", work, 0.0, N_CLIENTS))
                for times in TIMES:
                    is_flood = times * most > FLOOD_RATE and times > 1 and shutil.which("h2load")
                    load_of = course.flood if is_flood else course.clients
                    load_of(f"{name}, {times} times the capacity", work, times * most)
        if not words or "uploads" in words:
            course.uploads()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each load lasts (default: %(default)s)")
    parser.add_argument("--only", nargs="*", default=[], help="words of which a load must have one")
    options = parser.parse_args()
    measure(options.seconds, options.only)


if __name__ == "__main__":
    main()
