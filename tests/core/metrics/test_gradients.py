"""The gradient against central differences, and against torch where it is installed."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.core.columns import Column
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import score
from tests.requests import request_of, scoring

RNG = np.random.default_rng(11)
N, K = 6, 4
LABELS = RNG.integers(0, K, N)
TARGETS = RNG.dirichlet(np.ones(K), N)
ROWS = RNG.dirichlet(np.ones(K) * 2, N)
LOGITS = RNG.normal(size=(N, K)) * 2
BITS = RNG.integers(0, 2, N)
TABLE = RNG.integers(0, 2, (N, K))
WEIGHT = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 1.0])
MASK = np.array([True, True, True, False, True, True])

PREDICTIONS: dict[str, dict[str, NDArray[np.float64]]] = {
    "classes": {"probabilities": ROWS, "log_probabilities": np.log(ROWS), "logits": LOGITS},
    "binary": {"probabilities": ROWS[:, 0], "logits": LOGITS[:, 0]},
    "multilabel": {"probabilities": ROWS, "logits": LOGITS},
}
TRUTHS: dict[str, dict[str, NDArray[Any]]] = {
    "multiclass": {"labels": LABELS, "targets": TARGETS},
    "distributions": {"targets": TARGETS},
    "binary": {"labels": BITS, "targets": ROWS[:, 1]},
    "multilabel": {"labels": TABLE, "targets": ROWS},
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "multiclass": [
        {},
        {"label_smoothing": 0.1},
        {"class_weight": (1.0, 2.0, 0.5, 3.0)},
        {"class_weight": (1.0, 2.0, 0.5, 3.0), "label_smoothing": 0.2, "denominator": "count"},
        {"unit": "bits"},
        {"epsilon": 0.11},
        {"normalization": "renormalize"},
        {"normalization": "renormalize", "epsilon": 0.11},
    ],
    "distributions": [{}, {"normalization": "renormalize"}, {"epsilon": 0.11}],
    "binary": [{}, {"pos_weight": 3.0}, {"label_smoothing": 0.1, "pos_weight": 0.5}, {"epsilon": 0.3}],
    "multilabel": [{}, {"pos_weight": (1.0, 2.0, 3.0, 4.0)}, {"label_smoothing": 0.1}, {"epsilon": 0.2}],
}
CASES = [
    (task, form, truth, options, extra)
    for task, truths in TRUTHS.items()
    for form in PREDICTIONS["classes" if task in ("multiclass", "distributions") else task]
    for truth in truths
    for options in OPTIONS[task]
    for extra in ({}, {"sample_weight": WEIGHT, "mask": MASK})
]


def cross_entropy(task: TaskName, columns: dict[str, Column], options: dict[str, Any]) -> float:
    answer = score(scoring(task, columns, Options(**options), frozenset()))
    return float(answer["metrics"]["cross_entropy"]["value"])


def gradient(task: TaskName, columns: dict[str, Column], options: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = score(scoring(task, columns, Options(**options), frozenset({"gradient"})))[
        "gradient"
    ]
    return found


@pytest.mark.parametrize(("task", "form", "truth", "options", "extra"), CASES)
def test_it_is_the_slope_between_two_near_points(
    task: TaskName, form: str, truth: str, options: dict[str, Any], extra: dict[str, Any]
) -> None:
    options = {"tolerance": 0.1, **options} if task in ("multiclass", "distributions") else options
    prediction = PREDICTIONS["classes" if task in ("multiclass", "distributions") else task][form]
    columns = {truth: TRUTHS[task][truth], **extra}
    found = gradient(task, {**columns, form: prediction}, options)[form]
    assert found.shape == prediction.shape
    step = 1e-6
    for place in np.ndindex(prediction.shape):
        values = []
        for shift in (step, -step):
            moved = prediction.copy()
            moved[place] += shift
            values.append(cross_entropy(task, {**columns, form: moved}, options))
        slope = (values[0] - values[1]) / (2 * step)
        assert found[place] == pytest.approx(slope, rel=1e-5, abs=1e-8), place


def test_of_tokens_it_is_minus_one_over_their_number() -> None:
    body = {"log_probabilities": [[-1.0, -2.0], [], [-3.0]], "include": ["gradient"], "sample_weight": [1.0, 1.0, 2.0]}
    parts = score(request_of("tokens", body))["gradient"]["log_probabilities"]
    assert [part.tolist() for part in parts] == [[-0.25, -0.25], [], [-0.5]]


def test_an_infinite_loss_has_none() -> None:
    with pytest.raises(InvalidInput, match="infinite"):
        gradient("multiclass", {"labels": np.array([0]), "probabilities": np.array([[0.0, 1.0]])}, {})


@pytest.mark.parametrize("size", [2.0**-1074, 2.0**300])
def test_weights_of_any_size_give_the_gradient_of_ones(size: float) -> None:
    bodies: dict[TaskName, dict[str, Any]] = {
        "binary": {"labels": [1, 0], "probabilities": [0.5, 0.2]},
        "tokens": {"log_probabilities": [[-1.0, -2.0], [-3.0]]},
    }
    for task, body in bodies.items():
        form = "probabilities" if task == "binary" else "log_probabilities"
        plain, weighed = (
            score(request_of(task, {**body, "include": ["gradient"], "sample_weight": [w, w]}))["gradient"][form]
            for w in (1.0, size)
        )
        assert [np.array(row).tolist() for row in weighed] == [np.array(row).tolist() for row in plain]


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("binary", {"labels": np.array([0, 1]), "probabilities": np.array([0.5, 1e-309])}),
        ("multiclass", {"labels": np.array([1, 0]), "probabilities": np.array([[0.0, 1.0], [1e-309, 1.0]])}),
        ("multilabel", {"labels": np.array([[0, 1], [1, 0]]), "probabilities": np.array([[0.5, 0.5], [1e-309, 0.5]])}),
    ],
)
def test_a_derivative_beyond_all_doubles_is_refused_by_its_row(task: TaskName, columns: dict[str, Column]) -> None:
    with pytest.raises(InvalidInput) as refused:
        gradient(task, columns, {})
    (error,) = refused.value.errors
    assert (error.pointer, error.code) == ("/include", "undefined")
    assert error.detail == "must leave gradient out, found a derivative beyond all doubles in row 1"


def test_it_is_what_torch_differentiates(torch: Any) -> None:
    logits = torch.tensor(LOGITS, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS), weight=weight).backward()
    found = gradient("multiclass", {"labels": LABELS, "logits": LOGITS}, {"class_weight": (1.0, 2.0, 0.5, 3.0)})
    np.testing.assert_allclose(found["logits"], logits.grad.numpy(), rtol=1e-12, atol=1e-15)
