"""Rounding beyond bounds: the bound in its place, told, in every form and however the rows are split."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.columns import Column, Ragged
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import CalibrateRequest, calibrate, score
from app.service.streaming import score_parts
from tests.core.parts import Body, rows
from tests.requests import request_of, scoring

OVER, UNDER = 1.0 + 2**-52, -(2.0**-53)
PAIRS: list[tuple[TaskName, Body, Body]] = [
    ("binary", {"labels": [1, 0], "probabilities": [OVER, UNDER]}, {"probabilities": [1.0, 0.0]}),
    (
        "binary",
        {"targets": [OVER, 0.25], "probabilities": [0.5, 0.2]},
        {"targets": [1.0, 0.25]},
    ),
    (
        "multiclass",
        {"labels": [1, 0], "probabilities": [[UNDER, 1.0], [0.9, 0.1]]},
        {"probabilities": [[0.0, 1.0], [0.9, 0.1]]},
    ),
    (
        "multiclass",
        {"labels": [1, 0], "log_probabilities": [[-np.inf, 1e-7], [-0.1, -2.3521684610440907]]},
        {"log_probabilities": [[-np.inf, 0.0], [-0.1, -2.3521684610440907]]},
    ),
    (
        "multilabel",
        {"labels": [[1, 0], [0, 1]], "probabilities": [[OVER, 0.5], [UNDER, 0.5]]},
        {"probabilities": [[1.0, 0.5], [0.0, 0.5]]},
    ),
    (
        "distributions",
        {"targets": [[OVER, UNDER], [0.5, 0.5]], "probabilities": [[0.5, 0.5], [0.5, 0.5]]},
        {"targets": [[1.0, 0.0], [0.5, 0.5]]},
    ),
    ("tokens", {"log_probabilities": [[1e-7, -1.0], [], [-2.0]]}, {"log_probabilities": [[0.0, -1.0], [], [-2.0]]}),
]
every_pair = pytest.mark.parametrize(("task", "body", "bounds"), PAIRS)


def answer(task: TaskName, body: Body, *include: str) -> dict[str, Any]:
    return score(request_of(task, {**body, "include": list(include)}))


@every_pair
def test_rounding_scores_as_the_bound_and_is_told(task: TaskName, body: Body, bounds: Body) -> None:
    found, wanted = (answer(task, {**body, **more}, "per_sample", "worst") for more in ({}, bounds))
    for name in ("metrics", "worst"):
        assert found[name] == wanted[name]
    assert np.array_equal(found["per_sample"]["cross_entropy"], wanted["per_sample"]["cross_entropy"], equal_nan=True)
    told = [entry for entry in found["warnings"] if entry not in wanted["warnings"]]
    assert [entry["code"] for entry in told] == ["rounded_to_bounds"]
    assert told[0]["field"] in bounds
    assert told[0]["rows"][0] == 0
    assert 0.0 < told[0]["max_deviation"] <= 1e-7


@every_pair
def test_no_tolerance_takes_nothing_for_rounding(task: TaskName, body: Body, bounds: Body) -> None:
    (field,) = bounds
    with pytest.raises(InvalidInput) as refusal:
        answer(task, {**body, "tolerance": 0.0})
    assert refusal.value.errors[0].pointer.startswith(f"/{field}/0")
    assert refusal.value.errors[0].code == "out_of_range"


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_gradient_is_that_at_the_bound(task: TaskName) -> None:
    body, bounds = next((body, bounds) for name, body, bounds in PAIRS if name == task and "labels" in body)
    found, wanted = (answer(task, {**body, **more, "mask": [True, True]}, "gradient") for more in ({}, bounds))
    assert np.array_equal(found["gradient"]["probabilities"], wanted["gradient"]["probabilities"])


def test_a_value_beyond_rounding_is_refused_with_what_to_do() -> None:
    cases: list[tuple[TaskName, Body, str]] = [
        ("binary", {"labels": [1], "probabilities": [1.00001]}, "send them as `logits`"),
        ("multiclass", {"labels": [1], "log_probabilities": [[1.0, -3.0]]}, "send minus the loss"),
        ("tokens", {"log_probabilities": [[-1.0], [2.5]]}, "send minus the loss"),
    ]
    for task, body, hint in cases:
        with pytest.raises(InvalidInput) as refusal:
            answer(task, body)
        assert hint in refusal.value.errors[0].detail
        assert refusal.value.n_errors == 1


def test_no_number_gets_no_hint_about_logits() -> None:
    columns: dict[str, Column] = {"labels": np.array([1, 0]), "probabilities": np.array([np.nan, 0.5])}
    with pytest.raises(InvalidInput) as refusal:
        score(scoring("binary", columns, Options(), frozenset()))
    assert "logits" not in refusal.value.errors[0].detail
    tokens: dict[str, Column] = {"log_probabilities": Ragged(np.array([np.nan, -1.0]), np.array([0, 2]))}
    with pytest.raises(InvalidInput, match="leave a token without one out") as refusal:
        score(scoring("tokens", tokens, Options(), frozenset()))
    assert refusal.value.errors[0].pointer == "/log_probabilities/0/0"


def test_single_floats_of_a_softmax_are_rounding() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32) * 8
    prediction = np.exp(logits - logits.max(axis=1, keepdims=True))
    prediction /= prediction.sum(axis=1, keepdims=True)
    prediction[:2] = [[np.nextafter(np.float32(1), np.float32(2)), 0, 0], [1, 0, 0]]
    columns: dict[str, Column] = {"labels": np.zeros(500, np.int64), "probabilities": prediction}
    found = score(scoring("multiclass", columns, Options(), frozenset()))
    (told,) = [entry for entry in found["warnings"] if entry["code"] == "rounded_to_bounds"]
    assert (told["count"], told["rows"]) == (1, [0])


def test_rows_that_are_not_scored_are_not_looked_at() -> None:
    body = {"labels": [1, 0, 1], "probabilities": [OVER, 7.0, UNDER], "mask": [False, False, True]}
    (told,) = [entry for entry in answer("binary", body)["warnings"] if entry["code"] == "rounded_to_bounds"]
    assert told["rows"] == [2]
    elements = {"labels": [[1, 0]], "probabilities": [[OVER, 0.5]], "mask": [[False, True]]}
    assert not [e for e in answer("multilabel", elements)["warnings"] if e["code"] == "rounded_to_bounds"]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_parts_round_like_the_whole(data: st.DataObject) -> None:
    values = st.sampled_from([OVER, UNDER, 1.0, 0.0, 0.5, 1.0 + 5e-7])
    n = data.draw(st.integers(2, 12))
    body = {
        "labels": [row % 2 for row in range(n)],
        "probabilities": data.draw(st.lists(values, min_size=n, max_size=n)),
    }
    cut = data.draw(st.integers(1, n - 1))
    parts = [request_of("binary", rows(body, part)) for part in (list(range(cut)), list(range(cut, n)))]
    whole, added = score(request_of("binary", body)), score_parts(parts, 1 << 30)
    for name in ("metrics", "warnings"):
        assert added[name] == whole[name]


def test_calibrating_takes_the_bound_too() -> None:
    columns: dict[str, Column] = {"labels": np.array([1, 0, 1, 0]), "probabilities": np.array([OVER, 0.3, 0.6, UNDER])}
    found = calibrate(CalibrateRequest("binary", columns, Options()))
    assert "rounded_to_bounds" in [entry["code"] for entry in found["warnings"]]
