"""The engine of this machine: its workers end with it, and take no more memory than they may."""

import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.errors import FaultyFile
from app.jobs.local import LocalEngine
from app.jobs.planning import plan
from app.jobs.requests import MEBIBYTE, Bounds
from app.jobs.scoring import GroupSums, scored, scoring_of
from app.jobs.shards import Group
from tests.jobs.data_sets import job

QUERY = b"labels=labels&probabilities=p_*"
WAIT_SECONDS = 60.0


def never_ready(place: Path, group: Group) -> GroupSums:
    (place / f"{group.number}").write_text(str(os.getpid()))
    time.sleep(10 * WAIT_SECONDS)
    return GroupSums(b"", 0, 0)


def peak_bytes(score: Callable[[Group], GroupSums], group: Group) -> GroupSums:
    """Score a group, and tell the peak of the memory of this process as the bytes read."""
    found = score(group)
    return GroupSums(b"", found.n_rows, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_workers_end_with_their_engine_in_the_middle_of_a_group(tmp_path: Path) -> None:
    engine = LocalEngine(2)
    begun = [tmp_path / "0", tmp_path / "1"]

    def both_have_begun() -> bool:
        return all(path.exists() and path.read_text() for path in begun)

    found = list(
        engine.run([Group(number, ()) for number in range(3)], partial(never_ready, tmp_path), both_have_begun)
    )
    workers = [int(path.read_text()) for path in begun]
    assert not found
    assert all(map(is_alive, workers))
    engine.close()
    wait_until(lambda: not any(map(is_alive, workers)))


def written(path: Path, n_rows: int) -> None:
    """A file of one row group with few different values, which takes little space."""
    choice = np.random.default_rng(4).integers(0, 2, n_rows)
    columns = {f"p_{j}": np.where(choice == j, 0.5, 0.125).astype(np.float32) for j in range(5)}
    parquet.write_table(pa.table({"labels": choice, **columns}), path, row_group_size=n_rows)


def test_rows_that_take_too_much_memory_name_their_file(tmp_path: Path) -> None:
    written(tmp_path / "rows.parquet", 50_000)
    request, bounds = job("multiclass", QUERY, tmp_path), Bounds((str(tmp_path),), worker_bytes=100_000)
    made = plan(request, bounds)
    with pytest.raises(FaultyFile, match="must take at most 100000 bytes of memory at once, found") as caught:
        scored(made.groups[0], scoring_of(made, request, bounds))
    assert caught.value.file == str(tmp_path / "rows.parquet")


@pytest.mark.slow  # 10 s
def test_a_long_row_group_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    n_rows = 20_000_000
    written(tmp_path / "rows.parquet", n_rows)
    request, bounds = job("multiclass", QUERY, tmp_path), Bounds((str(tmp_path),))
    made = plan(request, bounds)
    engine = LocalEngine(1)
    ((_, found),) = engine.run(made.groups, partial(peak_bytes, scoring_of(made, request, bounds)), lambda: False)
    engine.close()
    assert found.n_rows == n_rows
    assert found.n_bytes < 384 * MEBIBYTE < n_rows * 28
