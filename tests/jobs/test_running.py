"""Jobs from their submission to their end: run once, given back, taken over, cancelled, and none lost."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from app.jobs.lives import MOST_FRUITLESS
from app.jobs.running import Rules, Runner
from app.jobs.watching import PART
from app.store.jobs import JobStore
from app.store.records import Job, Status, Submission
from tests.jobs.datasets import N_FILES, N_ROWS, InPlace, means, whole, written

RULES = Rules(lease_seconds=5.0, most_running=4, retention_days=30)


@contextmanager
def running(runner: Runner) -> Iterator[Runner]:
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def submitted(store: JobStore, request: bytes) -> Job:
    return store.submit(Submission(request), 100)[0]


def read(store: JobStore, job: Job) -> Job:
    found = store.get(job.id)
    assert found
    return found


def ended(store: JobStore, job: Job, seconds: float = 60) -> Job:
    eventually(lambda: read(store, job).has_ended, seconds)
    return read(store, job)


def code(job: Job) -> str:
    assert job.status == Status.FAILED
    assert job.problem
    return str(json.loads(job.problem)["code"])


def test_a_job_has_the_answer_of_all_rows_at_once(store: JobStore, tmp_path: Path) -> None:
    request, engine = written(tmp_path / "rows"), InPlace()
    job = submitted(store, request)
    with running(Runner(store, means(tmp_path, engine), RULES)) as runner:
        found = ended(store, job)
        other = submitted(store, request)
        runner.wake()
        assert ended(store, other).result == found.result
    assert (found.status, found.result) == (Status.SUCCEEDED, whole(tmp_path / "rows"))
    progress = found.progress
    assert (progress.shards_done, progress.shards_total) == (N_FILES, N_FILES)
    assert (progress.rows_done, progress.rows_total) == (N_FILES * N_ROWS, N_FILES * N_ROWS)
    assert progress.bytes_done == progress.bytes_total
    assert engine.n_closed == 2


def test_a_job_that_is_given_back_is_not_scored_twice(store: JobStore, tmp_path: Path) -> None:
    job, stops = submitted(store, written(tmp_path / "rows")), Event()

    def stop(number: int) -> None:
        if number == 3:
            stops.set()

    first = InPlace(stop)
    runner = Runner(store, means(tmp_path, first), RULES, stops.is_set)
    with running(runner):
        eventually(lambda: read(store, job).status == Status.QUEUED and stops.is_set())
    assert (first.scored, first.n_closed) == ([0, 1, 2], 1)
    second = InPlace()
    with running(Runner(store, means(tmp_path, second), RULES)):
        assert ended(store, job).result == whole(tmp_path / "rows")
    assert second.scored == list(range(3, N_FILES))


def test_a_runner_that_is_stopped_gives_its_job_back_at_once(store: JobStore, tmp_path: Path) -> None:
    job, begins = submitted(store, written(tmp_path / "rows")), Event()

    def take_long(number: int) -> None:
        if number:
            begins.set()
            time.sleep(0.2)

    engine = InPlace(take_long)
    runner = Runner(store, means(tmp_path, engine), RULES)
    runner.start()
    assert begins.wait(30)
    began = time.monotonic()
    runner.stop()
    assert time.monotonic() - began < 3
    assert read(store, job).status == Status.QUEUED
    lease = store.claim(60, 1)
    assert lease is not None
    assert lease.n_fruitless == 1


def test_a_job_that_is_cancelled_stops_and_writes_nothing(store: JobStore, tmp_path: Path) -> None:
    job, begins = submitted(store, written(tmp_path / "rows")), Event()

    def take_long(number: int) -> None:
        if number == 2 and not begins.is_set():
            begins.set()
            eventually(lambda: read(store, job).status == Status.CANCELLED)
            time.sleep(2 * RULES.lease_seconds / PART)

    engine = InPlace(take_long)
    with running(Runner(store, means(tmp_path, engine), RULES)):
        assert begins.wait(30)
        assert store.cancel(job.id)
        eventually(lambda: engine.n_closed == 1)
        other = submitted(store, written(tmp_path / "rows"))
        assert ended(store, other).status == Status.SUCCEEDED
    assert engine.scored == [0, 1, *range(N_FILES)]
    assert (read(store, job).status, read(store, job).progress.shards_done) == (Status.CANCELLED, 2)


def test_a_job_that_runs_too_long_fails(store: JobStore, tmp_path: Path) -> None:
    job, engine = submitted(store, written(tmp_path / "rows")), InPlace(lambda _: time.sleep(0.2))
    with running(Runner(store, means(tmp_path, engine, timeout_seconds=0.5), RULES)):
        found = ended(store, job)
    assert code(found) == "too_large"
    assert b"SURPRISAL_JOB_TIMEOUT_SECONDS, 0.5 seconds" in (found.problem or b"")


def test_a_fault_in_a_file_fails_the_job_and_the_next_one_runs(store: JobStore, tmp_path: Path) -> None:
    bad = submitted(store, written(tmp_path / "bad"))
    (tmp_path / "bad" / "0003.parquet").write_bytes(b"PAR1 and no more")
    good, gone = submitted(store, written(tmp_path / "good")), submitted(store, b"no JSON")
    with running(Runner(store, means(tmp_path, InPlace()), RULES)):
        assert code(ended(store, bad)) == "malformed_body"
        assert ended(store, good).result == whole(tmp_path / "good")
        assert code(ended(store, gone)) == "internal"


def test_a_file_that_changed_since_the_plan_fails_the_job(store: JobStore, tmp_path: Path) -> None:
    job = submitted(store, written(tmp_path / "rows"))

    def change(number: int) -> None:
        if number == 1:
            shutil.copy(tmp_path / "rows" / "0002.parquet", tmp_path / "rows" / "0005.parquet")

    with running(Runner(store, means(tmp_path, InPlace(change)), RULES)):
        assert code(ended(store, job)) == "source_changed"


def test_a_job_that_ends_its_service_again_and_again_is_given_up(store: JobStore, tmp_path: Path) -> None:
    job = submitted(store, written(tmp_path / "rows"))
    for _ in range(MOST_FRUITLESS):
        assert store.claim(0.0, 1)  # and the process is killed
    with running(Runner(store, means(tmp_path, InPlace()), RULES)):
        found = ended(store, job)
    assert code(found) == "too_large"
    assert b"must not end the service" in (found.problem or b"")


def test_sums_that_were_changed_fail_the_job(store: JobStore, tmp_path: Path) -> None:
    job = submitted(store, written(tmp_path / "rows"))

    def change(number: int) -> None:
        if number == N_FILES - 1:
            with store._database.writing() as connection:
                connection.exec_driver_sql("UPDATE groups SET number = number + 100 WHERE number = 2")

    with running(Runner(store, means(tmp_path, InPlace(change)), RULES)):
        assert code(ended(store, job)) == "store_corrupt"


def test_each_job_is_run_by_one_runner(address: str, tmp_path: Path) -> None:
    """Several connections to one database, as several processes have them."""
    request, n_jobs = written(tmp_path / "rows", 2), 6
    stores = [JobStore.open(address) for _ in range(3)]
    engines = [InPlace() for _ in stores]
    jobs = [submitted(stores[0], request) for _ in range(n_jobs)]
    runners = [Runner(store, means(tmp_path, engine), RULES) for store, engine in zip(stores, engines, strict=True)]
    for runner in runners:
        runner.start()
    results = {ended(stores[1], job).result for job in jobs}
    for runner, store in zip(runners, stores, strict=True):
        runner.stop()
        store.close()
    assert results == {whole(tmp_path / "rows")}
    assert Counter(number for engine in engines for number in engine.scored) == {0: n_jobs, 1: n_jobs}
