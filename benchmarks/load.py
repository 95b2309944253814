"""A section: small requests while large ones are scored, timed from outside; every client is a process of its own.

A request leaves 10 ms after the one before it left, or as soon as that one is answered where it takes longer. A stall
that pings see is that of the event loop, and the wait of the client itself for a core.
"""

import gc
import multiprocessing
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection

import numpy as np

from benchmarks import contestants, formats, predictions
from benchmarks.client import post
from benchmarks.contestants import SURPRISAL
from benchmarks.figures import Turn, alone, compared
from benchmarks.trial import Findings, Trial

INTERVAL_SECONDS = 0.01
N_LARGE = 8
LARGE_ROWS = 77_500  # 16 MB
PATH = SURPRISAL.path_of("multiclass")


@dataclass(frozen=True)
class Seen:
    """The seconds of every small request and every ping, and the statuses of the large requests."""

    small: list[float]
    pings: list[float]
    large: list[int]


def measure(trial: Trial) -> Findings:
    """Measure the same clients without and with load, in turns."""
    rounds, seconds = (1, 3) if trial.quick else (4, 8)
    with contestants.server(SURPRISAL, trial.directory) as server, _processes() as pool:
        found = [
            (_seen(pool, server.port, seconds, loaded=False), _seen(pool, server.port, seconds, loaded=True))
            for _ in range(rounds)
        ]
    quiet, busy = zip(*found, strict=True)
    work = f"(10, 3) JSON while {N_LARGE} bodies of 16 MB JSON run"
    large = [status for seen in busy for status in seen.large]
    return Findings(
        [
            compared(f"{work}: p99", "unloaded", "ms", (_percentiles(busy, 99), _percentiles(quiet, 99)), "<= 2"),
            compared(f"{work}: median", "unloaded", "ms", (_percentiles(busy, 50), _percentiles(quiet, 50)), "<= 2"),
            alone("longest answer of /healthz meanwhile", "ms", 1e3 * max(max(seen.pings) for seen in busy), "<= 100"),
            alone("longest answer of /healthz unloaded", "ms", 1e3 * max(max(seen.pings) for seen in quiet)),
            alone("bodies of 16 MB answered with 200 meanwhile", "", large.count(200)),
            alone("bodies of 16 MB answered otherwise", "", len(large) - large.count(200)),
        ]
    )


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(3, multiprocessing.get_context("spawn"))


def _percentiles(rounds: Iterable[Seen], rank: float) -> list[Turn]:
    return [Turn(float(1e3 * np.percentile(seen.small, rank)), 0.0) for seen in rounds]


def _seen(pool: ProcessPoolExecutor, port: int, seconds: float, *, loaded: bool) -> Seen:
    for ready in [pool.submit(time.sleep, 0.5) for _ in range(3)]:  # every process is up before the timing begins
        ready.result()
    large: Future[list[int]] | None = pool.submit(uploads, port, seconds) if loaded else None
    small = pool.submit(_paced, port, "POST", PATH, seconds)
    pings = pool.submit(_paced, port, "GET", "/healthz", seconds)
    return Seen(small.result(), pings.result(), large.result() if large else [])


def _paced(port: int, method: str, path: str, seconds: float) -> list[float]:
    body = formats.columns_json(predictions.columns(10, 3)) if method == "POST" else None
    headers = {"Content-Type": formats.JSON} if body else {}
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    gc.disable()
    waits, end = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        connection.request(method, path, body, headers)
        connection.getresponse().read()
        waits.append(time.perf_counter() - start)
        time.sleep(max(0.0, start + INTERVAL_SECONDS - time.perf_counter()))
    connection.close()
    return waits


def uploads(port: int, seconds: float) -> list[int]:
    """The statuses of large bodies, sent again and again over eight connections at once."""
    body = formats.columns_json(predictions.columns(LARGE_ROWS, 10))
    deadline = time.monotonic() + seconds

    def repeatedly(_: int) -> list[int]:
        statuses = []
        while time.monotonic() < deadline:
            statuses.append(post(port, PATH, formats.JSON, body).status)
        return statuses

    with ThreadPoolExecutor(N_LARGE) as threads:
        return [status for statuses in threads.map(repeatedly, range(N_LARGE)) for status in statuses]
