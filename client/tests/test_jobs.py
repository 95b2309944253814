"""Jobs through the client and the command, against a service that runs them."""

import asyncio
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from surprisal_client import AsyncClient, Client, InputError, Job, ServiceError
from surprisal_client.command import jobs
from surprisal_client.command.main import main
from tests.data import classes
from tests.test_command import COMMAND, ENVIRONMENT, _read

OUTCOME, P = classes(600)
FRAME = pd.DataFrame({"outcome": OUTCOME} | {f"p_{k}": P[:, k] for k in range(P.shape[1])})
COLUMNS = {"labels": "outcome", "probabilities": "p_*"}
ARGUMENTS = ["--labels", "outcome", "--probabilities", "p_*"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two sites."""
    place = tmp_path_factory.mktemp("data-set")
    for number, site in enumerate(("lyon", "paris")):
        (place / f"site={site}").mkdir()
        FRAME.iloc[300 * number : 300 * number + 300].to_parquet(place / f"site={site}" / "rows.parquet")
    return place


@pytest.fixture(scope="module")
def done(client: Client, folder: Path) -> Job:
    """A job that has succeeded."""
    *_, last = client.follow(client.submit(str(folder), task="multiclass", **COLUMNS))
    return last


def test_a_job_scores_what_a_request_scores(client: Client, done: Job) -> None:
    assert (done.status, done.progress["rows_done"]) == ("succeeded", 600)
    assert done.scores().answer["metrics"] == client.score(FRAME, **COLUMNS).answer["metrics"]
    assert client.wait(done.id).answer == done.scores().answer


def test_jobs_are_listed_the_newest_first(client: Client, done: Job) -> None:
    found = client.jobs(200)
    assert done.id in [job.id for job in found]
    assert [job.answer["created_at"] for job in found] == sorted(job.answer["created_at"] for job in found)[::-1]
    assert len(client.jobs(1)) == 1
    assert "600 rows" in repr(done)


def test_a_key_makes_one_job(client: Client, folder: Path) -> None:
    made = [client.submit(str(folder), task="multiclass", idempotency_key="once", **COLUMNS).id for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(InputError, match="Idempotency-Key"):
        client.submit(str(folder), task="multiclass", idempotency_key="once", unit="bits", **COLUMNS)


def test_a_job_that_is_cancelled_is_gone(client: Client, folder: Path) -> None:
    job = client.submit(str(folder), task="multiclass", **COLUMNS)
    client.cancel(job)
    with pytest.raises(InputError, match="no job of yours"):
        client.job(job.id)


def test_a_job_without_scores_says_why(done: Job) -> None:
    without = {name: value for name, value in done.answer.items() if name != "result"}
    cancelled = Job(without | {"status": "cancelled"})
    with pytest.raises(InputError, match="was cancelled"):
        cancelled.scores()
    running = Job(without | {"status": "running"})
    assert running.error is None
    with pytest.raises(InputError, match="has not ended: running, 600 rows"):
        running.scores()


def test_a_wrong_row_is_told_with_its_file(client: Client, tmp_path: Path) -> None:
    FRAME.assign(p_0=[0.5] * 599 + [1.5]).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"must lie in \[0, 1\], found 1.5"):
        client.wait(client.submit(str(tmp_path / "bad.parquet"), task="multiclass", **COLUMNS))


@pytest.mark.parametrize(
    ("source", "given", "error", "words"),
    [
        ("/etc", COLUMNS, ServiceError, "SURPRISAL_DATASET_ROOTS"),
        ("etc", COLUMNS, InputError, "must be an absolute path"),
        ("/", {"labels": np.arange(3)}, InputError, "must be the name of a column"),
        ("/", {"n_bin": 3}, InputError, "n_bins"),
    ],
)
def test_what_is_wrong_is_told_at_once(
    client: Client, source: str, given: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.submit(source, task="multiclass", **given)


def test_the_client_for_asyncio_has_the_same_methods(url: str, folder: Path, done: Job) -> None:
    async def scored() -> None:
        async with AsyncClient(url) as client:
            job = await client.submit(str(folder), task="multiclass", idempotency_key="async", **COLUMNS)
            assert (await client.wait(job)).answer == done.scores().answer
            assert job.id in [entry.id for entry in await client.jobs()]
            await client.cancel(job)
            with pytest.raises(InputError):
                await client.job(job.id)

    asyncio.run(scored())


@pytest.fixture
def _here(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SURPRISAL_URL", url)


@pytest.mark.usefixtures("_here")
def test_a_job_is_handed_in_followed_and_found_again(done: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "multiclass", "site=lyon", "site=paris", "--job", "--follow", *ARGUMENTS]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == done.scores().answer["metrics"]
    assert main(["score", "multiclass", ".", "--job", *ARGUMENTS]) == 0
    told = capsys.readouterr()
    id_ = json.loads(told.out)["id"]
    assert f"surprisal job {id_} --follow" in told.err
    assert main(["job", id_, "--follow", "--table"]) == 0
    assert "cross_entropy" in capsys.readouterr().out
    assert main(["jobs", "--markdown"]) == 0
    assert f"| {id_} | succeeded |" in capsys.readouterr().out
    assert main(["job", id_, "--cancel"]) == 0
    assert "was cancelled" in capsys.readouterr().err
    assert main(["job", id_]) == 3


@pytest.mark.usefixtures("_here")
def test_mistakes_have_the_status_of_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "tokens", "x", "--job", "--from", "vllm"]) == 3
    assert "leave one of them out" in capsys.readouterr().err
    assert main(["score", "multiclass", "s3://bucket/a", *ARGUMENTS]) == 4
    assert "SURPRISAL_DATASET_ROOTS" in capsys.readouterr().err


def test_roots_are_the_folders_of_the_sources(folder: Path) -> None:
    sources = [f"{folder}/*/*.parquet", f"{folder}/site=lyon/rows.parquet", "s3://bucket/a/*.csv"]
    assert jobs.roots_of(sources) == f"{folder},{folder}/site=lyon,s3://bucket"


def test_ctrl_c_leaves_a_job_running_and_says_how_to_come_back(url: str, folder: Path, client: Client) -> None:
    ours, theirs = pty.openpty()
    arguments = ["score", "multiclass", str(folder), "--job", "--follow", *ARGUMENTS, "--url", url]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=theirs, env=os.environ | ENVIRONMENT)
    os.close(theirs)
    shown = b""
    while b"queued" not in shown and b"running" not in shown:  # the bar of the job, which is handed in then
        chunk = _read(ours)
        assert chunk
        shown += chunk
    process.send_signal(signal.SIGINT)
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(60) == 130
    told = shown.decode().partition("the job goes on; to come back: surprisal job ")[2]
    assert client.wait(told.split()[0]).n_samples == 600
