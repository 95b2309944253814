"""Processes that run jobs are killed, held up and ended: no job is lost, no row counts twice, and the bits stay."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.jobs.local import LocalEngine
from app.jobs.running import Runner
from app.store.jobs import JobStore
from app.store.records import Job, Status
from tests.api.servers import ROOT, children_of
from tests.jobs.datasets import N_ROWS, means, whole, written
from tests.jobs.serving import LEASE_SECONDS
from tests.jobs.test_running import RULES, ended, eventually, read, running, submitted

N_KILLED = 20
N_FILES = 40
DELAY_SECONDS = 0.05
WAIT_SECONDS = 300.0
"""The longest wait for progress. Workers are nice, so those of a machine that is busy need long to begin."""


@contextmanager
def serving(address: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.jobs.serving", address, str(folder), str(DELAY_SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def check_whole(found: Job, answer: bytes) -> None:
    """A job that counted each row once."""
    assert (found.status, found.result) == (Status.SUCCEEDED, answer), found.problem
    assert (found.progress.shards_done, found.progress.rows_done) == (N_FILES, N_FILES * N_ROWS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_service_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    address, rng = f"sqlite:///{tmp_path}/jobs.db", random.Random(5)
    request, store = written(tmp_path / "rows", N_FILES), JobStore.open(address)
    answer, jobs = whole(tmp_path / "rows"), [submitted(store, request)]
    for _ in range(N_KILLED):
        with serving(address, tmp_path):
            eventually(lambda: read(store, jobs[-1]).status == Status.RUNNING, WAIT_SECONDS)
            time.sleep(LEASE_SECONDS + rng.uniform(0, N_FILES * DELAY_SECONDS / 3))
        if read(store, jobs[-1]).has_ended:
            jobs.append(submitted(store, request))
    with serving(address, tmp_path):
        for job in jobs:
            check_whole(ended(store, job, WAIT_SECONDS), answer)
    assert len(jobs) > 1
    store.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_that_are_killed_again_and_again_lose_nothing(tmp_path: Path) -> None:
    rng, store = random.Random(6), JobStore.open(f"sqlite:///{tmp_path}/jobs.db")
    request = written(tmp_path / "rows", N_FILES)
    engine, answer, n_killed = LocalEngine(2), whole(tmp_path / "rows"), 0
    jobs = [submitted(store, request)]
    with running(Runner(store, means(tmp_path, engine), RULES)):
        while n_killed < N_KILLED:
            wait_for_progress(store, jobs[-1])
            n_killed += kill_a_worker(rng)
            if read(store, jobs[-1]).has_ended:
                jobs.append(submitted(store, request))
        for job in jobs:
            check_whole(ended(store, job, WAIT_SECONDS), answer)
    assert engine.n_retried > 0
    store.close()


def wait_for_progress(store: JobStore, job: Job) -> None:
    done = read(store, job).progress.shards_done
    eventually(lambda: read(store, job).has_ended or read(store, job).progress.shards_done > done, WAIT_SECONDS)


def kill_a_worker(rng: random.Random) -> bool:
    """Kill one of the processes below the server that forks them, if there is one; tell if there was."""
    workers = [pid for server in children_of(os.getpid(), b"forkserver") for pid in children_of(server, b"")]
    if not workers:
        return False
    os.kill(rng.choice(workers), signal.SIGKILL)
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_services_run_a_job_once_and_take_over_what_is_lost(address: str, tmp_path: Path) -> None:
    """A service that hangs loses its job to another, and writes nothing once it wakes."""
    request, store = written(tmp_path / "rows", N_FILES), JobStore.open(address)
    answer = whole(tmp_path / "rows")
    with serving(address, tmp_path) as first:
        job = submitted(store, request)
        eventually(lambda: read(store, job).progress.shards_done > 3, WAIT_SECONDS)
        first.send_signal(signal.SIGSTOP)
        with serving(address, tmp_path):
            held = read(store, job).progress.shards_done
            eventually(lambda: read(store, job).progress.shards_done > held, WAIT_SECONDS)
            first.send_signal(signal.SIGCONT)
            check_whole(ended(store, job, WAIT_SECONDS), answer)
            others = [submitted(store, request) for _ in range(3)]
            for other in others:
                check_whole(ended(store, other, WAIT_SECONDS), answer)
    store.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_service_that_is_ended_gives_its_job_back_at_once(address: str, tmp_path: Path) -> None:
    job, store = None, JobStore.open(address)
    with serving(address, tmp_path) as process:
        job = submitted(store, written(tmp_path / "rows", N_FILES))
        eventually(lambda: read(store, job).progress.shards_done > 3, WAIT_SECONDS)
        process.terminate()
        assert process.wait(28) == 0
    assert read(store, job).status == Status.QUEUED
    assert 3 < read(store, job).progress.shards_done < N_FILES
    store.close()
