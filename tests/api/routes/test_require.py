"""Rules of `require`: what an answer says of them, and which are refused."""

import json
from typing import Any

import httpx
import pytest

from tests.bodies import Body

pytestmark = pytest.mark.anyio

SCORED: Body = {"labels": [1, 0, 1, 1], "probabilities": [0.9, 0.2, 0.6, 0.8]}
LOSS = 0.2656183105130591
COMPARED: Body = {
    "labels": [1, 0, 1, 1],
    "candidates": {"a": {"probabilities": [0.9, 0.2, 0.6, 0.8]}, "b": {"logits": [2, -1, 0.5, 3]}},
    "baseline": "a",
}


async def asked(client: httpx.AsyncClient, path: str, body: Body, require: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post(path, json=body | {"require": require})).json()
    return answer


async def test_an_answer_ends_in_what_its_rules_say(client: httpx.AsyncClient) -> None:
    rules = {"cross_entropy": {"max": 0.2, "min": 0.1}, "accuracy": {"min": 1}}
    answer = await asked(client, "/v1/score/binary", SCORED, rules)
    assert list(answer)[-2:] == ["passed", "failures"]
    assert not answer["passed"]
    detail = f"cross_entropy must be at most 0.2, found {LOSS}"
    assert answer["failures"] == [{"rule": "/require/cross_entropy/max", "found": LOSS, "detail": detail}]


@pytest.mark.parametrize("bounds", [{"max": LOSS}, {"min": LOSS}, {"min": LOSS, "max": LOSS}, {"max": 1, "min": None}])
async def test_bounds_are_allowed_values(bounds: Body, client: httpx.AsyncClient) -> None:
    answer = await asked(client, "/v1/score/binary", SCORED, {"cross_entropy": bounds})
    assert (answer["passed"], answer["failures"]) == (True, [])


async def test_without_rules_the_answer_is_as_it_was(client: httpx.AsyncClient) -> None:
    for path, body in (("/v1/score/binary", SCORED), ("/v1/compare/binary", COMPARED)):
        plain = await client.post(path, json=body)
        assert plain.content == (await client.post(path, json=body | {"require": None})).content
        assert "passed" not in plain.json()


async def test_a_metric_without_a_value_keeps_no_bound(client: httpx.AsyncClient) -> None:
    body = {"labels": [1, 1], "probabilities": [0.0, 0.5]}
    answer = await asked(client, "/v1/score/binary", body, {"cross_entropy": {"min": 0}, "d2_log_loss": {"max": 1}})
    found = [(failure["rule"], failure["found"]) for failure in answer["failures"]]
    assert found == [("/require/cross_entropy/min", "infinite"), ("/require/d2_log_loss/max", "undefined")]


async def test_rows_take_rules_as_json(client: httpx.AsyncClient) -> None:
    async def answered(rows: bytes) -> httpx.Response:
        params = {"require": json.dumps({"bits_per_byte": {"max": 0.1}})}
        headers = {"content-type": "application/x-ndjson"}
        return await client.post("/v1/score/tokens/rows", params=params, content=rows, headers=headers)

    answer = (await answered(b'{"log_probabilities": [-1, -2], "n_bytes": 5}\n')).json()
    assert not answer["passed"]
    assert answer["failures"][0]["found"] == answer["metrics"]["bits_per_byte"]["value"]
    assert (await answered(b'{"log_probabilities": [-1, -2]}\n')).status_code == 422


async def test_rules_for_all_candidates_leave_the_baseline_out(client: httpx.AsyncClient) -> None:
    rules = {"accuracy": {"min": 2}, "verdict": ["better", "equivalent"]}
    answer = await asked(client, "/v1/compare/binary", COMPARED, rules)
    assert list(answer)[-2:] == ["passed", "failures"]
    assert [failure["detail"] for failure in answer["failures"]] == [
        "accuracy of b must be at least 2.0, found 1.0",
        "the verdict on b must be better or equivalent, found inconclusive",
    ]
    assert (await asked(client, "/v1/compare/binary", COMPARED, {"verdict": ["inconclusive"]}))["passed"]


async def test_rules_may_stand_under_the_name_of_a_candidate(client: httpx.AsyncClient) -> None:
    body = COMPARED | {"candidates": COMPARED["candidates"] | {"accuracy": {"logits": [2, -1, 0.5, 3]}}}
    rules = {
        "a": {"accuracy": {"min": 2}},
        "b": {"verdict": ["better"], "accuracy": {"min": 1}},
        "accuracy": {"accuracy": {"max": 0.5}},  # the candidate of that name, for its object holds no bound
    }
    answer = await asked(client, "/v1/compare/binary", body, rules)
    assert [failure["rule"] for failure in answer["failures"]] == [
        "/require/a/accuracy/min",
        "/require/b/verdict",
        "/require/accuracy/accuracy/max",
    ]


@pytest.mark.parametrize(
    ("require", "pointer", "words"),
    [
        ({"cross_entropi": {"max": 1}}, "/cross_entropi", 'did you mean "cross_entropy"?'),
        ({"zzz": {"max": 1}}, "/zzz", "there are cross_entropy, perplexity"),
        ({"f1_score": {"min": 0}}, "/f1_score", "name f1_score in `metrics` too"),
        ({"accuracy": {"most": 1}}, "/accuracy/most", "must be min or max"),
        ({"accuracy": {}}, "/accuracy", "must hold min or max"),
        ({"accuracy": {"max": None}}, "/accuracy", "must hold min or max"),
        ({"accuracy": 0.5}, "/accuracy", "must be an object of min and max, found 0.5"),
        ({"accuracy": {"min": True}}, "/accuracy/min", "must be a number, found true"),
        ({"accuracy": {"min": "1"}}, "/accuracy/min", 'must be a number, found the string "1"'),
        ({"accuracy": {"min": 1, "max": 0}}, "/accuracy/min", "must be at most max, 0, found 1"),
        ({}, "", "must hold 1 to 1000 rules, found 0"),
        ({"accuracy": None}, "", "must hold 1 to 1000 rules, found 0"),
        ([], "", "must be an object, found a list"),
    ],
)
async def test_what_is_no_rule_is_refused(require: object, pointer: str, words: str, client: httpx.AsyncClient) -> None:
    for path, body in (("/v1/score/binary", SCORED), ("/v1/compare/binary", COMPARED)):
        (error,) = (await asked(client, path, body, require))["errors"]
        assert error["pointer"] == f"/require{pointer}"
        assert words in error["detail"]


@pytest.mark.parametrize(
    ("require", "pointer", "words"),
    [
        ({"a": {"verdict": ["better"]}}, "/a/verdict", "the baseline has no verdict"),
        ({"verdict": ["beter"]}, "/verdict", "must be a list of some of better, worse"),
        ({"verdict": "better"}, "/verdict", 'found the string "better"'),
        ({"verdict": []}, "/verdict", "must be a list of some of"),
        ({"verdict": {"max": 1}}, "/verdict", "must be a metric of the answer or a candidate"),
        ({"accurac": {"max": 1}}, "/accurac", 'did you mean "accuracy"?'),
        ({"b": {}}, "", "must hold a rule, found none"),
        ({"b": {"accuracy": None}}, "", "must hold a rule, found none"),
        ({"c": {"verdict": ["better"]}}, "/c", "must be a metric of the answer or a candidate"),
        ({"b": {"loss": {"max": 1}}}, "/b/loss", "must be a metric of the answer"),
    ],
)
async def test_what_is_no_rule_of_a_comparison_is_refused(
    require: object, pointer: str, words: str, client: httpx.AsyncClient
) -> None:
    (error,) = (await asked(client, "/v1/compare/binary", COMPARED, require))["errors"]
    assert error["pointer"] == f"/require{pointer}"
    assert words in error["detail"]
