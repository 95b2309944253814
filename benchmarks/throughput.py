"""Requests a second of everybody, by wrk with eight connections, in rounds of all of them."""

import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import contestants, formats, predictions
from benchmarks.client import post
from benchmarks.contestants import BENTOML, LITSERVE, MLSERVER, NUMPY, RAW, SKLEARN, SURPRISAL, Contestant
from benchmarks.environments import HERE, NotInstalled
from benchmarks.figures import Figure, Turn, compared
from benchmarks.servers import NotStarted, Server
from benchmarks.trial import Findings, Trial

CONNECTIONS = 8
ROUNDS, SECONDS = 7, 3

SMALL = {RAW: ">= 0.33", MLSERVER: ">= 4", LITSERVE: ">= 8", BENTOML: ">= 8", NUMPY: ">= 2", SKLEARN: ">= 15"}
MEDIUM = {RAW: ">= 0.35", MLSERVER: ">= 2.5", LITSERVE: ">= 20", BENTOML: ">= 4", NUMPY: ">= 8", SKLEARN: ""}
OTHERS = {RAW: ">= 0.25", NUMPY: ">= 1.5"}  # as multiclass, within a quarter
WORKS: dict[tuple[str, tuple[int, ...]], dict[Contestant, str]] = {
    ("multiclass", (10, 3)): SMALL,
    ("multiclass", (1_000, 10)): MEDIUM,
    ("binary", (10,)): OTHERS,
    ("binary", (1_000,)): OTHERS,
    ("multilabel", (10, 3)): OTHERS,
    ("multilabel", (1_000, 10)): {RAW: ">= 0.26", NUMPY: ">= 6"},
    ("tokens", (10, 100)): OTHERS,
}
COMPARED_SHAPES = ((10, 3), (1_000, 10))
TWO_SCORES = "two requests to score"


class WrongAnswer(Exception):
    """A contestant does not answer the log loss."""


class Post(NamedTuple):
    """A server, the path where it is asked, and the file that it is sent."""

    server: Server
    path: str
    file: Path


def measure(trial: Trial) -> Findings:
    """Every contestant on every body that it knows, and comparing against scoring."""
    if shutil.which("wrk") is None:
        raise SystemExit("the requests are sent by wrk, which is not installed (Debian: apt-get install wrk)")
    figures: list[Figure] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers, missing = _started(trial, stack)
        for task, shape in WORKS:
            if trial.wants(_title(task, shape)):
                figures += _figures(trial, (task, shape), (servers, missing), folder)
        for shape in COMPARED_SHAPES:
            if trial.wants(work := f"compare of two, {shape} JSON"):
                figures.append(_comparing(trial, work, (servers[SURPRISAL], shape), folder))
    return Findings(figures)


def _title(task: str, shape: tuple[int, ...]) -> str:
    return f"{task} {shape} JSON"


Servers = tuple[dict[Contestant, Server], dict[Contestant, str]]


def _started(trial: Trial, stack: ExitStack) -> Servers:
    """The servers that run, paused, and why others do not."""
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
    trial: Trial, work: tuple[str, tuple[int, ...]], servers_and_missing: Servers, folder: Path
) -> Iterator[Figure]:
    servers, missing = servers_and_missing
    columns, works = predictions.of_task(work[0], *work[1]), {}
    for contestant in (SURPRISAL, *WORKS[work]):
        if contestant in servers:
            asked = _post(servers[contestant], contestant.path_of(work[0]), contestant.body(columns), folder)
            _check(asked, math.nan if contestant is RAW else predictions.log_loss(columns))
            works[contestant.name] = _rate(trial, asked)
    rates = trial.turns(works, ROUNDS)
    for contestant, target in WORKS[work].items():
        name = contestant.name
        if name in rates:
            yield compared(_title(*work), name, "requests/s", (rates[SURPRISAL.name], rates[name]), target)
        else:
            yield Figure(_title(*work), name, "requests/s", target=target, missing=missing[contestant])


def _comparing(trial: Trial, work: str, ours: tuple[Server, tuple[int, int]], folder: Path) -> Figure:
    """A comparison of two candidates beside two requests that score one each."""
    server, (rows, classes) = ours
    first, second = (predictions.columns(rows, classes, seed) for seed in (0, 1))
    expected = predictions.log_loss(first)
    comparing = _post(server, "/v1/compare/multiclass", formats.compared(first, second), folder)
    scoring = _post(server, SURPRISAL.path_of("multiclass"), formats.columns_json(first), folder)
    _check(comparing, expected)
    _check(scoring, expected)
    found = trial.turns({"compare": _rate(trial, comparing), "score": _rate(trial, scoring)}, ROUNDS)
    pairs = [Turn(turn.value / 2, 2 * turn.cpu) for turn in found["score"]]
    return compared(work, TWO_SCORES, "requests/s", (found["compare"], pairs), "<= 1.1")


def _post(server: Server, path: str, body: bytes, folder: Path) -> Post:
    file = folder / f"{server.port}-{path.replace('/', '-')}-{len(body)}"
    file.write_bytes(body)
    return Post(server, path, file)


def _check(asked: Post, expected: float) -> None:
    """See that the log loss stands somewhere in an answer; NaN where there is none."""
    asked.server.resume()
    answer = post(asked.server.port, asked.path, formats.JSON, asked.file.read_bytes())
    asked.server.pause()
    right = any(math.isclose(number, expected, rel_tol=1e-9) for number in _numbers(json.loads(answer.content)))
    if answer.status != 200 or not (right or math.isnan(expected)):
        raise WrongAnswer(f"{asked.path} answered {answer.status}: {answer.content[:300]!r}")


def _numbers(content: Any) -> Iterator[float]:
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from _numbers(item)
    elif isinstance(content, float):
        yield content


def _rate(trial: Trial, asked: Post) -> Callable[[], Turn]:
    """A work that gives requests a second; the server runs only meanwhile."""
    url = f"http://127.0.0.1:{asked.server.port}{asked.path}"
    lasting = f"-d{1 if trial.quick else SECONDS}s"
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", lasting, "--timeout", "20s", "-s", str(HERE / "post.lua"), url]

    def rate() -> Turn:
        asked.server.resume()
        before = asked.server.cpu_seconds()
        done = subprocess.run([*wrk, "--", asked.file, formats.JSON], capture_output=True, text=True, check=True)
        used = asked.server.cpu_seconds() - before
        asked.server.pause()
        requests, microseconds, failures = map(int, done.stdout.splitlines()[-1].split())
        if failures:
            raise WrongAnswer(f"{asked.path} failed {failures} of {requests} requests")
        return Turn(1e6 * requests / microseconds, 1e6 * used / requests)

    return rate
