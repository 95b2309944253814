"""Scores of ranking beside scikit-learn, and what it has no number for."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn

from app.core.tasks import TaskName
from app.service import score
from tests.core.parts import rows
from tests.requests import request_of

Body = dict[str, Any]
RNG = np.random.default_rng(6)
N, K = 150, 4
NAMES = ("roc_auc", "average_precision")
WEIGHT = RNG.exponential(size=N)
FORMS = ("probabilities", "logits")


def found(task: TaskName, body: Body) -> dict[str, Any]:
    metrics = score(request_of(task, body | {"metrics": NAMES}))["metrics"]
    return {name: metrics[name] for name in NAMES}


def numbers(task: TaskName, body: Body) -> list[float]:
    return [entry["value"] for entry in found(task, body).values()]


def weighted(body: Body, weight: Any) -> Body:
    return body if weight is None else body | {"sample_weight": weight.tolist()}


def near(*values: float) -> Any:
    return pytest.approx(values, rel=1e-12)


plain_and_weighted = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])


@plain_and_weighted
@pytest.mark.parametrize("form", FORMS)
def test_binary_with_ties(form: str, weight: Any) -> None:
    scores = np.round(RNG.random(N), 1) if form == "probabilities" else np.round(RNG.normal(size=N) * 3)
    labels = (RNG.random(N) < 0.4).astype(int)
    body = weighted({"labels": labels.tolist(), form: scores.tolist()}, weight)
    assert numbers("binary", body) == near(
        sklearn.roc_auc_score(labels, scores, sample_weight=weight),
        sklearn.average_precision_score(labels, scores, sample_weight=weight),
    )


@plain_and_weighted
def test_multiclass_is_the_mean_of_each_class_against_the_rest(weight: Any) -> None:
    logits = np.round(RNG.normal(size=(N, K)), 1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = RNG.permutation(np.arange(N) % K)
    body = weighted({"labels": labels.tolist(), "probabilities": p.tolist()}, weight)
    assert numbers("multiclass", body) == near(
        sklearn.roc_auc_score(labels, p, multi_class="ovr", sample_weight=weight),
        sklearn.average_precision_score(labels, p, sample_weight=weight),
    )
    one_hot = body | {"targets": np.eye(K)[labels].tolist()}
    del one_hot["labels"]
    assert numbers("multiclass", one_hot) == numbers("multiclass", body)


@plain_and_weighted
def test_multilabel_is_the_mean_over_labels(weight: Any) -> None:
    p = RNG.random((N, K))
    labels = (RNG.random((N, K)) < p).astype(int)
    body = weighted({"labels": labels.tolist(), "probabilities": p.tolist()}, weight)
    assert numbers("multilabel", body) == near(
        sklearn.roc_auc_score(labels, p, sample_weight=weight),
        sklearn.average_precision_score(labels, p, sample_weight=weight),
    )


def test_masks_leave_elements_out() -> None:
    p, mask = RNG.random((N, 2)), RNG.random((N, 2)) < 0.7
    labels = (RNG.random((N, 2)) < p).astype(int)
    body = {"labels": labels.tolist(), "probabilities": p.tolist(), "mask": mask.tolist()}
    columns = [sklearn.roc_auc_score(labels[kept, c], p[kept, c]) for c, kept in enumerate(mask.T)]
    assert numbers("multilabel", body)[0] == pytest.approx(np.mean(columns), rel=1e-12)


def test_a_label_that_is_wholly_masked_is_left_out() -> None:
    body = {"labels": [[1, 0], [0, 0]], "probabilities": [[0.9, 0.2], [0.3, 0.4]], "mask": [[True, False]] * 2}
    assert numbers("multilabel", body) == [1.0, 1.0]


def test_a_soft_target_counts_as_that_share_of_a_positive_row() -> None:
    soft = {"targets": [0.25, 0.5, 1.0], "probabilities": [0.2, 0.6, 0.7]}
    split = {
        "labels": [1, 0, 1, 0, 1],
        "probabilities": [0.2, 0.2, 0.6, 0.6, 0.7],
        "sample_weight": [0.25, 0.75, 0.5, 0.5, 1.0],
    }
    assert numbers("binary", soft) == near(*numbers("binary", split))


def test_large_logits_are_no_ties() -> None:
    assert numbers("binary", {"labels": [0, 1], "logits": [40.0, 50.0]}) == [1.0, 1.0]


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1.0, 1e100])
def test_only_ratios_of_weights_matter(size: float) -> None:
    body = {"labels": [0, 1, 0, 1], "probabilities": [0.1, 0.4, 0.5, 0.6]}
    assert numbers("binary", body | {"sample_weight": [size] * 4}) == numbers("binary", body)


def test_weights_are_copies_and_order_is_nothing() -> None:
    body: Body = {"labels": [0, 1, 0, 1], "probabilities": [0.1, 0.4, 0.4, 0.6]}
    assert numbers("binary", body | {"sample_weight": [1, 2, 0, 1]}) == numbers("binary", rows(body, [3, 1, 0, 1]))


UNDEFINED: list[tuple[TaskName, Body, str, str]] = [
    ("binary", {"labels": [0, 0], "probabilities": [0.1, 0.2]}, "roc_auc", "the positive class never occurs"),
    ("binary", {"labels": [1, 1], "probabilities": [0.1, 0.2]}, "roc_auc", "the positive class is the truth of every"),
    ("binary", {"labels": [0, 0], "probabilities": [0.1, 0.2]}, "average_precision", "the positive class never"),
    ("multiclass", {"labels": [0, 1], "logits": [[1, 0, 0], [1, 0, 0]]}, "roc_auc", "column 2 never occurs"),
    ("multilabel", {"labels": [[1, 0]], "probabilities": [[0.9, 0.2]]}, "average_precision", "column 1 never occurs"),
]


@pytest.mark.parametrize(("task", "body", "name", "reason"), UNDEFINED)
def test_what_no_row_tells_is_undefined(task: TaskName, body: Body, name: str, reason: str) -> None:
    entry = found(task, body)[name]
    assert (entry["status"], entry["value"]) == ("undefined", None)
    assert entry["reason"].startswith(reason)
