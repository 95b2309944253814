"""Temperatures: closed forms, bounds, scikit-learn and a plain reference."""

import math
from collections import Counter
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from app.core.fits.temperature import LOG_BOUND, _sign_change
from app.core.sums.exact import Exact
from app.core.tasks import TaskName
from app.service import CALIBRATED
from tests.core.calibrations import (
    T_ERROR,
    answer_if_any,
    ask,
    fitted_temperature,
    fitting_body,
    loss_at,
    overconfident,
    overconfident_body,
)
from tests.core.parts import Body


@pytest.mark.parametrize(("k", "right", "n"), [(3, 3, 4), (2, 3, 4), (10, 9, 10), (4, 51, 100), (1000, 1, 2)])
@pytest.mark.parametrize("height", [0.01, 4.0, 700.0])
def test_equal_margins_have_a_closed_form(k: int, right: int, n: int, height: float) -> None:
    """The top class of z = h e_c, with m of n right, has p = m / n at T = h / log(m (k - 1) / (n - m))."""
    top = np.arange(n) % k
    labels = np.where(np.arange(n) < right, top, (top + 1) % k)
    body = {"labels": labels.tolist(), "logits": (height * np.eye(k)[top]).tolist()}
    exact = height / math.log(right * (k - 1) / (n - right))
    assert ask("multiclass", body)["temperature"] == pytest.approx(exact, rel=T_ERROR)


def test_the_worked_example_of_the_design() -> None:
    body = {"labels": [0, 1, 2, 0], "logits": [[4, 0, 0], [0, 4, 0], [0, 0, 4], [0, 4, 0]]}
    answer = ask("multiclass", body)
    assert answer["temperature"] == pytest.approx(2.232442506205, abs=1e-12)
    assert answer["cross_entropy_after"] == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.125), rel=1e-14)
    assert answer["converged"]
    assert not answer["at_bound"]


@pytest.mark.parametrize("true_temperature", [0.01, 0.5, 1.75, 300.0])
def test_soft_targets_of_a_temperature_give_that_temperature(true_temperature: float) -> None:
    logits = np.random.default_rng(1).normal(size=(40, 5)) * true_temperature
    body = {"targets": softmax(logits / true_temperature, axis=1).tolist(), "logits": logits.tolist()}
    assert fitted_temperature("multiclass", body) == pytest.approx(true_temperature, rel=T_ERROR)
    binary = {"targets": expit(logits[:, 0] / true_temperature).tolist(), "logits": logits[:, 0].tolist()}
    assert fitted_temperature("binary", binary) == pytest.approx(true_temperature, rel=T_ERROR)


def test_every_form_of_a_prediction_has_one_temperature() -> None:
    logits, labels = overconfident(200, 4, 2.0)
    logs = log_softmax(logits, axis=1)
    forms = {"logits": logits, "log_probabilities": np.minimum(logs, 0.0), "probabilities": np.exp(logs)}
    found = [fitted_temperature("multiclass", {"labels": labels.tolist(), f: z.tolist()}) for f, z in forms.items()]
    assert found == pytest.approx([found[0]] * 3, rel=T_ERROR)
    odds = logits[:, 1] - logits[:, 0]
    positive = {"labels": (labels % 2).tolist()}
    sent = [{"logits": odds.tolist()}, {"probabilities": expit(odds).tolist()}]
    found = [fitted_temperature("binary", positive | form) for form in sent]
    assert found[0] == pytest.approx(found[1], rel=1e-11)  # 1 - p has lost some digits of small complements
    both = {"logits": [[0.0, z] for z in odds.tolist()]}
    assert fitted_temperature("multiclass", positive | both) == found[0]


@pytest.mark.parametrize(
    ("task", "body"),
    [
        ("multiclass", {"labels": [0, 1], "logits": [[1, 0, 0], [0, 1, 0.5]]}),
        ("binary", {"labels": [1, 0, 0], "logits": [0.5, -3, -700]}),
        ("binary", {"labels": [1, 0], "probabilities": [1.0, 0.0]}),
    ],
)
def test_separable_rows_are_at_the_lower_bound(task: TaskName, body: Body) -> None:
    answer = ask(task, body)
    assert answer["temperature"] == math.exp(-LOG_BOUND)
    assert answer["at_bound"]
    assert answer["converged"]
    assert answer["cross_entropy_after"] < 1e-300


@pytest.mark.parametrize(
    ("task", "body"),
    [
        ("multiclass", {"labels": [2, 0], "logits": [[1, 0, 0], [0, 1, 0.5]]}),
        ("binary", {"labels": [0, 1], "logits": [0.5, -300]}),
        ("binary", {"labels": [0, 1, 0, 1], "logits": [2, 2, -2, -2]}),
        ("binary", {"labels": [0, 1], "probabilities": [1.0, 0.0]}),
    ],
)
def test_rows_no_better_than_wrong_are_at_the_upper_bound(task: TaskName, body: Body) -> None:
    answer = ask(task, body)
    assert answer["temperature"] == math.exp(LOG_BOUND)
    assert answer["at_bound"]
    k = 2 if task == "binary" else 3
    assert answer["cross_entropy_after"] == pytest.approx(math.log(k), rel=0.01)


@pytest.mark.parametrize(
    "body",
    [
        {"labels": [0, 1, 1], "logits": [[2, 2, 2]] * 3},
        {"labels": [0], "logits": [[900.0, 0, 0]]},
        {"targets": [[0.25, 0.25, 0.5]], "logits": [[0, 0, math.log(2.0)]]},
    ],
)
def test_a_temperature_that_changes_nothing_is_one(body: Body) -> None:
    answer = ask("multiclass", body)
    assert (answer["temperature"], answer["at_bound"], answer["converged"]) == (1.0, False, True)
    assert answer["cross_entropy_before"] == answer["cross_entropy_after"]


def test_one_class_in_the_truth_is_fitted_and_warned_of() -> None:
    answer = ask("binary", {"labels": [1, 1, 1, 1], "logits": [2.0, 1.0, -1.0, 3.0]})
    assert 0.0 < answer["temperature"] < 10.0
    assert [entry["code"] for entry in answer["warnings"]] == ["single_class"]


def test_probabilities_of_zero_are_floored_and_told() -> None:
    body = {"labels": [0, 1, 1], "probabilities": [[1.0, 0.0], [1.0, 0.0], [0.25, 0.75]]}
    answer = ask("multiclass", body)
    floored = [[0.0, math.log(1e-12)]] * 2 + [[math.log(0.25), math.log(0.75)]]
    same = ask("multiclass", {"labels": [0, 1, 1], "logits": floored})
    assert answer["temperature"] == pytest.approx(same["temperature"], rel=T_ERROR)
    assert answer["cross_entropy_before"] == same["cross_entropy_before"]
    assert [(entry["code"], entry["rows"]) for entry in answer["warnings"]] == [("clipped", [0, 1])]
    binary = ask("binary", {"labels": [0, 1, 1], "probabilities": [0.0, 0.0, 0.75]})
    assert binary["temperature"] == pytest.approx(answer["temperature"], rel=1e-9)
    assert binary["warnings"][0]["rows"] == [0, 1]


@pytest.mark.parametrize(
    ("task", "form", "infinite", "finite"),
    [
        ("binary", "logits", [-math.inf, 1.0, 2.0], [math.log(1e-12), 1.0, 2.0]),
        (
            "multiclass",
            "logits",
            [[-math.inf, 5.0], [1, 0], [0, 2]],
            [[5.0 + math.log(1e-12), 5.0], [1, 0], [0, 2]],
        ),
        (
            "multiclass",
            "log_probabilities",
            [[-math.inf, 0.0], [-math.inf, 0.0], [-math.log(2)] * 2],
            [[math.log(1e-12), 0.0], [math.log(1e-12), 0.0], [-math.log(2)] * 2],
        ),
    ],
)
def test_minus_infinity_is_a_probability_of_zero(task: TaskName, form: str, infinite: Any, finite: Any) -> None:
    labels = {"labels": [0, 1, 0]}
    answer, same = (ask(task, labels | {form: z, "normalization": "renormalize"}) for z in (infinite, finite))
    assert answer["temperature"] == same["temperature"]
    assert answer["cross_entropy_before"] == same["cross_entropy_before"]
    assert "clipped" in {entry["code"] for entry in answer["warnings"]}


@given(root=st.floats(-9.99, -0.01), curvature=st.sampled_from([0, 1, -1, 10**6, 10**400]))
@settings(max_examples=60, deadline=None)
def test_a_change_of_sign_is_found_whatever_the_curvature_says(root: float, curvature: int) -> None:
    found, converged = _sign_change(lambda at: (Exact(1000 if at < root else -1000), Exact(curvature)), -LOG_BOUND)
    if curvature < 10**13:  # beyond, Newton's step is below the tolerance and taken at its word
        assert converged
        assert found == pytest.approx(root, abs=1e-13)


def fitted_body(task: TaskName, seed: int) -> tuple[Body, Body]:
    """The first random body from a seed on with finite logits that can be fitted, and the answer to it."""
    for number in count(seed):
        body = fitting_body(task, number) | {"unit": "nats"}
        answer = answer_if_any(task, body) if np.isfinite(body.get("logits", math.nan)).all() else None
        if answer is not None:
            return body, answer
    raise AssertionError


@pytest.mark.parametrize("task", CALIBRATED)
def test_no_other_temperature_has_a_smaller_loss(task: TaskName) -> None:
    compared: Counter[str] = Counter()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(seed=st.integers(0, 2**32 - 1), nudge=st.sampled_from([0.5, 0.9, 0.999, 1.001, 1.1, 2.0]))
    def holds(seed: int, nudge: float) -> None:
        body, answer = fitted_body(task, seed)
        other = answer["temperature"] * nudge
        if not math.exp(-LOG_BOUND) <= other <= math.exp(LOG_BOUND):
            other = answer["temperature"] / nudge
        assert loss_at(task, body, other) >= answer["cross_entropy_after"] * (1.0 - 1e-12)
        compared["at_bound" if answer["at_bound"] else "within"] += 1

    holds()
    assert min(compared["at_bound"], compared["within"]) > 20, compared


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("multiclass", {"label_smoothing": 0.2}),
        ("multiclass", {"class_weight": [1.0, 5.0, 0.5]}),
        ("multiclass", {"class_weight": [1.0, 5.0, 0.5], "label_smoothing": 0.1, "unit": "bits"}),
        ("binary", {"pos_weight": 4.0}),
        ("binary", {"label_smoothing": 0.1, "pos_weight": 0.25, "unit": "hartleys"}),
        ("binary", {"classes": ["no", "yes"]}),
    ],
)
def test_options_that_shape_the_loss_shape_the_fit(task: TaskName, options: Body) -> None:
    body = overconfident_body(task, 120) | options
    weight = np.random.default_rng(7).exponential(size=120)
    body["sample_weight"] = weight.tolist()
    if "classes" in options:
        body["labels"] = [options["classes"][label] for label in body["labels"]]
    answer = ask(task, body)
    fitted = answer["temperature"]
    assert answer["cross_entropy_before"] == loss_at(task, body, 1.0)
    assert answer["cross_entropy_after"] == pytest.approx(loss_at(task, body, fitted), rel=1e-14)
    step = 1e-3
    sides = [loss_at(task, body, fitted * math.exp(sign * step)) for sign in (-1, 1)]
    assert min(sides) > answer["cross_entropy_after"]
    # a parabola through three points has its minimum where the fit is, but for its third derivative
    low, middle, high = sides[0], answer["cross_entropy_after"], sides[1]
    assert (low - high) / (low + high - 2 * middle) / 2 * step == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(("n_classes", "seed"), [(2, 0), (2, 1), (4, 2), (7, 3)])
def test_temperature_against_scikit_learn(n_classes: int, seed: int) -> None:
    """The bounded search of scikit-learn ends at a relative error of 1e-8 or so."""
    x, y = make_classification(400, 12, n_informative=8, n_classes=n_classes, flip_y=0.3, random_state=seed)
    model = LogisticRegression(max_iter=1000).fit(x[:60], y[:60])
    frozen = CalibratedClassifierCV(FrozenEstimator(model), method="temperature", ensemble=False).fit(x[60:], y[60:])
    beta = float(frozen.calibrated_classifiers_[0].calibrators[0].beta_)
    scores = model.decision_function(x[60:])
    task: TaskName = "binary" if n_classes == 2 else "multiclass"
    found = fitted_temperature(task, {"labels": y[60:].tolist(), "logits": scores.tolist()})
    # of a single score it makes the pair (-x, x), whose difference is twice the logit
    assert found == pytest.approx(1.0 / (beta * (2.0 if n_classes == 2 else 1.0)), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_temperature_against_a_plain_root(seed: int) -> None:
    logits, labels = overconfident(150, 5, 0.4 + seed, seed)
    weight = np.random.default_rng(seed).exponential(size=150)

    def slope(beta: float) -> float:
        means = (softmax(beta * logits, axis=1) * logits).sum(axis=1)
        return math.fsum(weight * (means - logits[np.arange(150), labels]))

    exact = 1.0 / brentq(slope, 1e-3, 1e3, xtol=1e-15, rtol=1e-14)
    body = {"labels": labels.tolist(), "logits": logits.tolist(), "sample_weight": weight.tolist()}
    assert fitted_temperature("multiclass", body) == pytest.approx(exact, rel=T_ERROR)
