import asyncio
from typing import Any, get_args

import httpx
import numpy as np
import orjson
import pytest
from structlog.typing import EventDict

from app.api.negotiation import accept
from app.api.routes.inline import MAX_NUMBERS
from app.api.schemas.answers import ScoreAnswer
from app.core.options import Options
from app.core.tasks import TASKS, TaskName
from app.service import INCLUDES, Include

pytestmark = pytest.mark.anyio

WIDE = [[0] * 100_001]
BODIES: dict[TaskName, dict[str, Any]] = {
    "binary": {"labels": ["a", "b", "b"], "classes": ["a", "b"], "probabilities": [0.0, 0.5, 0.75]},
    "multiclass": {
        "labels": [0, -100, 1, 2],
        "logits": [[2, 1, 0], [0, 1, 3], [1, 1, 1], [0, 0, 1]],
        "ignore_index": -100,
        "sample_weight": [1, 1, 2, 0],
        "top_k": [1, 2],
        "focal_gamma": 2,
    },
    "multilabel": {"labels": [[1, 0], [0, 1]], "logits": [[2, -1], [0.5, 0]], "pos_weight": [1, 2]},
    "distributions": {"targets": [[0.5, 0.5], [0, 1]], "probabilities": [[0.25, 0.75], [0.5, 0.51]]},
    "tokens": {"log_probabilities": [[-1], [-2, -3], []], "n_bytes": [1, 2, 3], "n_words": [1, 1, 1]},
}


async def scored(client: httpx.AsyncClient, task: str, body: object) -> dict[str, Any]:
    response = await client.post(f"/v1/score/{task}", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    ScoreAnswer.model_validate_json(response.content, strict=True)
    return answer


@pytest.mark.parametrize("task", TASKS)
async def test_an_answer_is_as_documented(task: TaskName, client: httpx.AsyncClient) -> None:
    answer = await scored(client, task, BODIES[task])
    assert (answer["task"], answer["unit"]) == (task, "nats")
    assert set(get_args(Include)).isdisjoint(answer)
    assert answer["options"] == orjson.loads(orjson.dumps(Options().for_task(task))) | {
        name: value for name, value in BODIES[task].items() if hasattr(Options, name)
    }


@pytest.mark.parametrize(("task", "section"), [(task, section) for task in TASKS for section in INCLUDES[task]])
async def test_sections_come_as_asked(task: TaskName, section: str, client: httpx.AsyncClient) -> None:
    body = BODIES[task]
    if section == "slices":
        form = next(name for name in ("probabilities", "log_probabilities", "logits") if name in body)
        body = body | {"slices": {"row": list(range(len(body[form])))}}
    answer = await scored(client, task, body | {"include": [section]})
    assert set(get_args(Include)) & answer.keys() == {section}


@pytest.mark.parametrize(("task", "section"), [("tokens", "per_class"), ("multilabel", "calibration")])
async def test_a_section_that_a_task_lacks_is_refused(task: TaskName, section: str, client: httpx.AsyncClient) -> None:
    response = await client.post(f"/v1/score/{task}", json=BODIES[task] | {"include": [section]})
    assert response.json()["errors"][0]["pointer"] == "/include/0"


async def test_per_sample_losses_are_null_where_there_is_none(client: httpx.AsyncClient) -> None:
    body = {"labels": [0, -1, 1], "probabilities": [[0, 1], [0, 1], [0.5, 0.5]], "ignore_index": -1}
    answer = await scored(client, "multiclass", body | {"include": ["per_sample"]})
    assert answer["per_sample"]["cross_entropy"] == [None, None, pytest.approx(np.log(2))]


async def test_long_lists_are_written_as_short_ones(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is longer than what is written in one step, in a length that is no multiple of it."""
    asked = [
        ("multiclass", large(100) | {"include": ["per_sample", "gradient"]}),
        ("multiclass", {"labels": [3] * 7, "logits": [[0, 1, 2, 3, 4.5]] * 7, "include": ["confusion", "gradient"]}),
    ]
    whole = [await scored(client, *one) for one in asked]
    monkeypatch.setattr(accept, "SLICE_NUMBERS", 9)
    assert [await scored(client, *one) for one in asked] == whole


def large(n_rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {
        "labels": rng.integers(0, 4, n_rows).tolist(),
        "probabilities": rng.dirichlet(np.ones(4), n_rows).tolist(),
        "include": ["per_sample"],
    }


async def test_a_large_body_is_scored_as_its_rows_are(client: httpx.AsyncClient) -> None:
    body = large(8000)
    assert orjson.dumps(body).count(b",") > MAX_NUMBERS
    whole = await scored(client, "multiclass", body)
    small = body | {name: body[name][:80] for name in ("labels", "probabilities")}
    assert len(orjson.dumps(small)) <= MAX_NUMBERS
    part = await scored(client, "multiclass", small)
    assert whole["per_sample"]["cross_entropy"][:80] == part["per_sample"]["cross_entropy"]


@pytest.mark.parametrize("n_rows", [10, 1_000, 4_000, 8_000])
async def test_plain_rows_are_scored_alike_wherever_the_work_is_done(client: httpx.AsyncClient, n_rows: int) -> None:
    """The length or the count of numbers puts the work on the event loop or into a thread."""
    body = large(n_rows)
    del body["include"]
    answers = await asyncio.gather(*(scored(client, "multiclass", body) for _ in range(3)))
    per_sample = await scored(client, "multiclass", body | {"include": ["per_sample"]})
    assert [answer["metrics"] for answer in answers] == [per_sample["metrics"]] * 3


async def test_many_at_once_do_not_mix(client: httpx.AsyncClient, log_lines: list[EventDict]) -> None:
    sizes = [1, 2000, 3, 1500, 5, 2500, 7, 1000]
    bodies = [large(size) for size in sizes]
    answers = await asyncio.gather(*(scored(client, "multiclass", body) for body in bodies))
    assert [answer["n_samples"] for answer in answers] == sizes
    assert [answer["metrics"] for answer in answers] == [
        (await scored(client, "multiclass", body))["metrics"] for body in bodies
    ]
    assert sorted(line["n_scored"] for line in log_lines[: len(sizes)]) == sorted(sizes)


LISTS_OF_ONE = "; each list has one value: send the values without lists around them"


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ("probabilities", "; send one probability a row, of the positive class, or use multiclass"),
        (
            "logits",
            (
                "; send one logit a row, the second less the first (of margins that are [1 - m, m], m alone), "
                "or use multiclass"
            ),
        ),
    ],
)
async def test_two_columns_are_not_binary_and_what_to_do_is_told(
    form: str, hint: str, client: httpx.AsyncClient
) -> None:
    for row, told in (([0.25, 0.75], hint), ([0.75], LISTS_OF_ONE)):
        response = await client.post("/v1/score/binary", json={"labels": [1, 0], form: [row, row]})
        (error,) = response.json()["errors"]
        assert (error["pointer"], error["detail"]) == (f"/{form}", f"must hold single values, found lists{told}")


@pytest.mark.parametrize(
    ("noun", "body"),
    [
        ("score", {"labels": [0], "logits": WIDE}),
        ("calibrate", {"labels": [0], "logits": WIDE}),
        ("compare", {"labels": [0], "candidates": {"a": {"logits": WIDE}, "b": {"logits": WIDE}}}),
    ],
)
async def test_every_noun_keeps_the_limit_of_columns(
    noun: str, body: dict[str, Any], client: httpx.AsyncClient
) -> None:
    response = await client.post(f"/v1/{noun}/multiclass", json=body)
    assert response.status_code == 413
    assert response.json()["detail"].endswith("logits must have at most 100000 columns, found 100001")
