"""`POST /v1/merge` of states of comparisons: what it answers, and how it takes states of others, or forged ones."""

import copy
import json
from typing import Any

import httpx
import pytest

from app.service.states import VERSION, sealed
from tests.api.routes.test_compare_rows import columns_of, options_of
from tests.api.routes.test_merge import MERGE, changes
from tests.api.servers import running
from tests.bodies import Body
from tests.encoded import ENCODERS, MEDIA_TYPES, encoded

pytestmark = pytest.mark.anyio

LABELS = [1, 0, 1, 1, 0, 1]
BODY: Body = {
    "labels": LABELS,
    "candidates": {
        "old": {"probabilities": [0.9, 0.2, 0.6, 0.8, 0.5, 0.7]},
        "new": {"logits": [2, -1, 0.5, 3, -0.5, 1]},
    },
    "baseline": "old",
    "cluster_id": ["a", "b", "a", "c", "b", "d"],
    "slices": {"half": [0, 0, 1, 1, 0, 1]},
    "min_samples": 2,
    "margin": 0.5,
    "include": ["state"],
    "require": {"verdict": ["better", "equivalent"], "new": {"cross_entropy": {"max": 0.1}}},
}


def part(rows: slice, body: Body = BODY) -> Body:
    columns = {name: body[name][rows] for name in ("labels", "cluster_id") if name in body}
    candidates = {
        name: {field: values[rows] for field, values in sent.items()} for name, sent in body["candidates"].items()
    }
    return body | columns | {"candidates": candidates, "slices": {"half": body["slices"]["half"][rows]}}


async def compared(client: httpx.AsyncClient, body: Body) -> dict[str, Any]:
    response = await client.post("/v1/compare/binary", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def states(client: httpx.AsyncClient, **change: Any) -> list[Any]:
    bodies = part(slice(0, 2)), part(slice(2, None)) | change
    return [(await compared(client, body))["state"] for body in bodies]


async def test_the_answer_is_that_of_one_request(client: httpx.AsyncClient) -> None:
    whole, sent = await compared(client, BODY), await states(client)
    assert (await client.post(MERGE, json={"states": sent, "include": ["state"]})).json() == whole
    del whole["state"]
    merged = (await client.post(MERGE, json={"states": sent})).json()
    assert merged == whole
    assert (merged["passed"], [failure["rule"] for failure in merged["failures"]]) == (
        False,
        ["/require/new/cross_entropy/max"],
    )


@pytest.mark.parametrize("format_", ENCODERS)
async def test_states_of_files_and_of_json_add_up(format_: str, client: httpx.AsyncClient) -> None:
    whole = await compared(client, BODY)
    first, second = part(slice(0, 2)), part(slice(2, None))
    params = options_of(first) | {"require": json.dumps(BODY["require"])}
    body = encoded(format_, columns_of(first), rows_at_once=1)
    headers = {"content-type": MEDIA_TYPES[format_]}
    answer = await client.post("/v1/compare/binary/rows", content=body, params=params, headers=headers)
    sent = [answer.json()["state"], (await compared(client, second))["state"]]
    assert (await client.post(MERGE, json={"states": sent, "include": ["state"]})).json() == whole


@pytest.mark.slow
def test_states_of_two_processes_add_up() -> None:
    """Strings have another hash in each process, so nothing may follow from the order of a set."""
    with running(PYTHONHASHSEED="1") as one, running(PYTHONHASHSEED="2") as other:
        addresses = [f"http://127.0.0.1:{server.port}" for server in (one, other)]
        path = "/v1/compare/binary"
        bodies = part(slice(0, 2)), part(slice(2, None))
        sent = [
            httpx.post(address + path, json=body).json()["state"]
            for address, body in zip(addresses, bodies, strict=True)
        ]
        whole = [httpx.post(address + path, json=BODY).json() for address in addresses]
        merged = [
            httpx.post(address + MERGE, json={"states": sent, "include": ["state"]}).json() for address in addresses
        ]
    assert merged == whole
    assert whole[0] == whole[1]


async def test_another_version_is_refused_by_its_number(client: httpx.AsyncClient) -> None:
    sent = await states(client)
    sent[1]["version"] = VERSION - 1
    (error,) = (await client.post(MERGE, json={"states": sent})).json()["errors"]
    assert error["pointer"] == "/states/1/version"
    assert error["detail"] == f"must be the version {VERSION} of states, which is read here, found {VERSION - 1}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": 0.25}, "`margin`, found 0.5 in state 0 and 0.25 in state 1"),
        ({"unit": "bits"}, "`unit`"),
        ({"metric": "brier_score"}, "`metric`"),
        ({"baseline": "new"}, "`baseline`, found old in state 0 and new in state 1"),
        ({"require": {"verdict": ["better"]}}, "`require`"),
        ({"candidates": dict(reversed(part(slice(2, None))["candidates"].items()))}, "`candidates`"),
        ({"slices": {"other": [1, 2, 3, 4]}}, "the names of slices"),
        ({"cluster_id": None}, "`columns`"),
    ],
)
async def test_states_that_differ_are_a_conflict(change: Body, words: str, client: httpx.AsyncClient) -> None:
    problem = (await client.post(MERGE, json={"states": await states(client, **change)})).json()
    assert (problem["status"], problem["code"]) == (409, "state_mismatch")
    assert f"states must agree in {words}" in problem["detail"]


async def test_a_state_of_scoring_is_none_of_a_comparison(client: httpx.AsyncClient) -> None:
    scored = await client.post("/v1/score/binary", json={"labels": [1], "probabilities": [0.5], "include": ["state"]})
    problem = (await client.post(MERGE, json={"states": [*await states(client), scored.json()["state"]]})).json()
    assert problem["detail"] == "states must agree in the operation, found compare in state 0 and score in state 2"


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        (1, "must be a list"),
        ([["a", "logits"], ["a", "logits"]], "must be candidates of different names"),
        ([["a"], ["b", "logits"]], "must be a list"),
        ([["a", "logits"], ["b", 1]], "must be a string"),
        ([["a", "logits"], ["b", "targets"]], "must hold exactly one of probabilities, logits"),
        ([["a", "logits"]], "must hold 2 to 50 candidates"),
    ],
)
async def test_what_is_no_question_is_refused(candidates: object, words: str, client: httpx.AsyncClient) -> None:
    sent = await states(client)
    request = sent[0]["request"] | {"candidates": candidates, "baseline": "a"}
    request.pop("require")
    forged = sealed("compare", request, sent[0]["sums"])
    (error,) = (await client.post(MERGE, json={"states": [forged]})).json()["errors"]
    assert error["pointer"].startswith("/states/0/request/candidates")
    assert words in error["detail"]


async def test_sums_of_other_rows_are_refused(client: httpx.AsyncClient) -> None:
    first, second = await states(client)
    for path in ("candidates/new", "pairs"):
        sums = copy.deepcopy(first["sums"])
        holder, name = (sums["candidates"], "new") if path == "candidates/new" else (sums, "pairs")
        other = second["sums"]["candidates"]["new"] if name == "new" else second["sums"]["pairs"]
        holder[name] = other
        forged = sealed("compare", first["request"], sums)
        (error,) = (await client.post(MERGE, json={"states": [forged]})).json()["errors"]
        assert error["pointer"].startswith(f"/states/0/sums/{path}")
        assert "must be sums of the rows of" in error["detail"]


async def test_a_forged_state_is_refused_or_has_finite_numbers(client: httpx.AsyncClient) -> None:
    off = {"old": {"probabilities": [[0.5, 0.4], [0.3, 0.7]] * 3}, "new": {"probabilities": [[0.6, 0.4]] * 6}}
    body: Body = BODY | {"candidates": off, "labels": LABELS, "require": None}
    for asked, task in ((BODY, "binary"), (body, "multiclass")):
        (state,) = [(await client.post(f"/v1/compare/{task}", json=asked)).json()["state"]]
        statuses = set()
        for change, back in changes(state["sums"])[:: 37 if task == "binary" else 53]:
            change()
            forged = sealed("compare", state["request"], state["sums"])
            response = await client.post(MERGE, content=json.dumps({"states": [forged, state]}))
            statuses.add(response.status_code)
            assert response.status_code in (200, 409, 422), response.text
            back()
        assert statuses >= {200, 422}
