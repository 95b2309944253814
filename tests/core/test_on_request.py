"""Metrics that need all rows at once, and intervals by the bootstrap, as the service gives them."""

from typing import Any

import numpy as np
import pytest

from app.core.bootstrap import Bootstrap
from app.core.registry import METRICS, on_request
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import score
from tests.requests import request_of

RNG = np.random.default_rng(21)
N = 300
P = RNG.random(N)
BINARY: dict[str, Any] = {"labels": (RNG.random(N) < P**2).astype(int).tolist(), "probabilities": P.tolist()}
ROWS = RNG.dirichlet(np.ones(4), N)
CLASSES: dict[str, Any] = {"labels": RNG.integers(0, 4, N).tolist(), "probabilities": ROWS.tolist()}
BODIES: dict[TaskName, dict[str, Any]] = {"binary": BINARY, "multiclass": CLASSES}


def asked(task: TaskName, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    request = request_of(task, body)
    return score(type(request)(task, request.columns, request.options, frozenset(), metrics=on_request(task), **more))


@pytest.mark.parametrize("task", BODIES)
def test_all_of_them_have_a_value_and_are_echoed(task: TaskName) -> None:
    answer = asked(task, BODIES[task])
    assert {answer["metrics"][name]["status"] for name in on_request(task)} == {"ok"}
    assert answer["options"]["metrics"] == on_request(task)


def test_nobody_gets_them_unasked() -> None:
    assert not set(on_request("binary")) & set(score(request_of("binary", BINARY))["metrics"])
    assert {metric.name for metric in METRICS if not metric.mergeable} == {
        *on_request("binary"),
        *on_request("multiclass"),
    }


def test_the_decompositions_add_up_to_the_scores() -> None:
    metrics = {name: entry["value"] for name, entry in asked("binary", BINARY)["metrics"].items()}
    for score_name, whole in (("brier", "brier_score"), ("log_loss", "cross_entropy")):
        parts = [metrics[f"{score_name}_{part}"] for part in ("miscalibration", "discrimination", "uncertainty")]
        assert parts[0] - parts[1] + parts[2] == pytest.approx(metrics[whole], rel=1e-12)


def test_saturated_logits_keep_a_finite_log_loss() -> None:
    body = {"labels": [0, 1, 1, 0], "logits": [40.0, 2.0, 50.0, -60.0]}
    metrics = {name: entry["value"] for name, entry in asked("binary", body)["metrics"].items()}
    parts = [metrics[f"log_loss_{part}"] for part in ("miscalibration", "discrimination", "uncertainty")]
    assert parts[0] - parts[1] + parts[2] == pytest.approx(metrics["cross_entropy"], rel=1e-12)


def test_the_log_loss_decomposition_has_the_unit_of_the_loss() -> None:
    nats, bits = (asked("binary", BINARY | {"unit": unit})["metrics"] for unit in ("nats", "bits"))
    for part in ("log_loss_miscalibration", "log_loss_uncertainty"):
        assert bits[part]["value"] == pytest.approx(nats[part]["value"] / np.log(2), rel=1e-12)


@pytest.mark.parametrize("task", BODIES)
def test_masked_rows_and_clusters_change_no_value(task: TaskName) -> None:
    body = BODIES[task]
    masked = {name: [*values, values[0]] for name, values in body.items()} | {"mask": [True] * N + [False]}
    clustered = masked | {"cluster_id": (np.arange(N + 1) // 7).tolist()}
    plain = asked(task, body)["metrics"]
    for other in (masked, clustered):
        found = asked(task, other)["metrics"]
        assert all(found[name]["value"] == plain[name]["value"] for name in on_request(task))


def test_the_bootstrap_is_seeded_and_echoed() -> None:
    plan = Bootstrap(n_resamples=200, seed=5)
    first, again = asked("binary", BINARY, bootstrap=plan), asked("binary", BINARY, bootstrap=plan)
    assert first == again
    assert first["options"]["bootstrap"] == {"n_resamples": 200, "seed": 5}
    for name in ("expected_calibration_error", "maximum_calibration_error", "smooth_calibration_error"):
        low, high = first["metrics"][name]["confidence_interval"]
        assert 0 <= low < high <= 1
        assert first["metrics"][name]["standard_error"] > 0
    other = asked("binary", BINARY, bootstrap=Bootstrap(n_resamples=200, seed=6))
    assert first["metrics"] != other["metrics"]


def test_too_much_resampling_is_refused() -> None:
    body = {"labels": [0, 1] * 60_000, "probabilities": [0.25, 0.75] * 60_000}
    with pytest.raises(InvalidInput, match="/bootstrap"):
        asked("binary", body, bootstrap=Bootstrap(n_resamples=10_000))


@pytest.mark.parametrize("task", BODIES)
def test_nothing_scored_leaves_them_undefined(task: TaskName) -> None:
    answer = asked(task, BODIES[task] | {"mask": [False] * N})
    assert {answer["metrics"][name]["status"] for name in on_request(task)} == {"undefined"}
