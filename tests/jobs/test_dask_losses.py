"""Workers and schedulers of a Dask cluster that are killed while a job runs: nothing is lost or counted twice."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from app.jobs.dask_engine import DaskEngine
from tests.jobs.clusters import Cluster, running_cluster
from tests.jobs.outcomes import run, written

WORKERS_KILLED, SCHEDULERS_KILLED = 20, 5


@contextmanager
def killing(
    cluster: Cluster, victim: Callable[[random.Random], Popen[bytes]], seconds: float, at_most: int
) -> Iterator[list[float]]:
    """Kill at random moments while the block runs, whenever the cluster is whole again; the times of the kills.

    Args:
        seconds: The longest time for which a whole cluster is left alone.
        at_most: The number of kills after which everything is left alone.
    """
    chance, ended, times = random.Random(at_most), threading.Event(), list[float]()

    def go_on() -> None:
        while not ended.wait(0.1):
            cluster.tend()
            is_whole = len(times) < at_most and cluster.n_known_workers() == len(cluster.workers)
            if not is_whole or ended.wait(chance.uniform(0.0, seconds)):
                continue
            process = victim(chance)
            process.kill()
            process.wait()
            times.append(time.monotonic())

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow  # 68, on a busy core
@pytest.mark.timeout(900)
def test_killed_workers_lose_no_rows(tmp_path: Path) -> None:
    outcomes = written(tmp_path / "rows", n_files=40, rows_a_file=2000, rows_a_group=200)
    whole = outcomes.whole()
    with running_cluster(tmp_path, n_workers=2) as cluster:
        engine, n_left = DaskEngine(cluster.address), WORKERS_KILLED
        while n_left:
            with killing(cluster, lambda chance: chance.choice(cluster.workers), 3.0, n_left) as times:
                assert run(engine, outcomes.folder, max_groups=20) == whole
            n_left -= len(times)


@pytest.mark.slow  # 76, on a busy core
@pytest.mark.timeout(900)
def test_killed_schedulers_lose_no_rows(tmp_path: Path) -> None:
    outcomes = written(tmp_path / "rows", n_files=40, rows_a_file=2000, rows_a_group=200)
    whole = outcomes.whole()
    with running_cluster(tmp_path, n_workers=2) as cluster:
        engine, n_left = DaskEngine(cluster.address), SCHEDULERS_KILLED
        while n_left:
            with killing(cluster, lambda _: cluster.scheduler, 6.0, n_left) as times:
                assert run(engine, outcomes.folder, max_groups=100) == whole
            n_left -= len(times)
        assert engine.n_retried > 0
