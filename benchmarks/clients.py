"""A section: the client beside what people write by hand, and what columns by name cost the service."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa

from benchmarks import contestants, predictions
from benchmarks.contestants import SURPRISAL
from benchmarks.figures import Figure, Turn, compared
from benchmarks.servers import ROOT, Server
from benchmarks.streams import BATCH_ROWS, streamed
from benchmarks.trial import Findings, Trial

PYTHON = ROOT / ".venv-client/bin/python"
"""The environment of the client's tests, which holds nothing of the service."""
ARRAYS, FRAME = "client", "client, frame"
TARGETS = {
    ARRAYS: {"PyArrow and httpx": "<= 1.15", "numpy.savez and httpx": "<= 1.15"},
    FRAME: {"sklearn log_loss": "<= 1"},
}
NAMES = {"labels": "outcome", "probabilities": "p_*"}


def measure(trial: Trial) -> Findings:
    """Measure arrays of 10 MB, a frame of a million rows, and a stream whose columns have names of their own."""
    part = 10 if trial.quick else 1
    figures: list[Figure] = []
    with contestants.server(SURPRISAL, trial.directory) as server:
        for ours, n_rows in ((ARRAYS, 110_000 // part), (FRAME, 1_000_000 // part)):
            if trial.wants(work := f"({n_rows}, 10) {ours}", *TARGETS[ours]):
                figures += _beside(trial, server, work, ours, n_rows)
        figures += _mapped(trial, server)
    return Findings(figures)


def _beside(trial: Trial, server: Server, work: str, ours: str, n_rows: int) -> list[Figure]:
    """The client against others; the processor time is that of both ends."""
    targets = TARGETS[ours]
    if not PYTHON.exists():
        return [Figure(work, name, "ms", target=target, missing="no .venv-client") for name, target in targets.items()]
    with _worker(server, n_rows) as asked:
        bytes_of = {name: asked(name)[1] for name in (ours, *targets)}  # the first turn warms up, too
        works = {name: (lambda name=name: asked(name)[0]) for name in (ours, *targets)}
        times = trial.turns(works, 15)
    found = [compared(work, name, "ms", (times[ours], times[name]), target) for name, target in targets.items()]
    sent = [(name, n_bytes) for name, n_bytes in bytes_of.items() if name != ours and n_bytes]
    mine = bytes_of[ours]
    return found + [
        Figure(f"{work}: bytes sent", name, "MiB", mine / 2**20, theirs / 2**20, mine / theirs, "<= 1.01")
        for name, theirs in sent
    ]


@contextmanager
def _worker(server: Server, n_rows: int) -> Iterator[Callable[[str], tuple[Turn, int]]]:
    """A process of the client; a function that lets it do one of its works, and tells time and bytes."""
    command = [str(PYTHON), str(Path(__file__).parent / "peers/client_work.py")]
    command += [f"http://127.0.0.1:{server.port}", str(n_rows), "10"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()

        def asked(name: str) -> tuple[Turn, int]:
            before = server.cpu_seconds()
            print(name, file=process.stdin, flush=True)
            took = json.loads(process.stdout.readline() if process.stdout else "")
            return Turn(took["ms"], took["cpu"] + 1e6 * (server.cpu_seconds() - before)), took["bytes"]

        yield asked
        process.stdin.close()


def _mapped(trial: Trial, server: Server) -> Iterator[Figure]:
    """The processor time of a stream whose columns the query names, against that of one with the fields' names."""
    n_batches = (10**6 if trial.quick else 5 * 10**6) // BATCH_ROWS
    if not trial.wants(work := f"columns by name, stream of {n_batches * BATCH_ROWS:,} rows: processor time"):
        return
    columns = predictions.columns(BATCH_ROWS, 10)
    plain, own = (
        pa.record_batch(
            [pa.array(columns["labels"]), *map(pa.array, columns["probabilities"].T.copy())],
            names=[label, *(f"{prefix}{number}" for number in range(10))],
        )
        for label, prefix in (("labels", "probabilities_"), ("outcome", "p_"))
    )
    path = SURPRISAL.rows_path
    works = {
        "mapped": _by_processor(streamed(server, f"{path}?{urlencode(NAMES)}", own, n_batches)),
        "plain": _by_processor(streamed(server, path, plain, n_batches)),
    }
    times = trial.turns(works, 9)
    yield compared(work, "names of the fields", "ms", (times["mapped"], times["plain"]), "<= 1.03")


def _by_processor(work: Callable[[], Turn]) -> Callable[[], Turn]:
    def turn() -> Turn:
        cpu = work().cpu
        return Turn(cpu / 1e3, cpu)

    return turn
