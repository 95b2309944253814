import math
from collections import Counter
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit, stdtrit
from scipy.stats import ttest_rel
from structlog.typing import EventDict

from app.api.contract import openapi
from app.api.problems import MEDIA_TYPE
from app.api.schemas.compare import MODELS
from app.api.schemas.comparisons import CompareAnswer
from app.core.tasks import TASKS, TaskName
from app.service import COMPARED, compared_parts
from app.settings import Settings
from tests.api.clients import client_of
from tests.api.test_fuzz import VALUES, outcome
from tests.asking import answered
from tests.bodies import Body, random_body
from tests.calls import n_calls

pytestmark = pytest.mark.anyio

BODIES: dict[TaskName, dict[str, Any]] = {
    "binary": {
        "labels": [1, 0, 1, 1],
        "candidates": {"a": {"probabilities": [0.9, 0.2, 0.6, 0.8]}, "b": {"logits": [2, -1, 0.5, 3]}},
        "baseline": "a",
        "margin": 0.01,
    },
    "multiclass": {
        "labels": [0, -100, 1, 2, 2],
        "candidates": {
            "a": {"logits": [[2, 1, 0], [0, 1, 3], [1, 1, 1], [0, 0, 1], [0, 0, 1]]},
            "b": {"probabilities": [[0.5, 0.25, 0.25]] * 5},
            "c/d~": {"log_probabilities": np.log([[0.25, 0.25, 0.5]] * 5).tolist()},
        },
        "baseline": "b",
        "ignore_index": -100,
        "sample_weight": [1, 1, 2, 1, 3],
        "class_weight": [1, 2, 3],
        "cluster_id": ["x", "y", "x", "y", "z"],
        "slices": {"language": ["de", "de", "en", "en", "de"], "new": [True, False, True, True, True]},
        "unit": "bits",
    },
    "multilabel": {
        "labels": [[1, 0], [0, 1], [1, 1]],
        "candidates": {
            "a": {"logits": [[2, 1], [1, 0.5], [1, 2]]},
            "b": {"probabilities": [[0.75, 0.25], [0.5, 0.75], [0.9, 0.6]]},
        },
        "baseline": "a",
        "pos_weight": [1, 2],
        "slices": {"even": [True, False, True]},
    },
    "distributions": {
        "targets": [[0.5, 0.5], [0.25, 0.75], [1, 0]],
        "candidates": {
            "a": {"probabilities": [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]]},
            "b": {"logits": [[0, 0.5], [0, 1], [2, 1]]},
        },
        "baseline": "b",
    },
    "tokens": {
        "candidates": {
            "a": {"log_probabilities": [[-1], [-2, -3], [], [-1]]},
            "b": {"log_probabilities": [[-2], [-2, -2], [], [-1]]},
        },
        "baseline": "a",
        "n_bytes": [1, 2, 3, 4],
        "slices": {"long": [0, 1, 0, 0]},
    },
}
WORKED = {"a": [0.2, 0.9, 0.5, 0.1], "b": [0.3, 0.8, 0.7, 0.4]}


async def compared(client: httpx.AsyncClient, task: str, body: object) -> dict[str, Any]:
    response = await client.post(f"/v1/compare/{task}", json=body)
    assert response.status_code == 200, response.text
    CompareAnswer.model_validate_json(response.content, strict=True)
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("task", COMPARED)
async def test_an_answer_is_as_documented(task: TaskName, client: httpx.AsyncClient) -> None:
    body = BODIES[task]
    found = await compared(client, task, body)
    assert found["task"] == task
    assert list(found["candidates"]) == list(body["candidates"])
    others = [name for name in body["candidates"] if name != body["baseline"]]
    assert [(pair["candidate"], pair["baseline"]) for pair in found["comparisons"]] == [
        (name, body["baseline"]) for name in others
    ]
    assert found["options"].items() >= {"margin": body.get("margin", 0.0), "confidence_level": 0.95}.items()
    assert "n_worst" not in found["options"]
    assert ("p_value_adjusted" in found["comparisons"][0]) is (len(others) > 1)


@pytest.mark.parametrize("task", COMPARED)
async def test_candidates_are_scored_as_they_are_alone(task: TaskName, client: httpx.AsyncClient) -> None:
    body = BODIES[task]
    found = await compared(client, task, body)
    shared = {name: value for name, value in body.items() if name not in ("candidates", "baseline", "margin", "slices")}
    for name, prediction in body["candidates"].items():
        alone = (await client.post(f"/v1/score/{task}", json={**shared, **prediction})).json()
        assert found["candidates"][name]["metrics"] == alone["metrics"]
        assert (found["n_scored"], found["unit"]) == (alone["n_scored"], alone["unit"])
    means = {name: entry["metrics"]["cross_entropy"]["value"] for name, entry in found["candidates"].items()}
    for pair in found["comparisons"]:
        expected = means[pair["candidate"]] - means[pair["baseline"]]
        assert pair["difference"]["value"] == pytest.approx(expected, rel=1e-12, abs=1e-15)


async def test_the_worked_numbers(client: httpx.AsyncClient) -> None:
    candidates = {name: {"log_probabilities": [[-loss] for loss in losses]} for name, losses in WORKED.items()}
    (pair,) = (await compared(client, "tokens", {"candidates": candidates, "baseline": "b"}))["comparisons"]
    assert pair["difference"]["value"] == pytest.approx(-0.125, rel=1e-15)
    assert pair["difference"]["standard_error"] == pytest.approx(0.08539125638, rel=1e-10)
    assert pair["p_value"] == pytest.approx(ttest_rel(*WORKED.values()).pvalue, rel=1e-12)
    assert (pair["wins"], pair["losses"], pair["ties"], pair["verdict"]) == (3, 1, 0, "inconclusive")


async def test_documents_are_rows_and_tokens_their_size(client: httpx.AsyncClient) -> None:
    (pair,) = (await compared(client, "tokens", BODIES["tokens"]))["comparisons"]
    residuals = np.array([1.0, -1.0, 0.0])  # of differences that sum to 0
    assert pair["difference"]["value"] == 0.0
    assert pair["difference"]["standard_error"] == pytest.approx(math.sqrt(3 / 2 * (residuals**2).sum()) / 4)
    assert (pair["wins"], pair["losses"], pair["ties"]) == (1, 1, 1)


async def test_a_slice_is_the_request_about_its_rows(client: httpx.AsyncClient) -> None:
    body = BODIES["multiclass"]
    slices = (await compared(client, "multiclass", body))["slices"]
    assert {name: set(values) for name, values in slices.items()}.keys() == {"language", "new"}
    for value, part in slices["language"].items():
        rows = [row for row, language in enumerate(body["slices"]["language"]) if language == value]
        columns = {name: [body[name][row] for row in rows] for name in ("labels", "sample_weight", "cluster_id")}
        candidates = {
            name: {form: [values[row] for row in rows] for form, values in fields.items()}
            for name, fields in body["candidates"].items()
        }
        alone = {name: value for name, value in body.items() if name != "slices"} | columns | {"candidates": candidates}
        found = await compared(client, "multiclass", alone)
        assert part["n_scored"] == found["n_scored"]
        for here, there in zip(part["comparisons"], found["comparisons"], strict=True):
            of_the_family = {"simultaneous_interval", "p_value_adjusted"}  # here also of the pairs in other slices
            assert here.keys() == there.keys()
            assert {name: here[name] for name in here.keys() - of_the_family} == {
                name: there[name] for name in there.keys() - of_the_family
            }


@pytest.mark.parametrize("task", COMPARED)
async def test_the_order_of_rows_leaves_no_trace(task: TaskName, client: httpx.AsyncClient) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(member) for name, member in value.items()}
        return value[::-1] if isinstance(value, list) else value

    body = BODIES[task]
    same = {name: body[name] for name in ("class_weight", "pos_weight") if name in body}
    assert await compared(client, task, turned(body) | same) == await compared(client, task, body)


async def test_equal_candidates_differ_by_nothing(client: httpx.AsyncClient) -> None:
    prediction = {"logits": [0.1, 0.7, -0.3]}
    candidates = {"a": prediction, "b": prediction}
    body = {"labels": [1, 0, 1], "candidates": candidates, "baseline": "b", "min_samples": 3}
    (pair,) = (await compared(client, "binary", body))["comparisons"]
    assert pair["difference"] == {"value": 0, "status": "ok", "standard_error": 0, "confidence_interval": [0, 0]}
    assert (pair["p_value"], pair["ties"], pair["verdict"]) == (1, 3, "inconclusive")
    (pair,) = (await compared(client, "binary", body | {"margin": 0.001}))["comparisons"]
    assert pair["verdict"] == "equivalent"


@pytest.mark.parametrize("labels", [[1], [1, 1, 1], [1, 0, 1]])
async def test_one_model_in_two_forms_is_no_better(labels: list[int], client: httpx.AsyncClient) -> None:
    logits = np.array([0.3, -0.9, 2.1][: len(labels)])
    forms = {"logits": {"logits": logits.tolist()}, "shares": {"probabilities": expit(logits).tolist()}}
    for baseline in forms:
        often = {name: {form: values * 20 for form, values in one.items()} for name, one in forms.items()}
        body = {"labels": labels * 20, "baseline": baseline, "candidates": often}
        (pair,) = (await compared(client, "binary", body))["comparisons"]
        assert (pair["difference"]["value"], pair["p_value"], pair["verdict"]) == (0, 1, "inconclusive")
        assert (pair["wins"], pair["losses"], pair["ties"]) == (0, 0, len(labels) * 20)


async def test_an_infinite_loss_is_told_of_the_one_who_has_it(client: httpx.AsyncClient) -> None:
    candidates = {"sure": {"probabilities": [0.0, 0.5, 0.5]}, "careful": {"probabilities": [0.25, 0.5, 0.25]}}
    found = await compared(client, "binary", {"labels": [1, 0, 0], "candidates": candidates, "baseline": "careful"})
    (pair,) = found["comparisons"]
    assert (pair["difference"]["value"], pair["difference"]["status"]) == (None, "infinite")
    assert "only the loss of sure is infinite: 1" in pair["difference"]["reason"]
    assert (pair["wins"], pair["losses"], pair["ties"]) == (0, 2, 1)
    (warning,) = [entry for entry in found["warnings"] if entry["code"] == "zero_probability"]
    assert (warning["candidate"], warning["rows"]) == ("sure", [0])


async def test_clusters_whose_losses_no_double_holds_are_compared(client: httpx.AsyncClient) -> None:
    candidates = {"a": {"logits": [1e308, 1e308, 1, 2, 0.5]}, "b": {"logits": [1e308, 1e308, 1, 3, 0.25]}}
    body = {"labels": [0, 0, 1, 1, 1], "candidates": candidates, "baseline": "b", "cluster_id": [1, 1, 2, 3, 4]}
    found = await compared(client, "binary", body | {"min_samples": 2})
    (pair,) = found["comparisons"]
    assert pair["difference"]["standard_error"] > 0
    assert pair["p_value"] > 0.1
    assert pair["correlation"] == pytest.approx(1.0)
    assert "few_samples" not in {entry["code"] for entry in found["warnings"]}


async def test_clusters_of_the_same_losses_have_no_spread_however_large(client: httpx.AsyncClient) -> None:
    prediction = {"log_probabilities": [[-1e308]] * 4}
    body = {"candidates": {"a": prediction, "b": prediction}, "baseline": "a", "cluster_id": [1, 1, 2, 2]}
    loss = (await compared(client, "tokens", body))["candidates"]["a"]["metrics"]["cross_entropy"]
    assert (loss["value"], loss["standard_error"], loss["confidence_interval"]) == (1e308, 0, [1e308, 1e308])


def test_columns_are_grouped_once_for_all_candidates() -> None:
    body = orjson.dumps(BODIES["multiclass"])
    assert n_calls("grouping_of", lambda: answered("compare", "multiclass", body)) == 3  # clusters and two slices


async def test_warnings_of_the_truth_come_once(client: httpx.AsyncClient) -> None:
    body = BODIES["binary"] | {"labels": [1, 1, 1, 1], "mask": [True, False, False, False]}
    codes = Counter(entry["code"] for entry in (await compared(client, "binary", body))["warnings"])
    assert codes["few_samples"] == codes["single_class"] == 1


async def test_nothing_scored_is_undefined(client: httpx.AsyncClient) -> None:
    clusters = {"mask": [False] * 4, "cluster_id": [1, 2, 3, 3], "slices": {"s": ["x", "x", "y", "y"]}}
    found = await compared(client, "binary", BODIES["binary"] | clusters)
    assert found["n_scored"] == 0
    pairs = [*found["comparisons"], *(part["comparisons"][0] for part in found["slices"]["s"].values())]
    assert [pair["difference"]["status"] for pair in pairs] == ["undefined"] * 3
    assert [entry["code"] for entry in found["warnings"]] == ["few_samples", "all_ignored"]


def gated(n: int = 24, **changes: Any) -> dict[str, Any]:
    """A comparison of n rows in which `new` is better than `old`."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, n)
    old = {"probabilities": np.where(labels, 0.6, 0.4).tolist()}
    new = {"probabilities": np.where(labels, 0.8, 0.2 + 0.05 * rng.random(n)).tolist()}
    return {"labels": labels.tolist(), "candidates": {"old": old, "new": new}, "baseline": "old"} | changes


async def verdicts(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    return [pair["verdict"] for pair in (await compared(client, "binary", body))["comparisons"]]


async def test_comparisons_stand_first(client: httpx.AsyncClient) -> None:
    found = await compared(client, "binary", gated())
    assert list(found) == ["comparisons", "task", "unit", "n_scored", "candidates", "warnings", "options"]
    assert list(found["comparisons"][0])[:4] == ["candidate", "baseline", "verdict", "difference"]


async def test_few_samples_are_told_and_decide_nothing(client: httpx.AsyncClient) -> None:
    for body in (gated(19), gated(24, mask=[False] * 5 + [True] * 19), gated(24, cluster_id=[*range(19), *[0] * 5])):
        found = await compared(client, "binary", body)
        (pair,) = found["comparisons"]
        unit = "clusters" if "cluster_id" in body else "rows"
        reason = f"fewer {unit} of positive weight than min_samples, 20: 19"
        assert (pair["verdict"], pair["reason"]) == ("inconclusive", reason)
        (entry,) = [entry for entry in found["warnings"] if entry["code"] == "few_samples"]
        assert entry["detail"] == f"every verdict is inconclusive: {reason}"
        assert await verdicts(client, body | {"min_samples": 19}) == ["better"]
    assert await verdicts(client, gated(20)) == ["better"]


@pytest.mark.parametrize("form", ["probabilities", "log_probabilities"])
async def test_sums_above_1_win_nothing(form: str, client: httpx.AsyncClient) -> None:
    labels = [0, 1] * 50
    sound = [[0.6 + 0.001 * i, 0.4 - 0.001 * i][:: 1 - 2 * label] for i, label in enumerate(labels)]
    value = 1.0 if form == "probabilities" else 0.0
    candidates = {"sound": {"probabilities": sound}, "all": {form: [[value, value]] * 100}}
    body: Body = {"labels": labels, "candidates": candidates, "slices": {"half": [0, 1] * 50}}
    for baseline, as_sent, divided in (("sound", "better", "worse"), ("all", "worse", "better")):
        found = (await client.post("/v1/compare/multiclass", json=body | {"baseline": baseline})).json()
        parts = [found, *found["slices"]["half"].values()]
        for (entry,) in [part["comparisons"] for part in parts]:
            assert entry["verdict"] == "inconclusive"
            reason = f"rows do not sum to 1: {as_sent} as sent, {divided} when they are divided by their sums"
            assert entry["reason"] == reason
    body |= {"baseline": "sound", "normalization": "renormalize"}
    (entry,) = (await client.post("/v1/compare/multiclass", json=body)).json()["comparisons"]
    assert entry["verdict"] == "worse"
    twice = {name: {form: [[value, value]] * 100} for name in ("sound", "copy")}
    body |= {"normalization": "warn", "margin": 0.01, "candidates": twice}
    (entry,) = (await client.post("/v1/compare/multiclass", json=body)).json()["comparisons"]
    assert entry["verdict"] == "equivalent"


async def test_sums_within_the_tolerance_win_nothing_either(client: httpx.AsyncClient) -> None:
    random = np.random.default_rng(4)
    first = random.uniform(0.2, 0.8, 400)
    rows = np.stack([first, 1.0 - first], axis=1)
    labels = (random.random(400) < rows[:, 1]).astype(int).tolist()
    for tolerance, excess, normalization in ((1e-6, 9e-7, "warn"), (1e-6, 9e-7, "error"), (0.2, 0.1, "warn")):
        larger = rows * (1.0 + random.uniform(0.0, excess, (400, 1)))
        candidates = {"old": {"probabilities": rows.tolist()}, "new": {"probabilities": larger.tolist()}}
        body: Body = {"labels": labels, "candidates": candidates, "baseline": "old", "tolerance": tolerance}
        (entry,) = (await compared(client, "multiclass", body | {"normalization": normalization}))["comparisons"]
        assert entry["verdict"] == "inconclusive"
        assert entry["reason"].startswith("rows do not sum to 1: better as sent, ")


async def test_options_of_the_gate_are_echoed_and_null_is_not_set(client: httpx.AsyncClient) -> None:
    plain = await compared(client, "binary", gated())
    assert plain["options"].items() >= {"margin": 0.0, "min_samples": 20, "family": "pairs"}.items()
    unset = gated(margin=None, min_samples=None, family=None)
    assert await compared(client, "binary", unset) == plain
    found = await compared(client, "binary", gated(margin=1, min_samples=7, family="none"))
    assert found["options"].items() >= {"margin": 1.0, "min_samples": 7, "family": "none"}.items()


async def test_slices_are_a_family_of_their_own(client: httpx.AsyncClient) -> None:
    body = gated(60, slices={"half": [0, 1] * 30, "third": ["x", "y", "z"] * 20})
    found = await compared(client, "binary", body)
    assert "simultaneous_interval" not in found["comparisons"][0]
    parts = [part for values in found["slices"].values() for part in values.values()]
    assert len(parts) == 5
    for part in parts:
        (pair,) = part["comparisons"]
        spread = stdtrit(part["n_scored"] - 1, 1 - 0.05 / 10) * pair["difference"]["standard_error"]
        value = pair["difference"]["value"]
        assert pair["simultaneous_interval"] == pytest.approx([value - spread, value + spread], rel=1e-9)
    assert "few_samples" not in {entry["code"] for entry in found["warnings"]}
    alone = await compared(client, "binary", body | {"family": "none"})
    assert all("simultaneous_interval" not in part["comparisons"][0] for part in alone["slices"]["half"].values())


async def test_slices_of_few_rows_are_told(client: httpx.AsyncClient) -> None:
    found = await compared(client, "binary", gated(40, slices={"s": ["x"] * 21 + ["y"] * 19}))
    assert [found["slices"]["s"][value]["comparisons"][0]["verdict"] for value in "xy"] == ["better", "inconclusive"]
    (entry,) = [entry for entry in found["warnings"] if entry["code"] == "few_samples"]
    assert entry["detail"].startswith("the verdicts on 1 of 2 slices are inconclusive")


@pytest.mark.parametrize("left_out", [None, [], [1], [1, 2, 3], [None, "x"], [0.5, 0.5]])
async def test_masked_rows_are_not_looked_at_in_any_candidate(left_out: Any, client: httpx.AsyncClient) -> None:
    rows = {"a": [[0.5, 0.5], [0.25, 0.75], [0.3, 0.7]], "b": [[0.6, 0.4], left_out, [0.2, 0.8]]}
    body = {"labels": [0, None, 1], "mask": [True, False, True], "baseline": "a"}
    found = await compared(
        client, "multiclass", body | {"candidates": {name: {"probabilities": rows[name]} for name in "ab"}}
    )
    assert (found["n_scored"], found["comparisons"][0]["wins"]) == (2, 2)
    turned = body | {"baseline": "b", "candidates": {name: {"probabilities": rows[name]} for name in "ba"}}
    assert (await compared(client, "multiclass", turned))["comparisons"][0]["losses"] == 2


async def test_documents_without_tokens_do_not_count(client: httpx.AsyncClient) -> None:
    rng = np.random.default_rng(5)
    a = [(-rng.exponential(size=3)).tolist() for _ in range(20)]
    b = [[value - 0.5 + 0.1 * rng.random() for value in document] for document in a]
    one = {"candidates": {"a": {"log_probabilities": a}, "b": {"log_probabilities": b}}, "baseline": "a"}
    (pair,) = (await compared(client, "tokens", one))["comparisons"]
    assert pair["verdict"] == "worse"
    a[3], b[3] = [], []
    (pair,) = (await compared(client, "tokens", one))["comparisons"]
    assert (pair["verdict"], pair["reason"]) == (
        "inconclusive",
        "fewer rows of positive weight than min_samples, 20: 19",
    )


def test_a_loss_is_worked_out_once_for_scores_and_differences() -> None:
    body = orjson.dumps(gated(24, candidates={f"{i}": {"logits": [0.5] * 24} for i in range(5)}, baseline="3"))
    for step, times in (("tally", 11), ("_pair_tally", 1), ("element_rows", 0)):
        assert n_calls(step, lambda: answered("compare", "binary", body)) == times, step


@pytest.mark.parametrize("n", [24, 3_000, 20_000])
async def test_answers_are_alike_wherever_the_work_is_done(n: int, client: httpx.AsyncClient) -> None:
    """A short body is answered on the event loop without slices, and in a thread with them."""
    plain = await compared(client, "binary", gated(n))
    sliced = await compared(client, "binary", gated(n, slices={"all": ["x"] * n}))
    assert sliced.pop("slices")["all"]["x"]["comparisons"] == plain["comparisons"]
    assert sliced == plain


async def test_rows_are_counted(client: httpx.AsyncClient, log_lines: list[EventDict]) -> None:
    await compared(client, "multiclass", BODIES["multiclass"])
    assert log_lines[-1]["n_scored"] == 4


async def problem_of(client: httpx.AsyncClient, task: str, body: object) -> dict[str, Any]:
    response = await client.post(f"/v1/compare/{task}", json=body)
    assert response.headers["content-type"] == MEDIA_TYPE
    found: dict[str, Any] = response.json()
    return found


def binary(**changes: Any) -> dict[str, Any]:
    return BODIES["binary"] | changes


def with_b(fields: Any, task: TaskName = "binary", name: str = "b") -> dict[str, Any]:
    """The body of a task with another second candidate."""
    body = BODIES[task]
    return body | {"candidates": {"a": body["candidates"]["a"], name: fields}, "baseline": "a"}


A = BODIES["binary"]["candidates"]["a"]


@pytest.mark.parametrize(
    ("task", "body", "error"),
    [
        ("binary", binary(baseline="z"), ("/baseline", "out_of_range", 'found the string "z"')),
        ("binary", binary(baseline="aa"), ("/baseline", "out_of_range", 'did you mean "a"?')),
        ("binary", binary(baseline=1), ("/baseline", "wrong_type", "name of a candidate, found 1")),
        ("binary", binary(baseline=None), ("/baseline", "missing", "name of a candidate, found none")),
        ("binary", binary(candidates={"a": A}), ("/candidates", "out_of_range", "2 to 50 candidates, found 1")),
        (
            "binary",
            binary(candidates={f"{i}": A for i in range(51)}, baseline="0"),
            ("/candidates", "out_of_range", "found 51"),
        ),
        ("binary", binary(candidates=[A, A]), ("/candidates", "wrong_type", "must be an object, found a list")),
        ("binary", binary(margin=-0.5), ("/margin", "out_of_range", "must be at least 0, found -0.5")),
        ("binary", binary(margin=True), ("/margin", "wrong_type", "must be a number, found true")),
        ("binary", binary(min_samples=0), ("/min_samples", "out_of_range", "must be at least 1, found 0")),
        ("binary", binary(min_samples=20.0), ("/min_samples", "wrong_type", "must be an integer, found 20.0")),
        ("binary", binary(min_samples=2**63), ("/min_samples", "out_of_range", "must be at most 1e+09, found 9223372")),
        ("binary", binary(family="slices"), ("/family", "out_of_range", "must be 'pairs' or 'none', found the string")),
        ("binary", binary(family=1), ("/family", "out_of_range", "must be 'pairs' or 'none', found 1")),
        ("binary", binary(minsamples=1), ("/minsamples", "unknown_field", 'did you mean "min_samples"?')),
        ("binary", binary(unit="nat"), ("/unit", "out_of_range", 'found the string "nat"')),
        ("binary", binary(labels=None), ("", "missing", "exactly one of labels, targets, found none")),
        ("binary", binary(targets=[1] * 4), ("", "exclusive", "found labels and targets")),
        ("binary", binary(probabilities=[1] * 4), ("/probabilities", "unknown_field", "stands in a candidate")),
        ("binary", binary(candidate={}), ("/candidate", "unknown_field", 'did you mean "candidates"?')),
        ("binary", binary(include=["worst"]), ("/include/0", "out_of_range", "must be 'state', found the string")),
        (
            "binary",
            binary(n_worst=3),
            ("/n_worst", "unknown_field", "scoring does, but a comparison does not use it"),
        ),
        (
            "binary",
            binary(top_k=[1]),
            ("/top_k", "unknown_field", "comparing binary knows; this one belongs to multiclass"),
        ),
        ("binary", with_b(None), ("/candidates/b", "wrong_type", "must be an object, found null")),
        ("binary", with_b({}), ("/candidates/b", "missing", "one of probabilities, logits, found none")),
        ("binary", with_b({"logits": None}), ("/candidates/b", "missing", "found none")),
        (
            "binary",
            with_b({"logits": [0.5] * 4, "probabilities": [0.5] * 4}),
            ("/candidates/b", "exclusive", "found probabilities and logits"),
        ),
        (
            "binary",
            with_b({"logits": [0.5] * 4, "probs": [0.5] * 4}, name="b/c"),
            ("/candidates/b~1c/probs", "unknown_field", "must be one of probabilities, logits"),
        ),
        ("binary", with_b(A, name="é" * 81), ("/candidates/" + "é" * 79 + "…", "out_of_range", "found 81")),
        ("binary", with_b(A, name=""), ("/candidates/", "out_of_range", "a name of 1 to 80 characters, found 0")),
        (
            "binary",
            with_b({"logits": [1, 2, 3]}),
            ("/candidates/b/logits", "wrong_length", "as many samples as labels, 4, found 3"),
        ),
        (
            "binary",
            with_b({"probabilities": [0.5, 1.5, 0.5, 0.5]}, name="b~"),
            ("/candidates/b~0/probabilities/1", "out_of_range", "[0, 1], found 1.5"),
        ),
        (
            "binary",
            with_b({"logits": [0.5, "x", 1, 1]}),
            ("/candidates/b/logits/1", "wrong_type", 'must be a number or "-Infinity", found the string "x"'),
        ),
        (
            "binary",
            with_b({"logits": [[1], [2], [3], [4]]}),
            ("/candidates/b/logits", "wrong_shape", "must hold single values, found lists"),
        ),
        ("binary", binary(labels=[0, 1, 2, 1]), ("/labels/2", "out_of_range", "must be 0 or 1, found 2")),
        ("binary", binary(labels=[0, 1]), ("/candidates/a/probabilities", "wrong_length", "as labels, 2, found 4")),
        ("binary", binary(sample_weight=[1]), ("/sample_weight", "wrong_length", "found 1")),
        ("binary", binary(cluster_id=[1, 2]), ("/cluster_id", "wrong_length", "found 2")),
        ("binary", binary(slices={"s": ["x"]}), ("/slices/s", "wrong_length", "found 1")),
        (
            "multiclass",
            with_b({"logits": [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, "x", 3], [1, 2, 3]]}, "multiclass"),
            ("/candidates/b/logits/3/1", "wrong_type", 'found the string "x"'),
        ),
        (
            "multiclass",
            with_b({"logits": [[1, 2]] * 5}, "multiclass"),
            ("/candidates/b/logits/0", "wrong_length", "as many values as row 0 of a, 3, found 2"),
        ),
        (
            "multiclass",
            with_b({"logits": [[1, 2, 3]] * 4 + [[1, 2]]}, "multiclass"),
            ("/candidates/b/logits/4", "wrong_length", "row 4 of a, 3, found 2"),
        ),
        (
            "tokens",
            with_b({"log_probabilities": [[-1], [-1], [], [-1]]}, "tokens"),
            ("/candidates/b/log_probabilities/1", "wrong_length", "as many values as document 1 of a, 2, found 1"),
        ),
        (
            "tokens",
            with_b({"log_probabilities": [[-1], [-1, -1]]}, "tokens"),
            ("/candidates/b/log_probabilities", "wrong_length", "as many samples as a, 4, found 2"),
        ),
        (
            "tokens",
            with_b({"log_probabilities": [[-1], [-1, 1], [], [-1]]}, "tokens"),
            ("/candidates/b/log_probabilities/1/1", "out_of_range", "must be at most 0, found 1.0"),
        ),
    ],
)
async def test_what_is_wrong_is_named_and_located(
    task: str, body: object, error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    problem = await problem_of(client, task, body)
    (found,) = problem["errors"]
    assert (found["pointer"], found["code"], problem["n_errors"]) == (*error[:2], 1)
    assert error[2] in found["detail"]


async def test_errors_of_all_places_come_together(client: httpx.AsyncClient) -> None:
    problem = await problem_of(client, "binary", {"unit": "x", "margin": -1, "zzz": 1})
    pointers = [error["pointer"] for error in problem["errors"]]
    assert pointers == ["/zzz", "", "/margin", "/unit", "/candidates", "/baseline"]
    assert problem["n_errors"] == len(pointers)


async def test_every_unknown_field_counts(client: httpx.AsyncClient) -> None:
    problem = await problem_of(client, "binary", binary(**{f"unknown{i}": 1 for i in range(3000)}))
    assert (problem["n_errors"], len(problem["errors"])) == (3000, 20)


async def test_slices_have_a_bound(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_parts, "MAX_SLICED_COMPARISONS", 9)
    problem = await problem_of(client, "multiclass", BODIES["multiclass"] | {"slices": {"s": [1, 2, 3, 4, 5]}})
    assert problem["errors"][0]["pointer"] == "/slices"
    assert "at most 9 comparisons in all values, found 10" in problem["detail"]


@pytest.mark.parametrize("name", ["targets", "candidates"])
async def test_too_many_columns(name: str) -> None:
    wide = [[0.25] * 4]
    values: Any = wide if name == "targets" else {"a": {"logits": wide}, "b": {"logits": wide}}
    async with client_of(Settings(max_columns=3)) as client:
        problem = await problem_of(client, "multiclass", {name: values})
        assert (problem["status"], problem["code"]) == (413, "too_large")
        assert problem["detail"].endswith("must have at most 3 columns, found 4")


LABELS = np.random.default_rng(1).integers(0, 3, 60)
GOOD = np.where(np.eye(3)[LABELS] > 0, 0.5 + np.arange(60)[:, None] / 200, 0.25 - np.arange(60)[:, None] / 400)
POOR = np.where(np.arange(60)[:, None] % 3 == 0, GOOD[:, [1, 2, 0]], GOOD)


@pytest.mark.parametrize("metric", ["cross_entropy", "brier_score", "accuracy"])
async def test_any_mean_of_rows_can_decide(metric: str, client: httpx.AsyncClient) -> None:
    body = {
        "labels": LABELS.tolist(),
        "candidates": {"good": {"probabilities": GOOD.tolist()}, "poor": {"probabilities": POOR.tolist()}},
        "baseline": "poor",
        "metric": metric,
    }
    found = await compared(client, "multiclass", body)
    values = {name: entry["metrics"][metric] for name, entry in found["candidates"].items()}
    (pair,) = found["comparisons"]
    assert found["options"]["metric"] == metric
    assert pair["difference"]["value"] == pytest.approx(values["good"]["value"] - values["poor"]["value"], rel=1e-12)
    assert (pair["verdict"], pair["wins"], pair["losses"], pair["ties"]) == ("better", 20, 0, 40)
    (turned,) = (await compared(client, "multiclass", body | {"baseline": "good"}))["comparisons"]
    assert (turned["verdict"], turned["wins"], turned["losses"]) == ("worse", 0, 20)
    assert turned["difference"]["value"] == -pair["difference"]["value"]
    lower, upper = pair["difference"]["confidence_interval"]
    for margin, verdict in ((0.99 * min(-lower, -upper) if upper < 0 else 0.99 * lower, "better"), (2.0, "equivalent")):
        (held,) = (await compared(client, "multiclass", body | {"margin": margin}))["comparisons"]
        assert held["verdict"] == verdict


async def test_weights_of_classes_and_the_denominator_are_no_part_of_other_metrics(client: httpx.AsyncClient) -> None:
    body = {
        "labels": LABELS.tolist(),
        "candidates": {"good": {"probabilities": GOOD.tolist()}, "poor": {"probabilities": POOR.tolist()}},
        "baseline": "poor",
        "metric": "brier_score",
        "sample_weight": np.linspace(1, 2, 60).tolist(),
    }
    plain = await compared(client, "multiclass", body)
    shaped = await compared(client, "multiclass", body | {"class_weight": [1, 2, 3], "denominator": "count"})
    assert shaped["comparisons"] == plain["comparisons"]


def cut_differently(n: int) -> dict[str, Any]:
    """Documents as two models see them, the second with other tokens, and their sizes."""
    rng = np.random.default_rng(n)
    old, new = ([(-rng.exponential(2.0, int(m))).tolist() for m in rng.integers(1, 9, n)] for _ in range(2))
    return {
        "candidates": {"old": {"log_probabilities": old}, "new": {"log_probabilities": new}},
        "baseline": "old",
        "n_bytes": rng.integers(5, 50, n).tolist(),
        "n_words": rng.integers(1, 9, n).tolist(),
    }


@pytest.mark.parametrize(("per", "metric"), [("byte", "bits_per_byte"), ("word", "word_perplexity")])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sample_weight": [1.0, 2.0] * 15},
        {"sample_weight": [1.0, 2.0] * 15, "denominator": "count"},
        {"cluster_id": [1, 2, 3] * 10},
    ],
)
async def test_models_of_other_tokens_differ_by_the_byte_and_the_word(
    per: str, metric: str, more: dict[str, Any], client: httpx.AsyncClient
) -> None:
    found = await compared(client, "tokens", cut_differently(30) | {"per": per, "unit": "bits", **more})
    (pair,) = found["comparisons"]
    old, new = (found["candidates"][name]["metrics"][metric]["value"] for name in ("old", "new"))
    expected = new - old if per == "byte" else math.log2(new) - math.log2(old)
    assert pair["difference"]["value"] == pytest.approx(expected, rel=1e-10)
    assert found["options"]["per"] == per


async def test_documents_differ_as_rows_do(client: httpx.AsyncClient) -> None:
    body = cut_differently(30)
    (pair,) = (await compared(client, "tokens", body | {"per": "document"}))["comparisons"]
    old, new = (
        [-math.fsum(document) for document in body["candidates"][name]["log_probabilities"]] for name in ("old", "new")
    )
    assert pair["difference"]["value"] == pytest.approx(np.mean(new) - np.mean(old), rel=1e-10)
    assert pair["p_value"] == pytest.approx(ttest_rel(new, old).pvalue, rel=1e-10)


async def test_a_mask_of_tokens_leaves_them_out_of_a_comparison(client: httpx.AsyncClient) -> None:
    body = cut_differently(30)
    old = body["candidates"]["old"]["log_probabilities"]
    new = [[0.5 * x for x in document] for document in old]
    mask = [[place > 0 for place in range(len(document))] for document in old]
    whole, short = (
        {name: {"log_probabilities": documents} for name, documents in (("old", a), ("new", b))}
        for a, b in ((old, new), ([document[1:] for document in old], [document[1:] for document in new]))
    )
    masked = await compared(client, "tokens", body | {"candidates": whole, "mask": mask})
    plain = await compared(client, "tokens", body | {"candidates": short})
    assert masked == plain


async def test_sums_over_documents_are_compared(client: httpx.AsyncClient) -> None:
    body = cut_differently(30) | {"n_tokens": [3] * 30}
    candidates = {
        name: {"log_probabilities": [sum(document) for document in sent["log_probabilities"]]}
        for name, sent in body["candidates"].items()
    }
    found = await compared(client, "tokens", body | {"candidates": candidates})
    old, new = (found["candidates"][name]["metrics"]["cross_entropy"]["value"] for name in ("old", "new"))
    assert found["comparisons"][0]["difference"]["value"] == pytest.approx(new - old, rel=1e-10)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"per": "byte", "n_bytes": None}, ("/n_bytes", "missing", "must be sent where `per` is byte, found none")),
        ({"per": "word", "n_words": None}, ("/n_words", "missing", "must be sent where `per` is word, found none")),
        ({"per": "bytes"}, ("/per", "out_of_range", "")),
        ({}, ("/candidates/new/log_probabilities/", "wrong_length", "by `per`: byte, word or document")),
        (
            {"per": "byte", "candidates": {"old": {"log_probabilities": [[-1.0], []] * 15}, "new": {}}},
            ("/candidates/new/log_probabilities/1", "wrong_length", "must have tokens in the same documents as old"),
        ),
        ({"per": "byte", "mask": [[True]] * 30}, ("/mask/", "wrong_length", "must hold a value for each token")),
    ],
)
async def test_what_cannot_be_compared_by_a_unit_is_told(
    change: dict[str, Any], error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    body = cut_differently(30) | change
    body["candidates"] = cut_differently(30)["candidates"] | {
        name: sent for name, sent in body["candidates"].items() if sent
    }
    found = (await problem_of(client, "tokens", body))["errors"][0]
    assert found["pointer"].startswith(error[0])
    assert found["code"] == error[1]
    assert error[2] in found["detail"]


async def test_only_tokens_have_units(client: httpx.AsyncClient) -> None:
    (error,) = (await problem_of(client, "binary", binary(per="document")))["errors"]
    assert (error["pointer"], error["code"]) == ("/per", "unknown_field")


@pytest.mark.parametrize("task", ["distributions", "tokens"])
async def test_tasks_without_labels_are_compared_on_their_loss(task: TaskName, client: httpx.AsyncClient) -> None:
    (error,) = (await problem_of(client, task, BODIES[task] | {"metric": "accuracy"}))["errors"]
    assert error["pointer"] == "/metric"


def magnified(body: Body, rng: np.random.Generator) -> Body:
    """The same body in clusters, its scores and weights up to the largest there are."""
    form = next(name for name in ("logits", "log_probabilities", "probabilities") if name in body)
    clusters = {"cluster_id": rng.integers(0, 3, len(body[form])).tolist()}
    if "sample_weight" in body:
        clusters["sample_weight"] = [min(1e100, weight * 1e100) for weight in body["sample_weight"]]
    return body | clusters | {form: _magnified(body[form]) if form != "probabilities" else body[form]}


def _magnified(values: Any) -> Any:
    if isinstance(values, list):
        return [_magnified(value) for value in values]
    return math.copysign(min(abs(values) * 1e308, 1.7e308), values) if math.isfinite(values) else values


def random_comparison(task: TaskName, seed: int) -> Body:
    """A valid body of scoring, its prediction held by two candidates, of which one is turned about where it can be."""
    rng = np.random.default_rng(seed)
    body = random_body(task, rng)
    body = magnified(body, rng) if seed % 2 else body
    form = next(name for name in TASKS[task].predictions if name in body)
    prediction = body.pop(form)
    other = [row[::-1] if isinstance(row, list) else row for row in prediction]
    return {**body, "candidates": {"a": {form: prediction}, "b": {form: other}}, "baseline": "a"}


def changed(task: TaskName) -> st.SearchStrategy[tuple[TaskName, Body]]:
    names = st.sampled_from(list(MODELS[task].model_fields)) | st.text(max_size=5)
    within = st.dictionaries(st.sampled_from(["a", "b", ""]), VALUES | st.dictionaries(names, VALUES, max_size=2))
    changes = st.dictionaries(names, VALUES | within, max_size=1)
    return st.builds(
        lambda seed, change: (task, random_comparison(task, seed) | change), st.integers(0, 2**32), changes
    )


@pytest.mark.slow
def test_no_body_makes_the_service_fail() -> None:
    outcomes: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(COMPARED).flatmap(changed))
    def holds(case: tuple[TaskName, Body]) -> None:
        task, body = case
        outcomes[outcome(app, f"/v1/compare/{task}", body, CompareAnswer)] += 1

    holds()
    assert min(outcomes["refused"], outcomes["answered"]) > 60, outcomes
