"""The calls of our own functions that one request makes: `python -m benchmarks.calls`.

`sys.setprofile` tells of every call in a server that answers on a real socket and is warm. A generator or coroutine
counts once, however often it is resumed; comprehensions and lambdas are left out. `--list NAME` shows the way itself.
"""

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from app.main import create_app
from app.server.listeners import listeners_on
from app.server.listening import Server
from app.server.start import configuration, tune
from app.settings import Settings
from benchmarks import formats, predictions
from benchmarks.contestants import SURPRISAL
from benchmarks.figures import Figure, alone
from benchmarks.servers import ROOT
from benchmarks.trial import Findings, Trial

HOME = f"{ROOT / 'app'}{os.sep}"
WARM_UP, COUNTED = 20, 9
SETTLING_SECONDS = 0.02  # the log line is written after the last byte of the answer
TARGETS = {"calls": "<= 80", "functions": "<= 60", "files": "<= 20", "changes of layer": "<= 8"}
SMALL = "(10, 3) JSON"


class Call(NamedTuple):
    """A call of a function; the layer is the first part of its file's path below `app`."""

    layer: str
    file: str
    line: int
    function: str


class Request(NamedTuple):
    """A path, a media type and a body."""

    path: str
    content_type: str
    body: bytes


def requests() -> dict[str, Request]:
    """The requests whose ways are counted."""
    columns = predictions.columns(10, 3)
    other = predictions.less_sure(columns)
    return {
        SMALL: Request(SURPRISAL.path_of("multiclass"), formats.JSON, formats.columns_json(columns)),
        "(10, 3) Arrow": Request(SURPRISAL.rows_path, formats.ARROW, formats.arrow(columns)),
        "compare of two, (10, 3) JSON": Request(
            "/v1/compare/multiclass", formats.JSON, formats.compared(columns, other)
        ),
    }


class Recorder:
    """A profile function that records the calls of our own functions while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[CodeType] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if not self.on or event != "call":
            return
        code = frame.f_code
        if code.co_filename.startswith(HOME) and not code.co_name.startswith("<") and not _is_resumed(frame):
            self.calls.append(code)


def _is_resumed(frame: FrameType) -> bool:
    """Tell if a generator or coroutine goes on: the argument of its RESUME is 0 only where a function begins."""
    return bool(frame.f_code.co_code[frame.f_lasti + 1] & 3)


def ways(names: list[str] | None = None) -> dict[str, tuple[Call, ...]]:
    """The calls of each request, the fewest of some tries: a timer may fall among them."""
    recorder = Recorder()
    asked = {name: request for name, request in requests().items() if names is None or name in names}
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), _serving(recorder) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        return {name: _way(connection, request, recorder) for name, request in asked.items()}


@contextmanager
def _serving(recorder: Recorder) -> Iterator[int]:
    """A server in a thread, all of whose threads are recorded; its port."""
    settings = Settings()
    threading.setprofile(recorder)
    tune()
    listeners = listeners_on("127.0.0.1", 0)
    serving = Server(configuration(create_app(settings), settings, "", 0), settings)
    thread = threading.Thread(target=serving.run, args=(listeners,))
    thread.start()
    try:
        while not serving.started and thread.is_alive():
            time.sleep(0.01)
        yield listeners[0].getsockname()[1]
    finally:
        serving.should_exit = True
        thread.join()
        threading.setprofile(None)


def _way(connection: HTTPConnection, request: Request, recorder: Recorder) -> tuple[Call, ...]:
    seen: list[tuple[Call, ...]] = []
    for turn in range(WARM_UP + COUNTED):
        recorder.calls, recorder.on = [], turn >= WARM_UP
        connection.request("POST", request.path, request.body, {"Content-Type": request.content_type})
        answer = connection.getresponse()
        content = answer.read()
        time.sleep(SETTLING_SECONDS)
        recorder.on = False
        if answer.status != 200:
            raise RuntimeError(f"{request.path} must answer 200, found {answer.status}: {content[:300]!r}")
        seen.append(tuple(map(_call, recorder.calls)))
    return min(seen[WARM_UP:], key=lambda way: (len(way), changes_of_layer(way)))


def _call(code: CodeType) -> Call:
    file = code.co_filename.removeprefix(HOME)
    layer = Path(file).parts[0].removesuffix(".py")
    return Call(layer, file, code.co_firstlineno, code.co_qualname)


def counts(way: tuple[Call, ...]) -> dict[str, int]:
    """The numbers of calls, functions and files of a way, or of one layer of it."""
    files = {call.file for call in way}
    return {"calls": len(way), "functions": len(set(way)), "files": len(files)}


def changes_of_layer(way: tuple[Call, ...]) -> int:
    """The number of calls in another layer than the call before."""
    return sum(before.layer != after.layer for before, after in pairwise(way))


def table(found: dict[str, tuple[Call, ...]]) -> str:
    """The table of calls, functions and files of each layer, a column for each request."""
    layers = dict.fromkeys(call.layer for way in found.values() for call in way)
    lines = [["layer", *(f"{name}: calls / functions / files" for name in found)], ["---"] * (1 + len(found))]
    for layer in layers:
        parts = [tuple(call for call in way if call.layer == layer) for way in found.values()]
        lines.append([f"`{layer}`", *map(_cell, parts)])
    lines.append(["sum", *map(_cell, found.values())])
    lines.append(["changes of layer", *(str(changes_of_layer(way)) for way in found.values())])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(way: tuple[Call, ...]) -> str:
    return " / ".join(map(str, counts(way).values()))


def measure(trial: Trial) -> Findings:
    """The sums of each way, with the targets of the small request."""
    figures: list[Figure] = []
    for name, way in ways(list(filter(trial.wants, requests()))).items():
        for kind, count in {**counts(way), "changes of layer": changes_of_layer(way)}.items():
            figures.append(alone(f"{name}: {kind}", "", count, TARGETS[kind] if name == SMALL else ""))
    return Findings(figures)


def main() -> None:
    """Print the table, or one way call by call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--list", choices=list(requests()), help="print the calls of this request in their order")
    name = parser.parse_args().list
    if name:
        print(*(f"{call.file}:{call.line} {call.function}" for call in ways([name])[name]), sep="\n")
    else:
        print(table(ways()))


if __name__ == "__main__":
    main()
