"""The engine of a Dask cluster: the bits of all rows at once, and the errors of the local engine."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.errors import FaultyFile, SourceUnavailable
from app.jobs import dask_engine, dask_flight
from app.jobs.dask_engine import DaskEngine
from app.jobs.dask_flight import MAX_PIECES, pieces_of, scored_piece
from app.jobs.planning import plan
from app.jobs.requests import Bounds
from app.jobs.scoring import GroupSums, Scoring, scoring_of
from app.jobs.shards import Group, Shard
from tests.api.servers import free_port
from tests.jobs.clusters import running_cluster
from tests.jobs.outcomes import Outcomes, request_of, run, written


class InThisProcess:
    """An engine of one thread."""

    def run(self, groups: Iterable[Group], score: Scoring, _: Callable[[], bool]) -> Iterator[tuple[int, GroupSums]]:
        for group in groups:
            yield group.number, score(group)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), n_workers=2) as cluster:
        yield cluster.address


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return written(tmp_path_factory.mktemp("outcomes"))


@pytest.mark.parametrize("max_groups", [1000, 2, 1], ids=["a task a group", "two trees", "one tree"])
def test_the_answer_is_that_of_all_rows(scheduler: str, outcomes: Outcomes, max_groups: int) -> None:
    engine = DaskEngine(scheduler)
    assert run(engine, outcomes.folder, max_groups) == outcomes.whole()
    assert engine.n_retried == 0


def test_few_tasks_are_sent_at_once(scheduler: str, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_flight, "MAX_TASKS_SENT", 3)
    assert run(DaskEngine(scheduler), outcomes.folder) == outcomes.whole()


@pytest.mark.parametrize("max_groups", [1000, 1])
def test_a_bad_row_is_told_with_its_file(scheduler: str, tmp_path: Path, max_groups: int) -> None:
    made = written(tmp_path, n_files=3)
    bad = {"outcome": np.array([0, 1, 2]), **{f"p_{j}": np.array([0.2, 0.3, 1.5]) for j in range(3)}}
    parquet.write_table(pa.table(bad), made.folder / "site=site-001" / "part.parquet")
    with pytest.raises(FaultyFile, match=r"site-001/part\.parquet.*1\.5") as raised:
        run(DaskEngine(scheduler), made.folder, max_groups)
    with pytest.raises(FaultyFile) as here:
        run(InThisProcess(), made.folder, max_groups)
    assert (str(raised.value), raised.value.row) == (str(here.value), here.value.row)


def test_a_cancelled_job_ends_soon(scheduler: str, outcomes: Outcomes) -> None:
    request, bounds = request_of(outcomes.folder), Bounds((str(outcomes.folder),), shard_bytes=2000)
    made = plan(request, bounds)
    enough, n_found, started = Event(), 0, monotonic()
    for _ in DaskEngine(scheduler).run(made.groups, scoring_of(made, request, bounds), enough.is_set):
        n_found += 1
        if n_found == 2:
            enough.set()
    assert n_found == 2 < len(made.groups)
    assert monotonic() - started < 60


def test_a_scheduler_that_nobody_starts_is_waited_for_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.2)
    address = f"tcp://127.0.0.1:{free_port()}"
    engine = DaskEngine(address, patience_seconds=0.0)
    with pytest.raises(SourceUnavailable, match=f"must reach the Dask scheduler, found none at {address} for 0 s"):
        next(engine.run([Group(0, ())], None, lambda: False))  # type: ignore[arg-type]


def test_a_job_that_is_cancelled_waits_for_no_scheduler() -> None:
    engine = DaskEngine(f"tcp://127.0.0.1:{free_port()}")
    assert list(engine.run([Group(0, ())], None, lambda: True)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("n_shards", [1, MAX_PIECES, MAX_PIECES + 1, 10 * MAX_PIECES + 7])
def test_the_pieces_of_a_group_are_few_and_have_all_its_shards(n_shards: int) -> None:
    group = Group(7, tuple(Shard(()) for _ in range(n_shards)))
    pieces = pieces_of(group)
    assert len(pieces) <= MAX_PIECES
    assert sum((piece.shards for piece in pieces), ()) == group.shards
    assert {piece.number for piece in pieces} == {7}


def test_a_worker_of_another_version_refuses() -> None:
    with pytest.raises(SourceUnavailable, match="must run the image of the service, version 0, found"):
        scored_piece("0", None, Group(0, ()))  # type: ignore[arg-type]
