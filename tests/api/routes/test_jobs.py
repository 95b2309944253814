"""Jobs over HTTP: they are taken, run, listed, followed and forgotten, and what is wrong is told before they run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.api.access.lines import digest_of
from app.api.job_events import MEDIA_TYPE
from app.api.schemas.jobs import JobAnswer, JobList
from app.settings import Settings
from app.web import SAMPLE
from tests.api.clients import client_of

pytestmark = pytest.mark.anyio

JOBS = "/v1/jobs"
COLUMNS = {"labels": "outcome", "probabilities": "p_*"}
BODY: dict[str, Any] = {
    "task": "multiclass",
    "source": str(SAMPLE),
    "columns": COLUMNS,
    "options": {"classes": ["cat", "dog", "emu"]},
}


def settings_in(folder: Path, **more: Any) -> Settings:
    """The settings of a service whose jobs may read the folder."""
    address = f"sqlite:///{folder}/store/jobs.db"
    (folder / "store").mkdir(exist_ok=True)
    return Settings.model_validate({"dataset_roots": str(folder), "database_url": address, "job_workers": 1, **more})


@pytest.fixture
async def client(anyio_backend: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with client_of(settings_in(tmp_path)) as made:
        yield made


async def ended(client: httpx.AsyncClient, id_: str, **headers: str) -> dict[str, Any]:
    """A job once it has ended."""
    async with asyncio.timeout(110):  # workers are nice, and wait on a busy machine
        while True:
            job: dict[str, Any] = (await client.get(f"{JOBS}/{id_}", headers=headers)).json()
            if job["status"] not in ("queued", "running"):
                JobAnswer.model_validate(job)
                return job
            await asyncio.sleep(0.05)


async def submitted(
    client: httpx.AsyncClient, body: dict[str, Any] = BODY, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = await client.post(JOBS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    return job


async def refused(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[int, str, str]:
    """The status, the first pointer or else the code, and the detail of a refusal."""
    answer = await client.post(JOBS, json=body)
    problem = answer.json()
    place = problem["errors"][0]["pointer"] if "errors" in problem else problem["code"]
    return answer.status_code, place, problem["detail"]


async def test_a_job_has_the_bits_of_one_request_with_all_rows(client: httpx.AsyncClient) -> None:
    job = await submitted(client, BODY | {"include": ["calibration"]})
    assert job["status"] == "queued"
    found = await ended(client, job["id"])
    assert found["status"] == "succeeded", found
    assert found["request"]["source"] == [str(SAMPLE)]
    assert found["progress"]["rows_done"] == found["progress"]["rows_total"] == 500
    assert found["progress"]["bytes_done"] == found["progress"]["bytes_total"]

    query = {**COLUMNS, "classes": "cat,dog,emu", "include": ["state", "calibration"]}
    parts = [
        await client.post(
            "/v1/score/multiclass/rows",
            params=query,
            content=path.read_bytes(),
            headers={"content-type": "application/vnd.apache.parquet"},
        )
        for path in sorted(SAMPLE.glob("*/*.parquet"))
    ]
    merged = await client.post("/v1/merge", json={"states": [part.json()["state"] for part in parts]})
    assert found["result"] == merged.json()


async def test_events_tell_of_a_job_to_its_end(client: httpx.AsyncClient) -> None:
    job = await submitted(client)
    answer = await client.get(f"{JOBS}/{job['id']}/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{MEDIA_TYPE}; charset=utf-8")
    *lines, last = answer.text.split("\n\n")
    assert last == ""
    told = [orjson.loads(line.removeprefix("data: ")) for event in lines for line in event.split("\n")[:1]]
    assert told[-1] == (await client.get(f"{JOBS}/{job['id']}")).json()
    assert told[-1]["status"] == "succeeded"
    assert len({orjson.dumps(state) for state in told}) == len(told)

    known = {"last-event-id": lines[-1].rpartition("id: ")[2]}
    assert (await client.get(f"{JOBS}/{job['id']}/events", headers=known)).status_code == 204
    head = await client.head(f"{JOBS}/{job['id']}/events")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_bad_row_ends_a_job_with_its_file_and_its_row(client: httpx.AsyncClient, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"outcome": [0, 1, 1], "p": [0.5, 0.5, 1.5]}), file)
    columns = {"labels": "outcome", "probabilities": "p"}
    job = await submitted(client, {"task": "binary", "source": str(file), "columns": columns})
    found = await ended(client, job["id"])
    assert (found["status"], found["error"]["status"]) == ("failed", 422)
    assert found["error"]["instance"] == f"{JOBS}/{job['id']}"
    assert (found["error"]["file"], found["error"]["row"]) == (str(file), 2)
    assert "must lie in [0, 1], found 1.5" in found["error"]["detail"]


async def test_a_key_makes_one_job_of_a_request_sent_twice(client: httpx.AsyncClient) -> None:
    first = await submitted(client, headers={"idempotency-key": "nightly-1"})
    again = await submitted(client, dict(reversed(BODY.items())), {"idempotency-key": "nightly-1"})
    assert first["id"] == again["id"]
    other = await client.post(JOBS, json=BODY | {"include": ["worst"]}, headers={"idempotency-key": "nightly-1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    wrong = await client.post(JOBS, json=BODY, headers={"idempotency-key": "a b"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


async def test_a_list_goes_on_where_the_one_before_ended(client: httpx.AsyncClient) -> None:
    assert (await client.get(JOBS)).json() == {"jobs": []}
    made = [(await submitted(client))["id"] for _ in range(3)]
    first = (await client.get(JOBS, params={"limit": 2})).json()
    second = (await client.get(JOBS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    for answer in (first, second):
        JobList.model_validate(answer)
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert "next_cursor" not in second


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ("limit=0", "/limit", "must be at least 1, found 0"),
        ("limit=101", "/limit", "must be at most 100, found 101"),
        ("limit=x", "/limit", 'must be an integer, found the string "x"'),
        ("limit=1&limit=2", "/limit", "must be sent once, found 2 values"),
        ("cursor=x", "/cursor", 'must be the next_cursor of an answer, found the string "x"'),
        ("page=2", "/page", "must be left out: the query parameters of this path are limit, cursor"),
    ],
)
async def test_a_wrong_query_is_told(client: httpx.AsyncClient, query: str, pointer: str, detail: str) -> None:
    answer = await client.get(f"{JOBS}?{query}")
    assert answer.status_code == 422
    assert [(error["pointer"], error["detail"]) for error in answer.json()["errors"]] == [(pointer, detail)]


async def test_who_cancels_forgets(client: httpx.AsyncClient) -> None:
    job = await submitted(client)
    answer = await client.delete(f"{JOBS}/{job['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (f"{JOBS}/{job['id']}", f"{JOBS}/{job['id']}/events"):
        gone = await client.get(path)
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert (await client.delete(f"{JOBS}/{job['id']}")).status_code == 404
    assert (await client.delete(f"{JOBS}/{job['id']}?now=1")).status_code == 422
    assert (await client.get(JOBS)).json() == {"jobs": []}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no task": ({"task": None}, "", "must hold task"),
    "another task": ({"task": "multiclas"}, "/task", 'did you mean "multiclass"?'),
    "an unknown field": ({"sauce": 1}, "/sauce", 'did you mean "source"?'),
    "a number for a source": ({"source": 3}, "/source", "must be a string, found 3"),
    "no sources": ({"source": []}, "/source", "must hold 1 to 1000 sources, found 0"),
    "a relative path": ({"source": ["/x", "a/b"]}, "/source/1", "must be an absolute path of the service"),
    "another scheme": ({"source": "ftp://host/a"}, "/source", "must be a path or begin with s3://"),
    "credentials": ({"source": "s3://key:secret@bucket/a"}, "/source", "must hold no credentials"),
    "columns that are a list": ({"columns": ["y"]}, "/columns", "must be an object of field and name"),
    "a column without a name": ({"columns": {"labels": 1}}, "/columns/labels", "must be the name of a column"),
    "a field that is none": ({"columns": {"label": "y"}}, "/columns/label", 'did you mean "labels"?'),
    "a field of another task": ({"columns": {"n_bytes": "n"}}, "/columns/n_bytes", "this one belongs to tokens"),
    "two truths": ({"columns": {"labels": "y", "targets": "t"}}, "/columns", "must name the columns of one of"),
    "an unknown option": ({"options": {"nbins": 3}}, "/options/nbins", 'did you mean "n_bins"?'),
    "a number as text": ({"options": {"epsilon": "0.1"}}, "/options/epsilon", "must be a number, found the string"),
    "a column among options": ({"options": {"labels": "y"}}, "/options/labels", "a column is named in `columns`"),
    "an option twice": ({"options": {"include": []}, "include": []}, "/options/include", "found include in both"),
    "what needs all rows": ({"include": ["per_sample"]}, "/include", "must not hold per_sample in a job"),
    "a metric of all rows": ({"metrics": ["roc_auc"]}, "/metrics", "must not hold roc_auc in a job"),
    "a rule that is none": ({"require": {"acuracy": {}}}, "/require/acuracy", ""),
    "another treatment": ({"on_error": "ignore"}, "/on_error", "must be 'fail' or 'skip'"),
    "more than all": ({"max_skipped_share": 2}, "/max_skipped_share", "must be at most 1, found 2"),
}


@pytest.mark.parametrize(("change", "place", "words"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_told_before_anything_runs(
    client: httpx.AsyncClient, change: dict[str, Any], place: str, words: str
) -> None:
    body = {name: value for name, value in (BODY | change).items() if value is not None}
    status, found, detail = await refused(client, body)
    assert (status, found) == (422, place)
    assert words in detail
    assert "secret" not in detail


@pytest.mark.parametrize("source", ["/etc", "{folder}/../..", "{folder}/link", "{folder}x", "s3://bucket/a"])
async def test_nothing_outside_the_roots_is_read(client: httpx.AsyncClient, tmp_path: Path, source: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    body = BODY | {"source": source.format(folder=tmp_path)}
    assert (await refused(client, body))[:2] == (403, "outside_roots")


async def test_without_roots_jobs_are_off(anyio_backend: str, tmp_path: Path) -> None:  # noqa: ARG001
    async with client_of(settings_in(tmp_path, dataset_roots="")) as client:
        for answer in (
            await client.post(JOBS, json=BODY),
            await client.get(JOBS),
            await client.get(f"{JOBS}/x"),
            await client.delete(f"{JOBS}/x"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "jobs_off")
            assert "SURPRISAL_DATASET_ROOTS" in answer.json()["detail"]
        assert (await client.get("/v1/limits")).json()["jobs"]["are_on"] is False
        assert (await client.get("/readyz")).status_code == 200
    assert list((tmp_path / "store").iterdir()) == []


async def test_a_key_sees_its_own_jobs_and_that_of_an_admin_all(anyio_backend: str, tmp_path: Path) -> None:  # noqa: ARG001
    scopes = {"ann": "jobs", "bob": "jobs", "sue": "score", "top": "admin"}
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {digest_of(name)} {scope}\n" for name, scope in scopes.items()))
    ann, bob, sue, top = ({"x-api-key": name} for name in scopes)
    async with client_of(settings_in(tmp_path, api_keys_file=str(keys))) as client:
        job = await submitted(client, headers={**ann, "idempotency-key": "1"})
        others = await submitted(client, headers={**bob, "idempotency-key": "1"})
        assert job["id"] != others["id"]
        assert (await client.post(JOBS, json=BODY, headers=sue)).status_code == 403
        seen = [[entry["id"] for entry in (await client.get(JOBS, headers=key)).json()["jobs"]] for key in (ann, top)]
        assert seen == [[job["id"]], [others["id"], job["id"]]]
        for method in ("GET", "DELETE"):
            assert (await client.request(method, f"{JOBS}/{job['id']}", headers=bob)).status_code == 404
        assert (await client.delete(f"{JOBS}/{job['id']}", headers=top)).status_code == 204


async def test_a_job_goes_on_after_a_restart(anyio_backend: str, tmp_path: Path) -> None:  # noqa: ARG001
    settings = settings_in(tmp_path)
    async with client_of(settings) as client:
        job = await submitted(client)
    async with client_of(settings) as client:
        assert (await ended(client, job["id"]))["status"] == "succeeded"


async def test_the_queue_is_bounded(anyio_backend: str, tmp_path: Path) -> None:  # noqa: ARG001
    async with client_of(settings_in(tmp_path, max_queued_jobs=1)) as client:
        answers = [await client.post(JOBS, json=BODY) for _ in range(4)]
    full = [answer for answer in answers if answer.status_code == 503]
    assert full
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in full)
