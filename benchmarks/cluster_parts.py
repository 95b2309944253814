"""Measures the parts that `benchmarks.cluster_simulation` is made of: `python -m benchmarks.cluster_parts`.

All are seconds of processors, so that a machine that is not at rest tells nearly the same.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from distributed import Client
from pyarrow import parquet

from app.api.schemas.dataset_questions import dataset_question
from app.jobs.planning import plan
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import added, scored, scoring_of
from tests.jobs.clusters import running_cluster

N_CLASSES = 5
QUERY = b"labels=outcome&probabilities=p_*&include=calibration,per_class,confusion,worst"
MEBIBYTE = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _rows(folder / "rows", 10_000_000)
        _scoring(folder / "rows")
        _cluster(folder)


def _rows(folder: Path, n_rows: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(14)
    columns = {"outcome": rng.integers(0, N_CLASSES, n_rows).astype(np.int32)}
    predictions = rng.dirichlet(np.ones(N_CLASSES), n_rows).astype(np.float32)
    table = pa.table({**columns, **{f"p_{j}": predictions[:, j] for j in range(N_CLASSES)}})
    parquet.write_table(table, folder / "a.parquet", row_group_size=1_000_000)
    size = (folder / "a.parquet").stat().st_size
    print(f"bytes a row: {size / n_rows:.1f}")


def _scoring(folder: Path) -> None:
    request = JobRequest("multiclass", (str(folder),), {}, dataset_question("multiclass", QUERY))
    bounds = Bounds((str(folder),), shard_bytes=64 * MEBIBYTE)
    made = plan(request, bounds)
    scoring, group = scoring_of(made, request, bounds), made.groups[0]
    sums = scored(group, scoring)
    seconds = _processor_seconds(lambda: scored(group, scoring), 3)
    print(f"a shard: {group.n_bytes / MEBIBYTE:.0f} MiB, {sums.n_rows} rows, {seconds:.2f} s")
    print(f"bytes a second: {group.n_bytes / seconds / MEBIBYTE:.0f} MiB, rows a second: {sums.n_rows / seconds:.3g}")
    print(f"state: {len(sums.sums)} bytes")
    print(f"an add: {_processor_seconds(lambda: added([sums] * 8, scoring), 20) / 8 * 1e3:.2f} ms")
    path = folder / "sums"
    print(f"a synced write: {_wall_seconds(lambda: _written(path, sums.sums), 20) * 1e3:.1f} ms")


def _written(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())


def _processor_seconds(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def _wall_seconds(work: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _cluster(folder: Path) -> None:
    with running_cluster(folder, 2) as cluster, Client(cluster.address, set_as_default=False) as client:
        client.gather([client.submit(_idle, number, key=f"warm-{number}") for number in range(50)])
        n_tasks, before, own = 2000, _used(cluster.scheduler), time.process_time()
        futures = [client.submit(_idle, "x" * 1500, key=f"idle-{number}") for number in range(n_tasks)]
        sent = time.process_time() - own
        client.gather(futures)
        print(f"the scheduler: {(_used(cluster.scheduler) - before) / n_tasks * 1e3:.2f} ms a task")
        print(f"the service: {sent / n_tasks * 1e3:.2f} ms a task that it sends")


def _used(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


_idle = repr


if __name__ == "__main__":
    main()
