"""`POST /v1/calibrate/{task}` over HTTP: its answers, its refusals, and where the work is done."""

import asyncio
import threading
from collections import Counter
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.typing import EventDict

from app.api.contract import openapi
from app.api.schemas.calibrate import MAX_FOLDS, MAX_SEED, MODELS, CalibrateAnswer
from app.core.options import Options
from app.main import create_app
from app.service import CALIBRATED, CALIBRATING_OPTIONS
from app.settings import Settings
from tests.api.clients import client_of
from tests.api.routes.test_compare import magnified
from tests.api.test_fuzz import VALUES, outcome
from tests.bodies import random_body

pytestmark = pytest.mark.anyio

BINARY: dict[str, Any] = {"labels": [1, 0, 1, 1, 0, 0], "logits": [3.0, -2.0, 1.0, -1.0, 0.5, -4.0]}
MULTICLASS: dict[str, Any] = {
    "labels": [0, 1, 2, 0, -100],
    "logits": [[4, 0, 0], [0, 4, 0], [0, 0, 4], [0, 4, 0], [0, 0, 0]],
    "ignore_index": -100,
}
BODIES = {"binary": BINARY, "multiclass": MULTICLASS}
FITTED = {"temperature": {"temperature"}, "platt": {"slope", "intercept"}, "isotonic": {"thresholds"}}
COMMON = {
    "task",
    "unit",
    "method",
    "n_samples",
    "n_scored",
    "cross_entropy_before",
    "cross_entropy_after",
    "cross_fitted_gain",
    "converged",
    "at_bound",
    "expected_calibration_error_before",
    "expected_calibration_error_after",
    "maximum_calibration_error_before",
    "maximum_calibration_error_after",
    "warnings",
    "options",
}
METHODS = [(task, method) for task in CALIBRATED for method in CALIBRATED[task]]


async def calibrated(client: httpx.AsyncClient, task: str, body: object) -> dict[str, Any]:
    response = await client.post(f"/v1/calibrate/{task}", json=body)
    assert response.status_code == 200, response.text
    CalibrateAnswer.model_validate_json(response.content, strict=True)
    answer: dict[str, Any] = response.json()
    return answer


async def errors_of(client: httpx.AsyncClient, task: str, body: object) -> list[tuple[str, str, str]]:
    response = await client.post(f"/v1/calibrate/{task}", json=body)
    assert response.status_code == 422, response.text
    problem = response.json()
    assert problem["n_errors"] == len(problem["errors"])
    return [(error["pointer"], error["code"], error["detail"]) for error in problem["errors"]]


@pytest.mark.parametrize(("task", "method"), METHODS)
async def test_an_answer_is_as_documented(task: Any, method: str, client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, task, BODIES[task] | {"method": method, "n_folds": 3, "seed": 7})
    assert answer.keys() == COMMON | FITTED[method]
    assert (answer["task"], answer["method"], answer["unit"]) == (task, method, "nats")
    assert answer["cross_entropy_after"] <= answer["cross_entropy_before"]
    normalization = {"normalization": "renormalize"} if task == "multiclass" else {}
    sent = {"ignore_index": -100} if task == "multiclass" else {}
    defaults = {name: value for name, value in Options().for_task(task).items() if name in CALIBRATING_OPTIONS}
    assert answer["options"] == defaults | normalization | sent | {"method": method, "n_folds": 3, "seed": 7}


async def test_the_worked_example_in_bits(client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, "multiclass", MULTICLASS | {"unit": "bits", "confidence_level": 0.5})
    assert answer["temperature"] == pytest.approx(2.232442506205, abs=1e-12)
    assert answer["cross_entropy_after"] == pytest.approx(1.061278124459133, rel=1e-13)
    assert (answer["n_samples"], answer["n_scored"]) == (5, 4)


async def test_the_order_of_fields_in_an_answer(client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, "binary", BINARY | {"include": ["probabilities"]})
    assert list(answer)[:6] == ["task", "unit", "method", "n_samples", "n_scored", "temperature"]
    assert list(answer)[-3:] == ["warnings", "options", "probabilities"]


async def test_probabilities_come_in_the_shape_of_the_prediction(client: httpx.AsyncClient) -> None:
    multiclass = await calibrated(client, "multiclass", MULTICLASS | {"include": ["probabilities"]})
    assert multiclass["probabilities"][4] is None
    assert multiclass["probabilities"][0] == pytest.approx([0.75, 0.125, 0.125], rel=1e-12)
    binary = await calibrated(
        client, "binary", BINARY | {"include": ["probabilities"], "mask": [True, False, True, True, True, True]}
    )
    logits = np.array(BINARY["logits"]) / binary["temperature"]
    assert binary["probabilities"][1] is None
    assert binary["probabilities"][2:] == pytest.approx((1 / (1 + np.exp(-logits)))[2:].tolist(), rel=1e-12)


async def test_a_seed_changes_the_folds_and_nothing_else(client: httpx.AsyncClient) -> None:
    rng = np.random.default_rng(0)
    body = {"labels": rng.integers(0, 2, 60).tolist(), "logits": rng.normal(size=60).tolist()}
    first, again, other = [await calibrated(client, "binary", body | {"seed": seed}) for seed in (0, 0, 1)]
    assert first == again
    assert first["cross_fitted_gain"] != other["cross_fitted_gain"]
    told = ("cross_fitted_gain", "options")
    assert {k: v for k, v in first.items() if k not in told} == {k: v for k, v in other.items() if k not in told}


async def test_clusters_lie_in_one_fold_and_count_for_one(client: httpx.AsyncClient) -> None:
    rng = np.random.default_rng(1)
    body = {"labels": rng.integers(0, 2, 60).tolist(), "logits": rng.normal(size=60).tolist()}
    clusters = {"cluster_id": [f"c{number % 12}" for number in range(60)]}
    plain, clustered = [await calibrated(client, "binary", body | more) for more in ({}, clusters)]
    assert plain["temperature"] == clustered["temperature"]
    assert plain["cross_fitted_gain"] != clustered["cross_fitted_gain"]
    assert clustered["cross_fitted_gain"]["status"] == "ok"
    one = (await calibrated(client, "binary", body | {"cluster_id": ["c"] * 60}))["cross_fitted_gain"]
    assert (one["status"], one["reason"][:22]) == ("undefined", "fewer than 2 clusters ")


async def test_an_interval_beyond_all_doubles_is_none(client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, "binary", BINARY | {"confidence_level": 0.9999999999999999})
    gain = answer["cross_fitted_gain"]
    assert gain["status"] == "ok"
    assert gain.keys() == {"value", "status", "standard_error"}


async def test_warnings_name_no_metric_that_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, "binary", BINARY | {"labels": [1] * 6})
    details = {entry["code"]: entry["detail"] for entry in answer["warnings"]}
    assert details["single_class"] == "only one class occurs in the truth: the fit has seen no other"


async def test_an_isotonic_fit_says_where_it_was_bounded(client: httpx.AsyncClient) -> None:
    answer = await calibrated(client, "binary", BINARY | {"method": "isotonic"})
    assert (min(answer["thresholds"]["calibrated"]), max(answer["thresholds"]["calibrated"])) == (1 / 8, 7 / 8)
    assert answer["at_bound"] is True
    assert answer["cross_fitted_gain"]["status"] == "ok"


async def test_rows_that_do_not_sum_to_one_are_divided_and_warned_of(client: httpx.AsyncClient) -> None:
    rows = [[0.6, 0.2], [0.1, 0.4], [0.3, 0.7]]
    body = {"labels": [0, 1, 0], "probabilities": rows}
    answer = await calibrated(client, "multiclass", body)
    (entry,) = answer["warnings"]
    assert (entry["code"], entry["rows"]) == ("not_normalized", [0, 1])
    assert "divided by their sum" in entry["detail"]
    divided = [[value / sum(row) for value in row] for row in rows]
    same = await calibrated(client, "multiclass", body | {"probabilities": divided})
    assert answer["cross_entropy_before"] == pytest.approx(same["cross_entropy_before"], rel=1e-14)
    ((pointer, code, _), _) = await errors_of(client, "multiclass", body | {"normalization": "error"})
    assert (pointer, code) == ("/probabilities/0", "not_normalized")


async def test_names_of_classes_are_understood(client: httpx.AsyncClient) -> None:
    named = BINARY | {"labels": ["no yes"[3 * y :][:3].strip() for y in BINARY["labels"]], "classes": ["no", "yes"]}
    answer, plain = await calibrated(client, "binary", named), await calibrated(client, "binary", BINARY)
    assert answer["temperature"] == plain["temperature"]
    assert answer["options"] == plain["options"] | {"classes": ["no", "yes"]}


USELESS = "scoring knows this one, but a fit does not use it"


@pytest.mark.parametrize(
    ("task", "fields", "error"),
    [
        ("binary", {"method": "beta"}, ("/method", "out_of_range", """'isotonic', found the string "beta\"""")),
        (
            "multiclass",
            {"method": "platt"},
            ("/method", "out_of_range", """'temperature', found the string "platt\""""),
        ),
        ("binary", {"n_folds": 1}, ("/n_folds", "out_of_range", "must be at least 2, found 1")),
        ("binary", {"n_folds": MAX_FOLDS + 1}, ("/n_folds", "out_of_range", "must be at most 20, found 21")),
        ("binary", {"n_folds": 5.0}, ("/n_folds", "wrong_type", "must be an integer, found 5.0")),
        ("binary", {"seed": -1}, ("/seed", "out_of_range", "must be at least 0, found -1")),
        ("binary", {"seed": MAX_SEED + 1}, ("/seed", "out_of_range", "found 4294967296")),
        ("binary", {"seed": "1"}, ("/seed", "wrong_type", 'must be an integer, found the string "1"')),
        ("binary", {"include": ["worst"]}, ("/include/0", "out_of_range", 'found the string "worst"')),
        ("binary", {"include": "probabilities"}, ("/include", "wrong_type", "must be a list, found the string")),
        ("binary", {"include": ["x"] * 200_000}, ("/include/0", "out_of_range", 'found the string "x"')),
        ("multiclass", {"normalization": "warn"}, ("/normalization", "out_of_range", 'found the string "warn"')),
        (
            "binary",
            {"normalization": "error"},
            ("/normalization", "unknown_field", "belongs to multiclass, distributions"),
        ),
        ("binary", {"epsilon": 1e-9}, ("/epsilon", "unknown_field", USELESS)),
        ("binary", {"denominator": "count"}, ("/denominator", "unknown_field", USELESS)),
        ("binary", {"focal_gamma": 2}, ("/focal_gamma", "unknown_field", USELESS)),
        ("binary", {"threshold": 0.5}, ("/threshold", "unknown_field", USELESS)),
        ("binary", {"cluster_id": [1] * 5}, ("/cluster_id", "wrong_length", "found 5")),
        ("binary", {"cluster_id": [1, 2, 3, 4, 5, None]}, ("/cluster_id/5", "wrong_type", "found null")),
        ("binary", {"slices": {}}, ("/slices", "unknown_field", USELESS)),
        ("multiclass", {"top_k": [1]}, ("/top_k", "unknown_field", USELESS)),
        ("multiclass", {"n_fold": 3}, ("/n_fold", "unknown_field", 'did you mean "n_folds"?')),
        ("binary", {"class_weight": [1, 2]}, ("/class_weight", "unknown_field", "; this one belongs to multiclass")),
        ("binary", {"n_bins": 0}, ("/n_bins", "out_of_range", "must be at least 1, found 0")),
        ("binary", {"unit": "nat"}, ("/unit", "out_of_range", 'found the string "nat"')),
        ("binary", {"labels": None}, ("", "missing", "exactly one of labels, targets, found none")),
        ("binary", {"targets": [1] * 6}, ("", "exclusive", "found labels and targets")),
        ("binary", {"probabilities": [1] * 6}, ("", "exclusive", "found probabilities and logits")),
        ("binary", {"labels": [1, 0, 1, 1, 0, 2]}, ("/labels/5", "out_of_range", "must be 0 or 1, found 2")),
        ("binary", {"labels": [1]}, ("/labels", "wrong_length", "found 1")),
        ("binary", {"logits": [1, 2, 3, 4, 5, None]}, ("/logits/5", "out_of_range", "found no number")),
        ("binary", {"logits": [1, 2, 3, 4, 5, "6"]}, ("/logits/5", "wrong_type", 'found the string "6"')),
        ("binary", {"sample_weight": [1, 1, 1, 1, 1, -1]}, ("/sample_weight/5", "out_of_range", "found -1.0")),
        ("binary", {"mask": [False] * 6}, ("", "empty", "a scored row of positive weight to fit, found none")),
        ("binary", {"sample_weight": [0] * 6}, ("", "empty", "a scored row of positive weight to fit, found none")),
        ("multiclass", {"ignore_index": None, "class_weight": [1, 2]}, ("/class_weight", "wrong_length", "found 2")),
        ("binary", {"logits": [1e308] * 6, "sample_weight": [1e10] * 6}, ("", "out_of_range", "found an overflow")),
    ],
)
async def test_what_is_wrong_is_named_and_located(
    task: str, fields: dict[str, Any], error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    ((pointer, code, detail),) = await errors_of(client, task, BODIES[task] | fields)
    assert (pointer, code) == error[:2]
    assert error[2] in detail


async def test_errors_of_all_places_come_together(client: httpx.AsyncClient) -> None:
    body = {"labels": [0], "unit": "x", "n_folds": 0, "seed": True, "epsilon": 0, "zzz": 1}
    pointers = [pointer for pointer, *_ in await errors_of(client, "binary", body)]
    assert pointers == ["/epsilon", "/zzz", "", "/unit", "/n_folds", "/seed"]


async def test_a_body_full_of_unknown_fields_makes_a_short_answer(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/calibrate/binary", json={f"x{i}": 1 for i in range(5_000)})
    assert response.json()["n_errors"] == 5_002
    assert len(response.json()["errors"]) == 20


@pytest.mark.parametrize("task", ["multilabel", "distributions", "tokens"])
async def test_other_tasks_have_no_calibration(task: str, client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/v1/calibrate/{task}", json={})).status_code == 404


async def test_too_many_columns() -> None:
    async with client_of(Settings(max_columns=2)) as client:
        response = await client.post("/v1/calibrate/multiclass", json=MULTICLASS)
        assert response.status_code == 413
        assert response.json()["detail"] == "logits must have at most 2 columns, found 3"


async def test_even_a_small_fit_leaves_the_event_loop(log_lines: list[EventDict]) -> None:
    app, go = create_app(Settings(max_threads=1)), threading.Event()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://surprisal") as client,
    ):
        busy = asyncio.create_task(app.capacity.whole.run(0, go.wait, 60.0))
        fit = asyncio.create_task(client.post("/v1/calibrate/binary", json=BINARY))
        done, _ = await asyncio.wait([fit], timeout=0.3)
        assert not done  # it waits for the one thread
        go.set()
        assert await busy
        assert (await fit).json()["n_scored"] == 6
    assert log_lines[-1]["n_scored"] == 6


@pytest.mark.parametrize("task", CALIBRATED)
def test_a_body_is_described_field_by_field(task: Any) -> None:
    schema = openapi.document()["components"]["schemas"][f"{task.capitalize()}CalibrateRequest"]
    own = {"method", "n_folds", "seed", "include"}
    scoring = openapi.document()["components"]["schemas"][f"{task.capitalize()}Request"]["properties"]
    assert schema["additionalProperties"] is False
    assert {"labels", "targets", "logits", "sample_weight", "mask", "cluster_id"} <= schema["properties"].keys()
    assert schema["properties"].keys() <= scoring.keys() | own
    assert schema["properties"]["method"]["description"].endswith("Default: `temperature`.")
    assert schema["properties"]["n_folds"] == {
        "description": "Folds of the cross-fitted gain. Default: `5`.",
        "maximum": MAX_FOLDS,
        "minimum": 2,
        "type": "integer",
    }
    assert all(field["description"] for field in schema["properties"].values())
    orjson.dumps(schema)


@pytest.mark.slow
def test_no_body_makes_the_service_fail() -> None:
    """Bodies of scoring, whose options a fit mostly does not know, without those, and with one field replaced."""
    outcomes: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(METHODS), st.integers(0, 2**32 - 1), st.data())
    def holds(case: tuple[Any, str], seed: int, data: st.DataObject) -> None:
        task, method = case
        known = list(MODELS[task].model_fields)
        rng = np.random.default_rng(seed)
        body = random_body(task, rng)
        body = {k: v for k, v in (magnified(body, rng) if seed % 2 else body).items() if k in known}
        if body.get("normalization") == "warn":
            del body["normalization"]
        changes = data.draw(st.dictionaries(st.sampled_from(known), VALUES, max_size=1))
        whole = body | {"method": method, "n_folds": 2} | changes
        outcomes[outcome(app, f"/v1/calibrate/{task}", whole, CalibrateAnswer)] += 1

    holds()
    assert min(outcomes["refused"], outcomes["answered"]) > 100, outcomes
