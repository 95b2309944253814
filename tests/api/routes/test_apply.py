"""`POST /v1/calibrate/{task}/apply`: the probabilities of the fit, to the last bit, and maps that are refused."""

from collections import Counter
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.api.contract import openapi
from app.api.contract.asking import Asked, answers
from app.api.negotiation.media import JSON
from app.api.schemas.apply import MODELS, ApplyAnswer
from app.api.schemas.calibrate import MODELS as FITTED
from app.core.fits.platt_isotonic import UNCHANGED
from app.service import CALIBRATED
from app.settings import Settings
from tests.api.clients import client_of
from tests.api.routes.test_calibrate import BINARY, METHODS, MULTICLASS, calibrated
from tests.api.test_fuzz import VALUES, outcome
from tests.bodies import random_body
from tests.encoded import ENCODERS, MEDIA_TYPES

pytestmark = pytest.mark.anyio

BODIES = {"binary": BINARY, "multiclass": MULTICLASS}
PREDICTIONS = ("probabilities", "log_probabilities", "logits")
HEAD: dict[str, Any] = {"version": 1, "task": "binary", "method": "temperature", "n_classes": 2}
HALF = {**HEAD, "temperature": 2.0}
STEPS = {**HEAD, "method": "isotonic", "thresholds": {"probabilities": [0.25, 0.75], "calibrated": [0.125, 0.5]}}


async def applied(client: httpx.AsyncClient, task: str, body: object) -> dict[str, Any]:
    response = await client.post(f"/v1/calibrate/{task}/apply", json=body)
    assert response.status_code == 200, response.text
    ApplyAnswer.model_validate_json(response.content, strict=True)
    answer: dict[str, Any] = response.json()
    return answer


async def errors_of(client: httpx.AsyncClient, task: str, body: object) -> list[tuple[str, str, str]]:
    response = await client.post(f"/v1/calibrate/{task}/apply", json=body)
    assert response.status_code == 422, response.text
    return [(error["pointer"], error["code"], error["detail"]) for error in response.json()["errors"]]


async def test_the_map_of_a_fit_is_applied(client: httpx.AsyncClient) -> None:
    body = {**MULTICLASS, "include": ["map", "probabilities"]}
    fit = await calibrated(client, "multiclass", body)
    assert list(fit)[-3:] == ["options", "map", "probabilities"]
    assert fit["map"] == {**HEAD, "task": "multiclass", "n_classes": 3, "temperature": fit["temperature"]}
    answer = await applied(client, "multiclass", {"map": fit["map"], "logits": MULTICLASS["logits"][:4]})
    assert answer == {
        "task": "multiclass",
        "method": "temperature",
        "n_samples": 4,
        "n_scored": 4,
        "n_classes": 3,
        "warnings": [],
        "options": {"normalization": "renormalize", "tolerance": 1e-06},
        "probabilities": fit["probabilities"][:4],
    }


async def test_numbers_that_can_be_worked_out(client: httpx.AsyncClient) -> None:
    logits = await applied(client, "binary", {"map": HALF, "logits": [0.0, 2.0 * np.log(3.0)]})
    assert logits["probabilities"] == pytest.approx([0.5, 0.75], rel=1e-15)
    platt = {**HEAD, "method": "platt", "slope": 0.0, "intercept": float(np.log(4.0))}
    assert (await applied(client, "binary", {"map": platt, "logits": [7, -7]}))["probabilities"] == [0.8, 0.8]
    steps = await applied(client, "binary", {"map": STEPS, "probabilities": [0.0, 0.5, 1.0]})
    assert steps["probabilities"] == [0.125, 0.3125, 0.5]


async def test_names_of_classes_go_with_the_map(client: httpx.AsyncClient) -> None:
    named = {**BINARY, "labels": ["no yes"[3 * y :][:3].strip() for y in BINARY["labels"]], "classes": ["no", "yes"]}
    fit = await calibrated(client, "binary", {**named, "include": ["map"]})
    assert fit["map"]["classes"] == ["no", "yes"]
    answer = await applied(client, "binary", {"map": fit["map"], "logits": [1.0]})
    assert answer["classes"] == ["no", "yes"]


async def test_rows_that_the_mask_leaves_out_are_not_looked_at(client: httpx.AsyncClient) -> None:
    answer = await applied(client, "binary", {"map": HALF, "logits": [0.0, None], "mask": [True, False]})
    assert (answer["probabilities"], answer["n_scored"]) == ([0.5, None], 1)
    nothing = await applied(client, "binary", {"map": HALF, "logits": [None], "mask": [False]})
    assert [entry["code"] for entry in nothing["warnings"]] == ["all_ignored"]
    many = {**HALF, "task": "multiclass"}
    answer = await applied(client, "multiclass", {"map": many, "logits": [[0, 0], None], "mask": [True, False]})
    assert answer["probabilities"] == [[0.5, 0.5], None]


async def test_a_fit_that_changes_nothing_gives_the_same_bits(client: httpx.AsyncClient) -> None:
    body = {"labels": [1, 0], "logits": [-800.0, 0.3], "method": "isotonic", "include": ["map", "probabilities"]}
    fit = await calibrated(client, "binary", {**body, "labels": [0, 1]})
    assert fit["map"]["thresholds"]["probabilities"] == UNCHANGED.probabilities.tolist()
    answer = await applied(client, "binary", {"map": fit["map"], "logits": body["logits"]})
    assert answer["probabilities"] == fit["probabilities"]


def test_the_same_rows_have_the_same_bits() -> None:
    """Random rows are fitted in each way, and what the fit gave is what the map gives, whatever the rest."""
    kinds: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(METHODS), st.integers(0, 2**32 - 1))
    def holds(case: tuple[Any, str], seed: int) -> None:
        task, method = case
        body = {
            k: v for k, v in random_body(task, np.random.default_rng(seed)).items() if k in FITTED[task].model_fields
        }
        if body.get("normalization") == "warn":
            del body["normalization"]
        question = {**body, "method": method, "include": ["map", "probabilities"]}
        (fit,) = answers(app, [Asked(f"/v1/calibrate/{task}", JSON, orjson.dumps(question))])
        assume(fit.status == 200)
        expected = orjson.loads(fit.body)
        form = next(name for name in PREDICTIONS if name in body)
        sent = {name: body[name] for name in (form, "normalization", "tolerance") if name in body}
        sent |= {"map": expected["map"], "mask": [row is not None for row in expected["probabilities"]]}
        (found,) = answers(app, [Asked(f"/v1/calibrate/{task}/apply", JSON, orjson.dumps(sent))])
        assert orjson.loads(found.body)["probabilities"] == expected["probabilities"]
        kinds[f"{method} {form}"] += 1

    holds()
    assert len(kinds) == 7, kinds  # logarithms belong to multiclass, Platt and isotonic to binary


async def test_maps_of_rows_are_those_of_json(client: httpx.AsyncClient) -> None:
    rows = {name: BINARY[name] for name in ("labels", "logits")}
    for method in CALIBRATED["binary"]:
        fit = await calibrated(client, "binary", BINARY | {"method": method, "include": ["map"]})
        found = await client.post(
            "/v1/calibrate/binary/rows",
            params={"method": method, "include": "map"},
            content=ENCODERS["arrow"](rows, 2),
            headers={"content-type": MEDIA_TYPES["arrow"]},
        )
        assert found.json()["map"] == fit["map"]


WARNED = [
    ("binary", {"probabilities": [0.0, 0.5, 1.0]}, "clipped", "2 rows hold probabilities below 1e-12"),
    ("binary", {"probabilities": [1.0 + 1e-9]}, "rounded_to_bounds", "1 of 1 rows has probabilities outside"),
    ("binary", {"logits": [0.5] * 20}, "looks_like_probabilities", "all logits lie in [0, 1]"),
    (
        "multiclass",
        {"probabilities": [[0.5, 0.25]]},
        "not_normalized",
        "divided by their sum",
    ),
]


@pytest.mark.parametrize(("task", "columns", "code", "words"), WARNED)
async def test_what_is_odd_is_warned_of(
    task: str, columns: dict[str, Any], code: str, words: str, client: httpx.AsyncClient
) -> None:
    warnings = (await applied(client, task, {"map": {**HALF, "task": task}, **columns}))["warnings"]
    assert words in {entry["code"]: entry["detail"] for entry in warnings}[code]


async def test_an_isotonic_map_clips_nothing(client: httpx.AsyncClient) -> None:
    assert (await applied(client, "binary", {"map": STEPS, "probabilities": [0.0, 1.0]}))["warnings"] == []


def steps(probabilities: object, calibrated_: object) -> dict[str, Any]:
    return {**STEPS, "thresholds": {"probabilities": probabilities, "calibrated": calibrated_}}


WRONG_MAPS: list[tuple[str, Any, tuple[str, str]]] = [
    ("binary", [], ("/map", "must be an object, found a list")),
    ("binary", {}, ("/map", "must be an object with version, found an object")),
    ("binary", {**HALF, "version": 2}, ("/map/version", "must be the version 1 of maps, which is read here, found 2")),
    ("binary", {**HALF, "version": True}, ("/map/version", "must be the version 1 of maps, which is read here, found")),
    ("binary", {"version": 2}, ("/map/version", "must be the version 1 of maps, which is read here, found 2")),
    ("binary", {"version": 1}, ("/map", "must be an object with task")),
    ("multiclass", HALF, ("/map/task", 'must be multiclass, the task of this path, found the string "binary"')),
    ("binary", {**HALF, "method": "beta"}, ("/map/method", "must be one of temperature, platt, isotonic, found")),
    (
        "multiclass",
        {**HALF, "task": "multiclass", "method": "platt"},
        ("/map/method", "must be one of temperature, fo"),
    ),
    ("binary", {**HALF, "n_classes": 3}, ("/map/n_classes", "must be 2, found 3")),
    ("binary", {**HALF, "n_classes": 2.5}, ("/map/n_classes", "must be a whole number from 0 to 100000, found 2.5")),
    ("multiclass", {**HALF, "task": "multiclass", "n_classes": 1}, ("/map/n_classes", "must be at least 2, found 1")),
    (
        "multiclass",
        {**HALF, "task": "multiclass", "n_classes": 4},
        ("/map/n_classes", "must be 3, the number of"),
    ),
    ("binary", {**HALF, "slope": 1}, ("/map/slope", "must be left out, found 1")),
    ("binary", HEAD, ("/map", "must be an object with temperature")),
    ("binary", {**HALF, "temperature": 0}, ("/map/temperature", "must be a number from 1e-09 to 1e+09, found 0")),
    ("binary", {**HALF, "temperature": None}, ("/map/temperature", "must be a number from 1e-09 to 1e+09, found null")),
    ("binary", {**HALF, "temperature": "2"}, ("/map/temperature", "must be a number from")),
    ("binary", {**HALF, "classes": ["a"]}, ("/map/classes", "must be a list of 2 items, found a list")),
    ("binary", {**HALF, "classes": ["a", 1]}, ("/map/classes/1", "must be a string or an integer, like the others")),
    ("binary", {**HALF, "classes": [True, 1]}, ("/map/classes/0", "must be a string or an integer, like the others")),
    ("binary", {**HEAD, "method": "platt", "slope": 1}, ("/map", "must be an object with intercept")),
    ("binary", {**HEAD, "method": "platt", "slope": 1, "intercept": "a"}, ("/map/intercept", "must be a number")),
    ("binary", {**STEPS, "thresholds": [1]}, ("/map/thresholds", "must be an object, found a list")),
    ("binary", {**STEPS, "thresholds": {}}, ("/map/thresholds", "must be an object with probabilities")),
    ("binary", steps([], []), ("/map/thresholds/probabilities", "must be a list of 1 to 100000 numbers")),
    ("binary", steps([0.5], 0.5), ("/map/thresholds/calibrated", "must be a list of 1 to 100000 numbers")),
    ("binary", steps([0.1, True], [0, 1]), ("/map/thresholds/probabilities/1", "must be a number, found true")),
    ("binary", steps([0.5, 0.25], [0, 1]), ("/map/thresholds/probabilities/1", "no smaller than the one before, foun")),
    ("binary", steps([0.5, 0.5], [0, 1]), ("/map/thresholds/probabilities/1", "must be larger than the one before")),
    ("binary", steps([0.5, 1.5], [0, 1]), ("/map/thresholds/probabilities/1", "must be a number from 0 to 1")),
    ("binary", steps([0.25, 0.5], [1, 0]), ("/map/thresholds/calibrated/1", "no smaller than the one before, found 0")),
    ("binary", steps([0.25, 0.5], [0.5]), ("/map/thresholds/calibrated", "must be a list of 2 numbers, as many as")),
]


@pytest.mark.parametrize(("task", "map_", "error"), WRONG_MAPS)
async def test_another_map_is_refused_by_name(
    task: str, map_: object, error: tuple[str, str], client: httpx.AsyncClient
) -> None:
    ((pointer, code, detail),) = await errors_of(client, task, {"map": map_, "logits": BODIES[task]["logits"][:2]})
    assert (pointer, code) == (error[0], "invalid_map")
    assert error[1] in detail


WRONG: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({"map": None}, ("", "missing", "must hold map, found none")),
    ({"logits": None}, ("", "missing", "must hold exactly one of probabilities, logits, found none")),
    ({"probabilities": [0.5]}, ("", "exclusive", "found probabilities and logits")),
    ({"labels": [1]}, ("/labels", "unknown_field", "must be a field that applying a map to binary knows")),
    ({"maps": 1}, ("/maps", "unknown_field", 'did you mean "map"?')),
    ({"normalization": "error"}, ("/normalization", "unknown_field", "belongs to multiclass, distributions")),
    ({"tolerance": 2}, ("/tolerance", "out_of_range", "must be at most 1, found 2")),
    ({"mask": [True, False]}, ("/mask", "wrong_length", "must hold as many samples as logits, 1, found 2")),
    ({"logits": []}, ("/logits", "empty", "must hold at least one sample")),
    ({"logits": [[1, 2]]}, ("/logits", "wrong_shape", "must hold single values, found lists")),
    ({"logits": [None]}, ("/logits/0", "out_of_range", "found no number")),
    ({"logits": ["a"]}, ("/logits/0", "wrong_type", 'found the string "a"')),
]


@pytest.mark.parametrize(("fields", "error"), WRONG)
async def test_what_is_wrong_is_named(
    fields: dict[str, Any], error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    (pointer, code, detail), *_ = await errors_of(client, "binary", {"map": HALF, "logits": [1.0], **fields})
    assert (pointer, code) == error[:2]
    assert error[2] in detail


async def test_scores_that_leave_the_range_of_numbers(client: httpx.AsyncClient) -> None:
    map_: dict[str, Any] = {**HALF, "task": "multiclass", "temperature": 1e-9}
    errors = await errors_of(client, "multiclass", {"map": map_, "logits": [[1, 2], [1e308, 1.5e308], [0, 1]]})
    rule = "must stay a number when it is calibrated, found an overflow"
    assert errors == [("/logits/1", "out_of_range", rule)]
    bounds = await applied(client, "binary", {"map": map_ | {"task": "binary"}, "logits": [1e308, -1e308]})
    assert bounds["probabilities"] == [1.0, 0.0]


async def test_an_answer_that_would_be_too_long_is_refused() -> None:
    async with client_of(Settings(max_answer_bytes=2**20)) as client:
        body = {"map": {**HALF, "task": "multiclass"}, "logits": [[0, 1]] * 30_000}
        for mask in ({}, {"mask": [True] * 29_999 + [False]}):
            response = await client.post("/v1/calibrate/multiclass/apply", json=body | mask)
            assert response.status_code == 413
            assert response.json()["detail"].startswith("an answer in JSON must hold at most 1048576 bytes")


async def test_rows_of_other_formats_and_compressed_bodies_are_not_read(client: httpx.AsyncClient) -> None:
    path = "/v1/calibrate/binary/apply"
    response = await client.post(path, content=b"logits\n1\n", headers={"content-type": "text/csv"})
    assert response.status_code == 415
    response = await client.post(path, content=b"", headers={"content-encoding": "gzip"})
    assert response.status_code == 415
    response = await client.post(path, params={"tolerance": 0}, json={"map": HALF, "logits": [1.0]})
    assert response.json()["errors"][0]["code"] == "misplaced"


FINITE, SHARES = st.floats(allow_nan=False, allow_infinity=False), st.floats(0.0, 1.0)
MAPS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda t, task: {**HALF, "temperature": t, "task": task}, st.floats(1e-9, 1e9), st.sampled_from(sorted(BODIES))
    ),
    st.builds(lambda a, b: {**HEAD, "method": "platt", "slope": a, "intercept": b}, FINITE, FINITE),
    st.sets(SHARES, min_size=1, max_size=5).map(lambda shares: steps(sorted(shares), sorted(shares))),
)


@pytest.mark.slow
def test_no_body_makes_the_service_fail() -> None:
    """Every curve and logit is answered or refused, and so is whatever stands in place of one part."""
    outcomes: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(MAPS, st.lists(FINITE, min_size=2, max_size=2), st.sampled_from(["nothing", "map", "body"]), st.data())
    def holds(map_: dict[str, Any], logits: list[float], changed: str, data: st.DataObject) -> None:
        task: Any = map_["task"]
        body: dict[str, Any] = {"map": map_, "logits": logits if task == "binary" else [logits]}
        names: list[str] = {"nothing": [], "map": list(map_), "body": list(MODELS[task].model_fields)}[changed]
        if names:
            changes = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=1))
            body = {**body, "map": map_ | changes} if changed == "map" else body | changes
        outcomes[outcome(app, f"/v1/calibrate/{task}/apply", body, ApplyAnswer)] += 1

    holds()
    assert min(outcomes["refused"], outcomes["answered"]) > 100, outcomes
