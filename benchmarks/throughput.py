"""Requests a second of everybody, by wrk with eight connections, in rounds of all of them."""

import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import contestants, formats, predictions
from benchmarks.client import post
from benchmarks.contestants import RAW, SURPRISAL, Contestant
from benchmarks.environments import HERE, NotInstalled
from benchmarks.figures import Figure, compared, turns
from benchmarks.servers import NotStarted, Server
from benchmarks.trial import Findings, Trial

CONNECTIONS = 8
TARGETS = {
    (10, 3): {
        "raw ASGI app": ">= 0.22",
        "MLServer": ">= 2",
        "LitServe": ">= 6",
        "BentoML": ">= 6",
        "FastAPI, lists, scikit-learn": ">= 15",
    },
    (1_000, 10): {
        "raw ASGI app": ">= 0.35",
        "MLServer": ">= 1.8",
        "LitServe": ">= 10",
        "BentoML": ">= 10",
        "FastAPI, lists, NumPy": ">= 8",
    },
}


class WrongAnswer(Exception):
    """A contestant does not answer the log loss."""


def measure(trial: Trial) -> Findings:
    """Every contestant on every body."""
    if shutil.which("wrk") is None:
        raise SystemExit("the requests are sent by wrk, which is not installed (Debian: apt-get install wrk)")
    with ExitStack() as stack:
        servers, missing = _started(trial, stack)
        figures = [figure for shape in TARGETS for figure in _figures(trial, shape, servers, missing)]
    return Findings(figures)


def _started(trial: Trial, stack: ExitStack) -> tuple[dict[Contestant, Server], dict[Contestant, str]]:
    servers: dict[Contestant, Server] = {}
    missing: dict[Contestant, str] = {}
    for contestant in contestants.CONTESTANTS:
        if contestant.peer and contestant.peer not in trial.peers:
            missing[contestant] = "left out"
            continue
        try:
            servers[contestant] = stack.enter_context(contestants.server(contestant, trial.directory))
            servers[contestant].pause()
        except (NotInstalled, NotStarted) as reason:
            missing[contestant] = str(reason)
    return servers, missing


def _figures(
    trial: Trial, shape: tuple[int, int], servers: Mapping[Contestant, Server], missing: Mapping[Contestant, str]
) -> Iterator[Figure]:
    columns = predictions.columns(*shape)
    with tempfile.TemporaryDirectory() as folder:
        works = {}
        for contestant, server in servers.items():
            file = Path(folder) / contestant.name
            file.write_bytes(contestant.body(columns))
            _check(contestant, server, file.read_bytes(), predictions.log_loss(columns))
            works[contestant.name] = _rate(contestant, server, file, 1 if trial.quick else 4)
        rates = turns(works, trial.rounds(7))
    for contestant in contestants.CONTESTANTS:
        if contestant is not SURPRISAL:
            yield _figure(shape, contestant, rates, missing.get(contestant, ""))


def _figure(shape: tuple[int, int], contestant: Contestant, rates: Mapping[str, list[float]], missing: str) -> Figure:
    work, target = f"{shape} JSON", TARGETS[shape].get(contestant.name, "")
    if missing:
        return Figure(work, contestant.name, "requests/s", target=target, missing=missing)
    return compared(work, contestant.name, "requests/s", (rates[SURPRISAL.name], rates[contestant.name]), target)


def _check(contestant: Contestant, server: Server, body: bytes, expected: float) -> None:
    server.resume()
    answer = post(server.port, contestant.path, formats.JSON, body)
    server.pause()
    right = any(math.isclose(number, expected, rel_tol=1e-9) for number in _numbers(json.loads(answer.content)))
    if answer.status != 200 or not (right or contestant is RAW):
        raise WrongAnswer(f"{contestant.name} answered {answer.status}: {answer.content[:300]!r}")


def _numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from _numbers(item)
    elif isinstance(content, float):
        yield content


def _rate(contestant: Contestant, server: Server, body: Path, seconds: int) -> Callable[[], float]:
    """A work that gives requests a second; the server runs only meanwhile."""
    url = f"http://127.0.0.1:{server.port}{contestant.path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(HERE / "post.lua"), url]

    def rate() -> float:
        server.resume()
        done = subprocess.run([*command, "--", body, formats.JSON], capture_output=True, text=True, check=True)
        server.pause()
        requests, microseconds, failures = map(int, done.stdout.splitlines()[-1].split())
        if failures:
            raise WrongAnswer(f"{contestant.name} failed {failures} of {requests} requests")
        return 1e6 * requests / microseconds

    return rate
