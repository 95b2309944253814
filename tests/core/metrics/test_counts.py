"""Scores of decisions beside scikit-learn, and where it answers 0 with a warning."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn

from app.core.tasks import TaskName
from app.service import score
from tests.requests import request_of

Body = dict[str, Any]
RNG = np.random.default_rng(5)
N, K = 200, 4
SHARES = ("f1_score", "precision", "recall")
NAMES = (*SHARES, "balanced_accuracy", "matthews_correlation")
WEIGHT = RNG.exponential(size=N)


def found(task: TaskName, body: Body, *names: str) -> dict[str, Any]:
    metrics = score(request_of(task, body | {"metrics": names}))["metrics"]
    return {name: metrics[name] for name in names}


def numbers(task: TaskName, body: Body, *names: str) -> list[float]:
    return [entry["value"] for entry in found(task, body, *names).values()]


def theirs(labels: Any, predicted: Any, average: str, weight: Any) -> list[float]:
    shares = (sklearn.f1_score, sklearn.precision_score, sklearn.recall_score)
    return [share(labels, predicted, average=average, sample_weight=weight) for share in shares]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_binary(weight: Any, threshold: float) -> None:
    p = RNG.random(N)
    labels = (RNG.random(N) < p).astype(int)
    body: Body = {"labels": labels.tolist(), "probabilities": p.tolist(), "threshold": threshold}
    body |= {} if weight is None else {"sample_weight": weight.tolist()}
    predicted = p >= threshold
    rest = [
        sklearn.balanced_accuracy_score(labels, predicted, sample_weight=weight),
        sklearn.matthews_corrcoef(labels, predicted, sample_weight=weight),
    ]
    assert numbers("binary", body, *NAMES) == pytest.approx([*theirs(labels, predicted, "binary", weight), *rest])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_multiclass(weight: Any) -> None:
    rows = RNG.dirichlet(np.ones(K), N)
    labels = np.where(RNG.random(N) < 0.6, rows.argmax(axis=1), RNG.integers(0, K, N))
    wide = np.hstack([rows, np.zeros((N, 1))])  # a class that neither occurs nor is predicted
    body: Body = {"labels": labels.tolist(), "probabilities": wide.tolist()}
    body |= {} if weight is None else {"sample_weight": weight.tolist()}
    predicted = rows.argmax(axis=1)
    rest = [
        sklearn.balanced_accuracy_score(labels, predicted, sample_weight=weight),
        sklearn.matthews_corrcoef(labels, predicted, sample_weight=weight),
    ]
    assert numbers("multiclass", body, *NAMES) == pytest.approx([*theirs(labels, predicted, "macro", weight), *rest])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_multilabel(weight: Any) -> None:
    p = RNG.random((N, K))
    labels = (RNG.random((N, K)) < p).astype(int)
    body: Body = {"labels": labels.tolist(), "probabilities": p.tolist()}
    body |= {} if weight is None else {"sample_weight": weight.tolist()}
    assert numbers("multilabel", body, *SHARES) == pytest.approx(theirs(labels, p >= 0.5, "macro", weight))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_correlation_is_there_whatever_the_size_of_weights(sign: int) -> None:
    body = {"labels": [1, 0, 1, 0], "logits": [sign, -sign, sign, -sign], "sample_weight": [1e100, 1e100, 5e-324, 1.0]}
    assert numbers("binary", body, "matthews_correlation") == [sign]


def test_a_mask_of_elements_leaves_decisions_out() -> None:
    p, mask = RNG.random((N, 2)), RNG.random((N, 2)) < 0.7
    labels = (RNG.random((N, 2)) < p).astype(int)
    body = {"labels": labels.tolist(), "probabilities": p.tolist(), "mask": mask.tolist()}
    columns = [sklearn.f1_score(labels[kept, c], p[kept, c] >= 0.5) for c, kept in enumerate(mask.T)]
    assert numbers("multilabel", body, "f1_score") == pytest.approx([np.mean(columns)])


UNDEFINED: list[tuple[TaskName, Body, str, str]] = [
    ("binary", {"labels": [0, 0], "probabilities": [0.1, 0.2]}, "f1_score", "the positive class neither occurs"),
    ("binary", {"labels": [1, 0], "probabilities": [0.1, 0.2]}, "precision", "the positive class is never predicted"),
    ("binary", {"labels": [0, 0], "probabilities": [0.9, 0.2]}, "recall", "the positive class never occurs"),
    ("binary", {"labels": [0, 0], "probabilities": [0.9, 0.2]}, "matthews_correlation", "the truth is of one class"),
    ("binary", {"labels": [0, 1], "probabilities": [0.1, 0.2]}, "matthews_correlation", "the prediction is of one"),
    ("multiclass", {"labels": [0, 1], "logits": [[1, 0, 0], [1, 0, 0]]}, "precision", "column 1 is never predicted"),
    ("multiclass", {"labels": [0, 1], "logits": [[1, 0, 0], [0, 0, 1]]}, "recall", "column 2 never occurs"),
    ("multilabel", {"labels": [[1, 0]], "probabilities": [[0.9, 0.2]]}, "f1_score", "column 1 neither occurs"),
]


@pytest.mark.parametrize(("task", "body", "name", "reason"), UNDEFINED)
def test_zero_by_zero_is_undefined_where_scikit_learn_answers_0(
    task: TaskName, body: Body, name: str, reason: str
) -> None:
    entry = found(task, body, name)[name]
    assert (entry["status"], entry["value"]) == ("undefined", None)
    assert entry["reason"].startswith(reason)


def test_a_row_without_weight_is_no_decision() -> None:
    """The class of such a row counts in scikit-learn's mean over classes."""
    body = {"labels": [0, 1, 2], "logits": [[1, 0, 0], [0, 1, 0], [1, 0, 0]], "sample_weight": [1, 1, 0]}
    assert numbers("multiclass", body, *SHARES) == [1.0, 1.0, 1.0]


def test_one_class_has_its_own_recall_as_balanced_accuracy() -> None:
    assert numbers("binary", {"labels": [0, 0], "probabilities": [0.9, 0.2]}, "balanced_accuracy") == [0.5]
