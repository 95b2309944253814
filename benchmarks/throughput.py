"""A section: requests a second of every contestant, by wrk with eight connections, in rounds of all of them."""

import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from benchmarks import contestants, formats, predictions
from benchmarks.client import post
from benchmarks.contestants import BENTOML, LITSERVE, MLSERVER, NUMPY, RAW, SKLEARN, SURPRISAL, TWO_WORKERS, Contestant
from benchmarks.environments import HERE, NotInstalled
from benchmarks.figures import Figure, Turn, compared
from benchmarks.servers import NotStarted, Server
from benchmarks.trial import Findings, Trial

CONNECTIONS = 8
ROUNDS, SECONDS = 7, 3

SMALL = {RAW: ">= 0.33", MLSERVER: ">= 4", LITSERVE: ">= 8", BENTOML: ">= 8", NUMPY: ">= 2", SKLEARN: ">= 15"}
MEDIUM = {RAW: ">= 0.35", MLSERVER: ">= 2.5", LITSERVE: ">= 20", BENTOML: ">= 4", NUMPY: ">= 8", SKLEARN: ""}
OTHERS = {RAW: ">= 0.25", NUMPY: ">= 1.5"}  # as multiclass, within a quarter
Work: TypeAlias = tuple[str, tuple[int, ...]]
"""A task and the shape of its predictions."""

WORKS: dict[Work, dict[Contestant, str]] = {
    ("multiclass", (10, 3)): SMALL,
    ("multiclass", (1_000, 10)): MEDIUM,
    ("binary", (10,)): OTHERS,
    ("binary", (1_000,)): OTHERS,
    ("multilabel", (10, 3)): OTHERS,
    ("multilabel", (1_000, 10)): {RAW: ">= 0.26", NUMPY: ">= 6"},
    ("tokens", (10, 100)): OTHERS,
}
SHAPES = ((10, 3), (1_000, 10))
TWO_SCORES, ONE_WORKER = "two requests to score", "one worker"


class WrongAnswer(Exception):
    """A contestant that does not answer the log loss."""


class Post(NamedTuple):
    """A server, the path where it is asked, and the file that it is sent."""

    server: Server
    path: str
    file: Path


def measure(trial: Trial) -> Findings:
    """Measure every contestant on every body that it knows, and comparing against scoring."""
    if shutil.which("wrk") is None:
        raise SystemExit("the requests are sent by wrk, which is not installed (Debian: apt-get install wrk)")
    chosen = {
        work: {who: target for who, target in targets.items() if trial.wants(_title(*work), who.name)}
        for work, targets in WORKS.items()
    }
    compared_shapes = [shape for shape in SHAPES if trial.wants(_comparing(shape), TWO_SCORES)]
    shared_shapes = [shape for shape in SHAPES if trial.wants(_sharing(shape), ONE_WORKER)]
    started = {SURPRISAL, *chain(*chosen.values()), *([TWO_WORKERS] if shared_shapes else [])}
    figures: list[Figure] = []
    with _started(trial, started) as course:
        for work in filter(chosen.get, WORKS):
            figures += course.figures(work, chosen[work])
        figures += [course.comparing(shape) for shape in compared_shapes]
        figures += [course.sharing(shape) for shape in shared_shapes]
    return Findings(figures)


def _title(task: str, shape: tuple[int, ...]) -> str:
    return f"{task} {shape} JSON"


def _comparing(shape: tuple[int, int]) -> str:
    return f"compare of two, {shape} JSON"


def _sharing(shape: tuple[int, int]) -> str:
    return f"two workers, {_title('multiclass', shape)}"


@dataclass(frozen=True)
class _Course:
    """The servers that run, paused; the reasons why others do not; and the folder of bodies."""

    trial: Trial
    servers: Mapping[Contestant, Server]
    missing: Mapping[Contestant, str]
    folder: Path

    def figures(self, work: Work, targets: Mapping[Contestant, str]) -> Iterator[Figure]:
        """The figures of Surprisal against others on one body."""
        task, shape = work
        columns, works = predictions.of_task(task, *shape), {}
        for contestant in (SURPRISAL, *targets):
            if contestant in self.servers:
                expected = math.nan if contestant is RAW else predictions.log_loss(columns)
                asked = self._post(contestant, contestant.path_of(task), contestant.body(columns), expected)
                works[contestant.name] = _rate(self.trial, asked)
        rates = self.trial.turns(works, ROUNDS)
        for contestant, target in targets.items():
            name = contestant.name
            if name in rates:
                yield compared(_title(*work), name, "requests/s", (rates[SURPRISAL.name], rates[name]), target)
            else:
                yield Figure(_title(*work), name, "requests/s", target=target, missing=self.missing[contestant])

    def comparing(self, shape: tuple[int, int]) -> Figure:
        """The figures of comparing two candidates beside two requests that score one each."""
        first = predictions.columns(*shape)
        second, expected = predictions.less_sure(first), predictions.log_loss(first)
        works = {}
        for path, body in (
            ("/v1/compare/multiclass", formats.compared(first, second)),
            (SURPRISAL.path_of("multiclass"), formats.columns_json(first)),
        ):
            works[path] = _rate(self.trial, self._post(SURPRISAL, path, body, expected))
        comparisons, scores = self.trial.turns(works, ROUNDS).values()
        pairs = [Turn(turn.value / 2, 2 * turn.cpu) for turn in scores]
        return compared(_comparing(shape), TWO_SCORES, "requests/s", (comparisons, pairs), "<= 1.1")

    def sharing(self, shape: tuple[int, int]) -> Figure:
        """The figures of two workers against one; the client needs some of the second core."""
        title, target, columns = _sharing(shape), ">= 1.5", predictions.columns(*shape)
        if TWO_WORKERS in self.missing:
            return Figure(title, ONE_WORKER, "requests/s", target=target, missing=self.missing[TWO_WORKERS])
        path, body, expected = (
            SURPRISAL.path_of("multiclass"),
            formats.columns_json(columns),
            predictions.log_loss(columns),
        )
        asked = [self._post(contestant, path, body, expected) for contestant in (TWO_WORKERS, SURPRISAL)]
        two, one = self.trial.turns({post.file.name: _rate(self.trial, post) for post in asked}, ROUNDS).values()
        return compared(title, ONE_WORKER, "requests/s", (two, one), target)

    def _post(self, contestant: Contestant, path: str, body: bytes, expected: float) -> Post:
        """A body in a file, once it has been answered rightly."""
        file = self.folder / f"{contestant.name}{path.replace('/', '-')}-{len(body)}"
        file.write_bytes(body)
        asked = Post(self.servers[contestant], path, file)
        _check(asked, expected)
        return asked


@contextmanager
def _started(trial: Trial, chosen: Collection[Contestant]) -> Iterator[_Course]:
    servers: dict[Contestant, Server] = {}
    missing: dict[Contestant, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for contestant in chosen:
            if contestant.peer and contestant.peer not in trial.peers:
                missing[contestant] = "left out"
                continue
            try:
                servers[contestant] = stack.enter_context(contestants.server(contestant, trial.directory))
                servers[contestant].pause()
            except (NotInstalled, NotStarted) as reason:
                missing[contestant] = str(reason)
        yield _Course(trial, servers, missing, folder)


def _check(asked: Post, expected: float) -> None:
    """Check that the log loss stands somewhere in an answer."""
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
    """A work that returns requests a second; the server is paused before and after it."""
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
