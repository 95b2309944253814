"""The simulation of a cluster obeys what must hold of any cluster, and the page on operating shows what it finds."""

import pytest

from benchmarks.cluster_simulation import Cluster, Job, Parts, simulated, table
from tests.documents import Document

CALM = Cluster(100, slow_share=0.0, hang_share=0.0, losses_an_hour=1e-9)
JOB = Job(1e9)


def test_no_cluster_is_faster_than_its_work() -> None:
    parts = Parts()
    found = simulated(JOB, parts, CALM)
    work = JOB.rows * parts.bytes_per_row / parts.bytes_per_second
    assert found.work_seconds == pytest.approx(work, rel=0.1)
    assert found.seconds >= found.work_seconds / CALM.workers
    assert found.seconds >= found.scheduler_seconds
    assert found.lost == 0


def test_what_goes_wrong_costs_time_and_no_task() -> None:
    bad = Cluster(100, slow_share=0.1, hang_share=0.1, losses_an_hour=50.0)
    calm, found = simulated(JOB, Parts(), CALM), simulated(JOB, Parts(), bad)
    assert found.lost > 0
    assert found.seconds > calm.seconds
    assert (found.tasks, found.groups) == (calm.tasks, calm.groups)


def test_the_tasks_of_a_job_have_all_its_shards() -> None:
    for rows in (1.0, 1e9, 1e11, 1e12):
        job, parts = Job(rows), Parts()
        tasks = list(job.tasks(parts))
        assert sum(n_shards for _, n_shards in tasks) == max(1, round(rows * parts.bytes_per_row / job.shard_bytes))
        assert len({group for group, _ in tasks}) <= job.max_groups


def test_the_page_shows_what_is_simulated() -> None:
    assert Document("docs/operating.md").table("Large data sets", 1) == "\n".join(table(Parts(), (100, 1000)))
