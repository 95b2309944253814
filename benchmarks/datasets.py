"""A section: data sets of Parquet on a disk, scored by the processes of the local engine."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from app.api.schemas.dataset_questions import dataset_question
from app.jobs.adding import answer
from app.jobs.dask_engine import DaskEngine
from app.jobs.local import LocalEngine
from app.jobs.planning import plan
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import scoring_of
from benchmarks.environments import HERE, NotInstalled, python_of
from benchmarks.figures import Figure, Turn, alone, compared
from benchmarks.trial import Findings, Trial
from tests.jobs.clusters import running_cluster

N_CLASSES, GROUP_ROWS, FILE_ROWS = 5, 1_000_000, 10_000_000
ROWS = "rows/s"
PRELOAD = ("app.jobs.scoring", "app.api.schemas.dataset_questions")
ENGINES = ("polars", "duckdb")
ROUNDS = 3


def measure(trial: Trial) -> Findings:
    """Measure rows a second beside decoding alone and beside SQL, the gain of a second process, memory and planning."""
    n_files = 1 if trial.quick else 10
    rows = FILE_ROWS // (10 if trial.quick else 1)
    figures: list[Figure] = []
    with TemporaryDirectory(dir=trial.directory) as folder:
        _write(Path(folder), n_files, rows)
        with closing(LocalEngine(2, PRELOAD)) as two, closing(LocalEngine(1, PRELOAD)) as one:
            figures += _rates(trial, Path(folder), n_files * rows, two, one)
            figures += _growth(Path(folder), n_files, rows, two)
            figures += _on_a_cluster(trial, Path(folder), n_files * rows, two)
            figures.append(alone("peak memory of a worker", "MiB", _peak_memory(), "<= 512"))
    figures.append(_planning(trial))
    return Findings(figures)


def _write(folder: Path, n_files: int, n_rows: int) -> None:
    """Files of random rows: labels, and a column of float32 for each class."""
    for number in range(n_files):
        rng = np.random.default_rng(number)
        raw = rng.random((N_CLASSES, n_rows), np.float32) + np.float32(1e-3)
        raw /= raw.sum(axis=0)
        columns = {"labels": rng.integers(0, N_CLASSES, n_rows)}
        columns |= {f"probabilities_{j}": raw[j] for j in range(N_CLASSES)}
        parquet.write_table(pa.table(columns), folder / f"{number:02}.parquet", row_group_size=GROUP_ROWS)


def _rates(trial: Trial, folder: Path, n_rows: int, two: LocalEngine, one: LocalEngine) -> Iterator[Figure]:
    files = sorted(folder.glob("*.parquet"))
    whole = f"{folder}/*.parquet"
    works: dict[str, Callable[[], Turn]] = {
        "two": lambda: _rate(n_rows, lambda: _scored(whole, folder, two)),
        "one": lambda: _rate(n_rows, lambda: _scored(whole, folder, one)),
        "decoding": lambda: _rate(n_rows, lambda: _decoded(files)),
    }
    work = f"data set of {n_rows:,} x {N_CLASSES} float32 as Parquet, two processes"
    for engine in (two, one):
        _scored(str(files[0]), folder, engine)  # processes have started
    with _by_sql(trial, whole) as (sql, missing):
        works |= {name: lambda ask=ask: Turn(n_rows / ask(), 0.0) for name, ask in sql.items()}  # type: ignore[misc]
        turns = trial.turns(works, ROUNDS)
    yield compared(work, "pyarrow, decoding in one thread", ROWS, (turns["two"], turns["decoding"]), ">= 0.45")
    for name in ENGINES:
        if name in turns:
            yield compared(work, f"{name}, log loss alone", ROWS, (turns["two"], turns[name]), ">= 0.5")
        else:
            yield Figure(work, f"{name}, log loss alone", ROWS, target=">= 0.5", missing=missing)
    yield compared(work, "one process", ROWS, (turns["two"], turns["one"]), ">= 1.7")


def _on_a_cluster(trial: Trial, folder: Path, n_rows: int, local: LocalEngine) -> Iterator[Figure]:
    """The rate of a Dask cluster of this machine beside the local engine; both are warm."""
    with TemporaryDirectory(dir=trial.directory) as logs, running_cluster(Path(logs), n_workers=2) as cluster:
        whole, dask = f"{folder}/*.parquet", DaskEngine(cluster.address)
        _scored(whole, folder, dask)
        works: dict[str, Callable[[], Turn]] = {
            "dask": lambda: _rate(n_rows, lambda: _scored(whole, folder, dask)),
            "local": lambda: _rate(n_rows, lambda: _scored(whole, folder, local)),
        }
        turns = trial.turns(works, ROUNDS)
    work = f"data set of {n_rows:,} x {N_CLASSES} float32 as Parquet, Dask with two workers"
    yield compared(work, "the local engine, two processes", ROWS, (turns["dask"], turns["local"]), ">= 0.85")


def _growth(folder: Path, n_files: int, n_rows: int, engine: LocalEngine) -> Iterator[Figure]:
    """The slope of the time over the rows on logarithmic axes."""
    sizes = sorted({1, max(1, n_files // 3), n_files})
    if len(sizes) > 1:
        seconds = []
        for size in sizes:
            sources = [f"{folder}/{number:02}.parquet" for number in range(size)]
            seconds.append(_seconds(lambda sources=sources: _scored(",".join(sources), folder, engine)))  # type: ignore[misc]
        slope = float(np.polyfit(np.log10(sizes), np.log10(seconds), 1)[0])
        yield alone(f"slope of time, {n_rows:,} to {n_files * n_rows:,} rows", "", slope, "<= 1.05")


def _planning(trial: Trial) -> Figure:
    """The time to plan many small files."""
    n_files = 500 if trial.quick else 10_000
    with TemporaryDirectory(dir=trial.directory) as folder:
        first = Path(folder) / "0.parquet"
        columns = {"labels": [0, 1], **{f"probabilities_{j}": [0.2, 0.2] for j in range(N_CLASSES)}}
        parquet.write_table(pa.table(columns), first)
        written = first.read_bytes()
        for number in range(1, n_files):
            (Path(folder) / f"{number}.parquet").write_bytes(written)
        seconds = _seconds(lambda: plan(_request(folder), Bounds((folder,))))
    return alone(f"planning of {n_files:,} small files", "ms", 1e3 * seconds, "<= 10000")


def _request(sources: str) -> JobRequest:
    return JobRequest("multiclass", tuple(sources.split(",")), {}, dataset_question("multiclass", b""))


def _scored(sources: str, root: Path, engine: LocalEngine | DaskEngine) -> None:
    """Plan a data set, score it and make the answer."""
    request, bounds = _request(sources), Bounds((str(root),))
    made = plan(request, bounds)
    sums = dict(engine.run(made.groups, scoring_of(made, request, bounds), lambda: False))
    answer(request, (sums[number].sums for number in range(len(sums))))


def _decoded(files: list[Path]) -> None:
    for file in files:
        for _ in parquet.ParquetFile(file).iter_batches(batch_size=1 << 16, use_threads=False):
            pass


def _rate(n_rows: int, work: Callable[[], None]) -> Turn:
    return Turn(n_rows / _seconds(work), 0.0)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_memory() -> float:
    """The most MiB that any child of this process has held, or a child of one."""
    peaks = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            command = (status.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        if found and "forkserver" in command and str(sys.executable) in command:
            peaks.append(int(found[1]) / 1024)
    return max(peaks, default=0.0)


@contextmanager
def _by_sql(trial: Trial, files: str) -> Iterator[tuple[dict[str, Callable[[], float]], str]]:
    """A function for each engine of SQL that returns the seconds of one turn, and the reason if there is none."""
    try:
        python = python_of("tables", trial.directory) if trial.peers else None
    except NotInstalled as reason:
        yield {}, str(reason)
        return
    if python is None:
        yield {}, "not measured"
        return
    program = str(HERE / "peers" / "log_loss_by_sql.py")
    asked = {
        name: subprocess.Popen(
            [str(python), program, name, files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ENGINES
    }
    try:
        yield {name: lambda peer=peer: _asked(peer) for name, peer in asked.items()}, ""  # type: ignore[misc]
    finally:
        for peer in asked.values():
            peer.communicate()


def _asked(peer: "subprocess.Popen[str]") -> float:
    if peer.stdin is None or peer.stdout is None:
        raise TypeError("the program has pipes")
    peer.stdin.write("\n")
    peer.stdin.flush()
    return float(peer.stdout.readline().split()[0])
