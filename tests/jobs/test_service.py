"""A whole service with a job that runs: it is killed, loses a worker and is ended, and the answer stays the same."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.api.servers import Process, children_of, running

N_FILES, N_ROWS = 12, 1_000_000
WAIT_SECONDS = 240.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # 45 s each: who is killed keeps a job for half a minute


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of a dozen shards, which are one file under many names."""
    made = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(8)
    columns = {f"p_{j}": rng.random(N_ROWS) for j in range(5)}
    total = sum(columns.values())
    table = pa.table({"labels": rng.integers(0, 5, N_ROWS), **{name: p / total for name, p in columns.items()}})
    parquet.write_table(table, made / "0.parquet", compression="none")
    for number in range(1, N_FILES):
        (made / f"{number}.parquet").hardlink_to(made / "0.parquet")
    return made


def settings(folder: Path, place: Path, **more: str) -> dict[str, str]:
    return {
        "SURPRISAL_DATASET_ROOTS": str(folder),
        "SURPRISAL_DATABASE_URL": f"sqlite:///{place}/jobs.db",
        "SURPRISAL_JOB_WORKERS": "1",
        **more,
    }


def asked(server: Process, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    connection = server.connection()
    connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
    answer = connection.getresponse()
    found: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert answer.status < 300, found
    return found


def submitted(server: Process, folder: Path) -> str:
    body = {"task": "multiclass", "source": str(folder), "columns": {"probabilities": "p_*"}, "include": ["worst"]}
    return str(asked(server, "POST", "/v1/jobs", body)["id"])


def states(server: Process, id_: str) -> Iterator[dict[str, Any]]:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        yield asked(server, "GET", f"/v1/jobs/{id_}")
        time.sleep(0.1)
    raise AssertionError("no such state of the job in time")


def wait_for(server: Process, id_: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    return next(state for state in states(server, id_) if holds(state))


def has_begun(state: dict[str, Any]) -> bool:
    assert state["status"] in ("queued", "running"), state
    return bool(state["progress"]["shards_done"] > 1)


def result_of(server: Process, id_: str) -> dict[str, Any]:
    state = wait_for(server, id_, lambda state: state["status"] not in ("queued", "running"))
    assert state["status"] == "succeeded", state
    progress = state["progress"]
    assert (progress["shards_done"], progress["rows_done"]) == (N_FILES, N_FILES * N_ROWS)
    found: dict[str, Any] = state["result"]
    return found


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answer of a job that nothing disturbs."""
    with running(**settings(folder, tmp_path_factory.mktemp("store"))) as server:
        return result_of(server, submitted(server, folder))


def test_a_service_that_is_killed_goes_on_where_it_was(folder: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    variables = settings(folder, tmp_path)
    first = Process(**variables)
    id_ = submitted(first, folder)
    wait_for(first, id_, has_begun)
    first.terminate(signal.SIGKILL)
    first.wait(10)
    with running(**variables) as server:
        done = asked(server, "GET", f"/v1/jobs/{id_}")["progress"]["shards_done"]
        assert 1 < done < N_FILES
        assert result_of(server, id_) == whole


def test_a_worker_that_is_killed_gives_its_job_to_another(folder: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    with running(**settings(folder, tmp_path, SURPRISAL_WORKERS="2")) as server:
        id_ = submitted(server, folder)
        wait_for(server, id_, has_begun)
        scoring = [worker for worker in server.workers() if children_of(worker, b"forkserver")]
        assert scoring
        for worker in scoring:
            os.kill(worker, signal.SIGKILL)
        assert result_of(server, id_) == whole


def test_a_service_that_is_ended_gives_its_job_back(folder: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    variables = settings(folder, tmp_path)
    first = Process(**variables)
    id_ = submitted(first, folder)
    wait_for(first, id_, has_begun)
    follower = first.connection()
    follower.request("GET", f"/v1/jobs/{id_}/events")
    events = follower.getresponse()
    begun = time.monotonic()
    first.terminate()
    told = events.read()  # the stream ends, complete
    events.close()
    follower.close()
    assert told.count(b"data: ") >= 1
    assert first.ended() == 0
    assert time.monotonic() - begun < 28
    with running(**variables) as server:
        begun = time.monotonic()
        assert wait_for(server, id_, lambda state: state["status"] == "running")
        assert time.monotonic() - begun < 20  # it was given back: nobody waits for the end of its lease
        assert result_of(server, id_) == whole
