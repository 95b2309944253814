"""`POST /v1/merge`: what it answers, and how it takes states that are old, changed, forged or of another request."""

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.schemas import merge
from app.service.states import VERSION, sealed
from app.settings import Settings
from tests.api.clients import client_of
from tests.bodies import Body
from tests.encoded import ENCODERS, MEDIA_TYPES, compressed, encoded

pytestmark = pytest.mark.anyio

MERGE = "/v1/merge"
ROWS: Body = {
    "labels": [0, 2, 1, 1, 0, 2, 2],
    "probabilities": (
        np.array([[50, 25, 25], [10, 20, 70], [30, 30, 40], [0, 100, 0], [20, 70, 10], [90, 5, 4], [30, 30, 30]]) / 100
    ).tolist(),
    "cluster_id": ["a", "b", "a", "c", "b", "a", "d"],
    "sample_weight": [1.0, 2.0, 0.5, 1.0, 0.0, 3.0, 1.0],
}
ASKED: Body = {"include": ["state", "worst", "per_class", "confusion", "calibration"], "n_worst": 3, "unit": "bits"}


def part(rows: slice) -> Body:
    return {name: values[rows] for name, values in ROWS.items()}


async def scored(client: httpx.AsyncClient, body: Body, task: str = "multiclass") -> dict[str, Any]:
    response = await client.post(f"/v1/score/{task}", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def states(client: httpx.AsyncClient, asked: Body = ASKED) -> list[Any]:
    return [(await scored(client, part(rows) | asked))["state"] for rows in (slice(0, 3), slice(3, None))]


async def test_the_answer_is_that_of_one_request(client: httpx.AsyncClient) -> None:
    whole = await scored(client, ROWS | ASKED)
    sent = await states(client)
    with_state = await client.post(MERGE, json={"states": sent, "include": ["state"]})
    assert with_state.json() == whole
    del whole["state"]
    assert (await client.post(MERGE, json={"states": sent})).json() == whole


@pytest.mark.parametrize("format_", ENCODERS)
async def test_states_of_files_and_of_json_add_up(format_: str, client: httpx.AsyncClient) -> None:
    whole = await scored(client, ROWS | ASKED)
    params = {"include": ",".join(ASKED["include"]), "n_worst": "3", "unit": "bits"}
    body = compressed("gzip", encoded(format_, part(slice(0, 3)), rows_at_once=2))
    headers = {"content-type": MEDIA_TYPES[format_], "content-encoding": "gzip"}
    first = await client.post("/v1/score/multiclass/rows", content=body, params=params, headers=headers)
    sent = [first.json()["state"], (await scored(client, part(slice(3, None)) | ASKED))["state"]]
    assert (await client.post(MERGE, json={"states": sent, "include": ["state"]})).json() == whole


async def test_a_gate_is_part_of_a_state(client: httpx.AsyncClient) -> None:
    asked = ASKED | {"require": {"accuracy": {"min": 0.99}, "brier_score": {"min": 0, "max": 2}}}
    whole = await scored(client, ROWS | asked)
    answer = (await client.post(MERGE, json={"states": await states(client, asked)})).json()
    assert (answer["passed"], answer["failures"]) == (whole["passed"], whole["failures"])
    assert not whole["passed"]


@pytest.mark.parametrize(
    ("task", "body", "pointer", "words"),
    [
        ("binary", {"include": ["state", "gradient"]}, "/include", "state and gradient"),
        ("binary", {"include": ["per_sample", "state"]}, "/include", "state and per_sample"),
        (
            "binary",
            {"include": ["state"], "metrics": ["smooth_calibration_error"]},
            "/metrics",
            "smooth_calibration_error",
        ),
        ("binary", {"include": ["state"], "bootstrap": {}}, "/bootstrap", "must be left out"),
    ],
)
async def test_what_needs_all_rows_is_refused_by_name(
    task: str, body: Body, pointer: str, words: str, client: httpx.AsyncClient
) -> None:
    response = await client.post(f"/v1/score/{task}", json={"labels": [1, 0], "probabilities": [0.5, 0.5]} | body)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, pointer)
    assert words in error["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "nats"}, "`unit`, found bits in state 0 and nats in state 1"),
        ({"n_worst": 4, "epsilon": 0.1}, "`epsilon`, found 0.0 in state 0 and 0.1 in state 1"),
        ({"include": ["state"]}, "`include`"),
        ({"metrics": ["f1_score"]}, "`metrics`"),
        ({"require": {"accuracy": {"min": 0}}}, "`require`"),
        ({"sample_weight": None}, "`columns`"),
        ({"slices": {"s": [1, 2, 3, 4]}}, "the names of slices"),
        ({"probabilities": [[0.5, 0.5, 0.0, 0.0]] * 4}, "the number of classes, found 3 in state 0 and 4 in state 1"),
    ],
)
async def test_states_that_differ_are_a_conflict(change: Body, words: str, client: httpx.AsyncClient) -> None:
    sent = [(await scored(client, part(slice(0, 3)) | ASKED))["state"]]
    sent.append((await scored(client, part(slice(3, None)) | ASKED | change))["state"])
    problem = (await client.post(MERGE, json={"states": sent})).json()
    assert (problem["status"], problem["code"]) == (409, "state_mismatch")
    assert f"states must agree in {words}" in problem["detail"]


async def test_states_of_other_tasks_are_a_conflict(client: httpx.AsyncClient) -> None:
    tokens = await scored(client, {"log_probabilities": [[-1.0]], "include": ["state"]}, "tokens")
    problem = (await client.post(MERGE, json={"states": [*await states(client), tokens["state"]]})).json()
    assert problem["detail"] == "states must agree in the task, found multiclass in state 0 and tokens in state 2"


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/states", "must be a list of 1 to 10000 states, found null"),
        ({"states": []}, "/states", "found 0"),
        ({"states": {}}, "/states", "found an object"),
        ({"states": [1]}, "/states/0", "must be an object, found 1"),
        ({"states": [{}]}, "/states/0", "must be an object with version"),
        ({"states": [{"version": 1}]}, "/states/0", "must be an object with kind"),
        ({"states": [{"version": True}]}, "/states/0/version", "the version 1 of states"),
        ({"state": []}, "/state", 'did you mean "states"?'),
        ({"states": [1], "include": ["worst"]}, "/include", "must hold state or nothing, found a list"),
        ({"states": [1], "include": "state"}, "/include", "must hold state or nothing"),
    ],
)
async def test_what_holds_no_states_is_refused(body: Body, pointer: str, words: str, client: httpx.AsyncClient) -> None:
    response = await client.post(MERGE, json=body)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, pointer)
    assert words in error["detail"]


async def test_another_version_is_refused_by_its_number(client: httpx.AsyncClient) -> None:
    sent = await states(client)
    sent[1]["version"] = VERSION + 1
    problem = (await client.post(MERGE, json={"states": sent})).json()
    assert (problem["status"], problem["code"]) == (422, "invalid_state")
    assert problem["errors"][0]["pointer"] == "/states/1/version"
    assert problem["errors"][0]["detail"].endswith(f"found {VERSION + 1}")


def changes(value: Any) -> list[tuple[Callable[[], None], Callable[[], None]]]:
    """Functions that change one part of a value in place, and change it back."""
    found: list[tuple[Callable[[], None], Callable[[], None]]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(items):
        found += changes(part)
        others: list[Any] = [None, [], {}, "", "x", -1, 0, 7, 1e300, 2**60, True, [part], 0.5]
        if isinstance(part, str):
            others += [part + " 1", part[:-1], part.replace("1", "-1", 1), part.replace("p", "p9", 1), part[::-1]]
        back = partial(value.__setitem__, key, part)
        found += [(partial(value.__setitem__, key, other), back) for other in others]
        found.append((partial(value.__delitem__, key), partial(_put, value, key, part)))
    return found


def _put(value: Any, key: Any, part: Any) -> None:
    if isinstance(value, list):
        value.insert(key, part)
    else:
        value[key] = part


async def test_a_changed_state_is_refused(client: httpx.AsyncClient) -> None:
    sent = await states(client)
    for change, back in changes(sent[1])[::23]:
        before = copy.deepcopy(sent[1])
        change()
        if sent[1] != before:
            response = await client.post(MERGE, content=json.dumps({"states": sent}))
            assert response.status_code == 422, response.text
            assert response.json()["errors"][0]["pointer"].startswith("/states/1")
        back()


async def test_a_long_question_is_not_kept(client: httpx.AsyncClient) -> None:
    (state, *_) = await states(client)
    kept = merge._kept.cache_info().currsize
    long = state["request"] | {"classes": [f"{'x' * 60}{i}" for i in range(2_000)]}
    assert len(json.dumps(long)) > merge.MAX_KEPT_BYTES
    await client.post(MERGE, json={"states": [sealed("score", long, state["sums"])]})
    assert merge._kept.cache_info().currsize == kept


async def test_a_deep_request_of_a_state_is_refused(client: httpx.AsyncClient) -> None:
    """The parser reads 1,024 levels, and writes 254 of them."""
    (state, *_) = await states(client)
    deep: Any = "nats"
    for _ in range(300):
        deep = [deep]
    forged = sealed("score", state["request"] | {"unit": deep}, state["sums"])
    response = await client.post(MERGE, content=json.dumps({"states": [forged]}))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, "/states/0/request")


@pytest.mark.parametrize(
    ("task", "body", "line"),
    [
        ("distributions", {"targets": [[0.25, 0.75]], "probabilities": [[0.5, 0.5]]}, "1 0 0 -1p0 1p0 1p0 -1p0 1p0"),
        ("binary", {"labels": [1], "probabilities": [0.25], "n_bins": 1, "include": ["state", "calibration"]}, "1p90"),
    ],
)
async def test_a_root_of_forged_sums_is_refused(task: str, body: Body, line: str, client: httpx.AsyncClient) -> None:
    """The divergence is below 0, or more rows of a bin are positive than there are."""
    state = (await scored(client, {"include": ["state"]} | body, task))["state"]
    statuses = set()
    for number in range(1, len(state["sums"]["whole"])):
        whole = [*state["sums"]["whole"]]
        whole[number] = line
        forged = sealed("score", state["request"], state["sums"] | {"whole": whole})
        statuses.add((await client.post(MERGE, json={"states": [forged]})).status_code)
    assert 422 in statuses
    assert statuses <= {200, 422}


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "tokens"])
async def test_a_forged_state_is_refused_or_has_finite_numbers(task: str) -> None:
    bodies: dict[str, Body] = {
        "multiclass": ROWS | ASKED | {"slices": {"s": [1, 2, 1, 2, 1, 2, 1]}},
        "binary": {"labels": [1, 0, 1], "logits": [0.5, -9999.0, 1.0], "include": ["state", "worst", "calibration"]},
        "multilabel": {
            "labels": [[1, 0], [0, 1]],
            "probabilities": [[0.3, 0.4], [0.5, 1.0]],
            "include": ["state", "worst"],
        },
        "tokens": {"log_probabilities": [[-1, -2], [-3]], "n_bytes": [4, 5], "include": ["state"]},
    }
    rng = np.random.default_rng(3)
    async with client_of(Settings()) as client:
        state = (await scored(client, bodies[task], task))["state"]
        found = changes({"request": state["request"], "sums": state["sums"]})
        for number in rng.permutation(len(found))[:150].tolist():
            change, back = found[number]
            change()
            forged = sealed("score", state["request"], state["sums"])
            response = await client.post(MERGE, content=json.dumps({"states": [forged]}))
            back()
            assert response.status_code in (200, 422), response.text
            if response.status_code == 422:
                assert response.json()["errors"][0]["pointer"].startswith("/states")
