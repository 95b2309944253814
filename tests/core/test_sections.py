"""Slices, worst rows, confusion and clusters."""

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from app.core.columns import Column
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.sums.summary import summarize
from app.core.sums.uncertainty import mean
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import score
from tests.bodies import random_body
from tests.core.parts import batch, n_rows, numbers, rows, state, values
from tests.requests import request_of, scoring

TASKS: tuple[TaskName, ...] = ("binary", "multiclass", "multilabel", "distributions", "tokens")
every_task = pytest.mark.parametrize("task", TASKS)


def answer(task: TaskName, body: dict[str, Any]) -> dict[str, Any]:
    return score(request_of(task, body))


@every_task
@pytest.mark.parametrize("seed", range(20))
def test_the_states_of_slices_add_up_to_the_whole(task: TaskName, seed: int) -> None:
    body = random_body(task, np.random.default_rng(seed))
    groups = np.random.default_rng(seed).integers(0, 3, n_rows(body))
    parts = [state(task, rows(body, np.flatnonzero(groups == group).tolist())) for group in np.unique(groups)]
    assert reduce(add, parts) == state(task, body)


@every_task
@pytest.mark.parametrize("seed", range(10))
def test_a_slice_is_what_its_rows_score_alone(task: TaskName, seed: int) -> None:
    body = random_body(task, np.random.default_rng(seed))
    groups = np.random.default_rng(seed).integers(0, 3, n_rows(body))
    slices = {"group": groups.tolist(), "odd": (groups % 2 == 1).tolist()}
    found = answer(task, {**body, "slices": slices})["slices"]
    for group in np.unique(groups).tolist():
        alone = answer(task, rows(body, np.flatnonzero(groups == group).tolist()))
        assert found["group"][str(group)] == {"n_scored": alone["n_scored"], "metrics": alone["metrics"]}
    assert set(found["odd"]) <= {"true", "false"}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_a_slice_of_clusters_with_far_weights_is_that_of_its_rows_alone(task: TaskName, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = 12 if task == "binary" else (12, 2)
    body = {
        "probabilities": rng.uniform(0.1, 0.9, shape).tolist(),
        "labels": rng.integers(0, 2, shape).tolist(),
        "sample_weight": rng.choice([1e100, 1e-210, 1.0, 1e-300], 12).tolist(),
        "cluster_id": rng.integers(0, 3, 12).tolist(),
    }
    groups = rng.integers(0, 2, 12)
    found = answer(task, {**body, "slices": {"group": groups.tolist()}})["slices"]["group"]
    for value in {str(group) for group in groups.tolist()}:
        kept = np.flatnonzero(groups == int(value)).tolist()
        alone = answer(task, {name: [values[row] for row in kept] for name, values in body.items()})
        assert found[value]["metrics"] == alone["metrics"]


def test_slices_are_bounded_and_checked() -> None:
    body = {"labels": [0, 1], "probabilities": [[0.5, 0.5], [0.25, 0.75]]}
    with pytest.raises(InvalidInput, match="/slices/a: must hold as many"):
        answer("multiclass", {**body, "slices": {"a": [1]}})
    with pytest.raises(InvalidInput, match="at least one slice"):
        answer("multiclass", {**body, "include": ["slices"]})
    many = {"labels": [0] * 1_001, "probabilities": [0.5] * 1_001, "slices": {"a": list(range(1_001))}}
    with pytest.raises(InvalidInput, match="at most 1000 different values"):
        answer("binary", many)


def test_the_worst_rows_come_largest_loss_first() -> None:
    body = {
        "labels": ["a", "b", "b", "a"],
        "classes": ["a", "b"],
        "probabilities": [[0.5, 0.5], [0.75, 0.25], [1.0, 0.0], [0.25, 0.75]],
        "include": ["worst"],
        "n_worst": 3,
    }
    assert answer("multiclass", body)["worst"] == [
        {"index": 2, "label": "b", "probability": 0.0, "cross_entropy": None},
        {"index": 1, "label": "b", "probability": 0.25, "cross_entropy": pytest.approx(np.log(4))},
        {"index": 3, "label": "a", "probability": 0.25, "cross_entropy": pytest.approx(np.log(4))},
    ]


def test_worst_lists_no_row_that_is_not_scored() -> None:
    body = {"labels": [1, 1, 0], "probabilities": [0.1, 0.2, 0.3], "mask": [False, True, True], "include": ["worst"]}
    assert [entry["index"] for entry in answer("binary", body)["worst"]] == [1, 2]
    assert answer("tokens", {"log_probabilities": [[-1.0], [-2.0, -4.0], []], "include": ["worst"]})["worst"] == [
        {"index": 1, "cross_entropy": 3.0},
        {"index": 0, "cross_entropy": 1.0},
    ]


def test_confusion_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    n, k = 500, 6
    prediction, labels, table = rng.dirichlet(np.ones(k), n), rng.integers(0, k, n), rng.integers(0, 2, (n, k))

    def confusion(task: TaskName, columns: dict[str, Column]) -> Any:
        return score(scoring(task, columns, Options(), frozenset({"confusion"})))["confusion"]

    found = confusion("multiclass", {"labels": labels, "probabilities": prediction})
    np.testing.assert_array_equal(found, confusion_matrix(labels, prediction.argmax(axis=1), labels=np.arange(k)))
    found = confusion("binary", {"labels": table[:, 0], "probabilities": rng.random(n).round(1)})
    assert found.shape == (2, 2)
    assert found.sum() == n
    scores = rng.random((n, k))
    found = confusion("multilabel", {"labels": table, "probabilities": scores})
    np.testing.assert_array_equal(found, multilabel_confusion_matrix(table, scores >= 0.5))


def test_confusion_of_too_many_classes_is_refused() -> None:
    columns: dict[str, Column] = {"labels": np.array([0]), "logits": np.zeros((1, 1_001))}
    with pytest.raises(InvalidInput, match="at most 1000 classes"):
        score(scoring("multiclass", columns, Options(), frozenset({"confusion"})))


@every_task
@pytest.mark.parametrize("seed", range(10))
def test_clusters_change_nothing_but_the_uncertainty(task: TaskName, seed: int) -> None:
    body = random_body(task, np.random.default_rng(seed))
    clustered = {**body, "cluster_id": np.random.default_rng(seed).integers(0, 4, n_rows(body)).tolist()}
    assert numbers(task, clustered) == numbers(task, body)


@every_task
def test_clusters_of_one_row_are_no_clusters(task: TaskName) -> None:
    body = random_body(task, np.random.default_rng(3))
    clustered = {**body, "cluster_id": [f"row {i}" for i in range(n_rows(body))]}
    assert values(task, clustered) == values(task, body)


def test_clusters_larger_than_a_chunk_stay_whole() -> None:
    rng = np.random.default_rng(1)
    n = 60_000
    clusters = np.where(rng.random(n) < 0.5, 0, rng.integers(1, 2_000, n))
    body = {"labels": rng.integers(0, 2, n).tolist(), "probabilities": rng.random(n).tolist()}
    order = np.argsort(clusters, kind="stable")
    found = state("binary", {**body, "cluster_id": clusters.tolist()}).moments["brier_score"]
    losses = (np.array(body["probabilities"]) - np.array(body["labels"])) ** 2
    sums, sizes = np.bincount(clusters, losses), np.bincount(clusters)
    assert found.n == len(np.unique(clusters))
    mean = losses.mean()
    expected = np.sqrt(found.n / (found.n - 1) * ((sums - mean * sizes) ** 2).sum()) / n
    metric = values("binary", {**body, "cluster_id": clusters.tolist()})["brier_score"]
    assert metric.standard_error == pytest.approx(expected, rel=1e-10)
    shuffled = rows({**body, "cluster_id": clusters.tolist()}, order.tolist())
    assert state("binary", shuffled) == state("binary", {**body, "cluster_id": clusters.tolist()})


@pytest.mark.slow
def test_the_interval_of_the_loss_covers_as_often_as_it_says() -> None:
    """2,000 data sets of 200 rows whose true expected loss is known, and 2,000 of 40 clusters of 10 alike rows."""
    rng = np.random.default_rng(7)
    assert 0.93 <= _coverage(rng, clusters=200, size=1, clustered=False) <= 0.97
    assert 0.93 <= _coverage(rng, clusters=40, size=10, clustered=True) <= 0.97
    assert _coverage(rng, clusters=40, size=10, clustered=False) < 0.85


def _coverage(rng: np.random.Generator, clusters: int, size: int, *, clustered: bool) -> float:
    """The share of intervals of the mean that hold the expectation of -log p, p being 1/2 or 1/8 by cluster."""
    truth = 0.5 * np.log(2) + 0.5 * np.log(8)
    held = 0
    for _ in range(2_000):
        p = np.where(rng.random(clusters) < 0.5, 0.5, 0.125).repeat(size)
        body: dict[str, Any] = {"labels": np.ones(len(p), dtype=int).tolist(), "probabilities": p.tolist()}
        if clustered:
            body["cluster_id"] = np.arange(clusters).repeat(size).tolist()
        low, high = _interval(body)
        held += low <= truth <= high
    return held / 2_000


def _interval(body: dict[str, Any]) -> tuple[float, float]:
    interval = mean(summarize(batch("binary", body), Needs((CROSS_ENTROPY,))).state.moments["cross_entropy"], 0.95)
    assert interval.confidence_interval is not None
    return interval.confidence_interval


def test_rows_without_weight_and_clusters_leave_bins_honest() -> None:
    body: dict[str, Any] = {"labels": [1, 1, 0, 1], "probabilities": [0.6, 0.62, 0.61, 0.63], "n_bins": 1}
    included = body | {"include": ["calibration"]}
    (plain,) = answer("binary", included)["calibration"]["bins"]
    more = {name: [*body[name], *[body[name][0]] * 20] for name in ("labels", "probabilities")}
    weights = {"sample_weight": [1.0] * 4 + [0.0] * 20}
    assert answer("binary", included | more | weights)["calibration"]["bins"] == [plain]
    (clustered,) = answer("binary", included | {"cluster_id": [1, 1, 2, 2]})["calibration"]["bins"]
    assert clustered == {name: value for name, value in plain.items() if name != "confidence_interval"}


def test_worst_lists_no_row_without_weight_and_shows_no_masked_label() -> None:
    body = {"labels": [1, 0, 1], "probabilities": [0.6, 0.4, 0.01], "sample_weight": [1.0, 1.0, 0.0]}
    assert [row["index"] for row in answer("binary", body | {"include": ["worst"]})["worst"]] == [0, 1]
    masked = {"labels": [[1, 1]], "probabilities": [[0.9, 0.8]], "mask": [[True, False]], "include": ["worst"]}
    (row,) = answer("multilabel", masked)["worst"]
    assert (row["label"], row["probability"]) == ([1, None], [0.9, None])


def test_bins_of_all_slices_are_bounded() -> None:
    body = {"labels": [1] * 200, "probabilities": [0.5] * 200, "slices": {"s": list(range(200))}, "n_bins": 501}
    with pytest.raises(InvalidInput, match="at most 100000 bins"):
        answer("binary", body)


def test_losses_that_only_nats_can_hold_are_not_told_in_bits() -> None:
    body = {"labels": [1, 1], "logits": [-1.79e308, 1.0], "unit": "bits", "include": ["per_sample"]}
    losses = answer("binary", body)["per_sample"]["cross_entropy"]
    assert np.isnan(losses[0])
    assert losses[1] == pytest.approx(np.log1p(np.exp(-1.0)) / np.log(2.0))
