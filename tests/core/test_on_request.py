"""Metrics on request, and intervals by the bootstrap, as the service gives them."""

import re
import tracemalloc
from itertools import chain
from typing import Any

import numpy as np
import pytest

from app.core.metrics.all_rows import AllRows
from app.core.metrics.bootstrap import Bootstrap, resamples
from app.core.metrics.registry import METRICS, on_request
from app.core.options import Options
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput
from app.service import score
from tests.core.parts import batch, rows
from tests.requests import asking, request_of, scoring

RNG = np.random.default_rng(21)
N = 300
P = RNG.random(N)
BINARY: dict[str, Any] = {"labels": (RNG.random(N) < P**2).astype(int).tolist(), "probabilities": P.tolist()}
ROWS = RNG.dirichlet(np.ones(4), N)
CLASSES: dict[str, Any] = {"labels": RNG.integers(0, 4, N).tolist(), "probabilities": ROWS.tolist()}
BODIES: dict[TaskName, dict[str, Any]] = {"binary": BINARY, "multiclass": CLASSES}


def asked(task: TaskName, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return score(asking(request_of(task, body), metrics=on_request(task), **more))


@pytest.mark.parametrize("task", BODIES)
def test_all_of_them_have_a_value_and_are_echoed(task: TaskName) -> None:
    answer = asked(task, BODIES[task])
    assert {answer["metrics"][name]["status"] for name in on_request(task)} == {"ok"}
    assert answer["options"]["metrics"] == on_request(task)


def test_nobody_gets_them_unasked() -> None:
    assert not set(on_request("binary")) & set(score(request_of("binary", BINARY))["metrics"])
    assert {metric.name for metric in METRICS if metric.on_request} == {*chain.from_iterable(map(on_request, TASKS))}


def test_the_decompositions_add_up_to_the_scores() -> None:
    metrics = {name: entry["value"] for name, entry in asked("binary", BINARY)["metrics"].items()}
    for score_name, whole in (("brier", "brier_score"), ("log_loss", "cross_entropy")):
        parts = [metrics[f"{score_name}_{part}"] for part in ("miscalibration", "discrimination", "uncertainty")]
        assert parts[0] - parts[1] + parts[2] == pytest.approx(metrics[whole], rel=1e-12)


def test_the_catalogue_names_the_identity_of_a_decomposition_by_metrics_of_the_answer() -> None:
    metrics = {name: entry["value"] for name, entry in asked("binary", BINARY)["metrics"].items()}
    formulas = [metric.formula for metric in METRICS if metric.name.startswith(("brier_", "log_loss_"))]
    identities = [re.findall(r"(\w+) = (\w+) - (\w+) \+ (\w+)", formula) for formula in formulas]
    told = {names for (names,) in filter(None, identities)}
    assert {names[0] for names in told} == {"brier_score", "cross_entropy"}
    for whole, misses, gains, uncertainty in told:
        assert metrics[misses] - metrics[gains] + metrics[uncertainty] == pytest.approx(metrics[whole], rel=1e-12)


@pytest.mark.parametrize("option", [{"epsilon": 0.2}, {"pos_weight": 3.0}, {"label_smoothing": 0.1}])
def test_options_of_the_loss_do_not_enter_its_decomposition(option: dict[str, Any]) -> None:
    plain, found = (asked("binary", BINARY | more)["metrics"] for more in ({}, option))
    names = [name for name in found if name.startswith(("brier_", "log_loss_"))]
    assert len(names) == 7
    assert [found[name] for name in names] == [plain[name] for name in names]
    assert found["cross_entropy"] != plain["cross_entropy"]


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


@pytest.mark.parametrize("task", BODIES)
def test_every_calibration_error_has_an_interval(task: TaskName) -> None:
    found = asked(task, BODIES[task], bootstrap=Bootstrap(n_resamples=100))["metrics"]
    errors = [name for name in found if name.endswith("calibration_error")]
    assert len(errors) == {"binary": 5, "multiclass": 6}[task]
    for name in errors:
        low, high = found[name]["confidence_interval"]
        assert 0 <= low < high <= 1
        assert found[name]["standard_error"] > 0


@pytest.mark.parametrize("form", ["probabilities", "log_probabilities", "logits"])
def test_the_classwise_error_is_the_mean_of_those_of_its_classes(form: str) -> None:
    """The rows are weighted, and some are not scored."""
    prediction = ROWS if form == "probabilities" else np.log(ROWS)
    rest = {"sample_weight": RNG.integers(0, 3, N).tolist(), "mask": (RNG.random(N) < 0.9).tolist()}
    found = asked("multiclass", {"labels": CLASSES["labels"], form: prediction.tolist(), **rest})["metrics"]
    errors = []
    for k in range(4):
        alone = {
            "labels": (np.array(CLASSES["labels"]) == k).astype(int).tolist(),
            "probabilities": ROWS[:, k].tolist(),
        }
        errors.append(asked("binary", alone | rest)["metrics"]["expected_calibration_error"]["value"])
    assert found["classwise_calibration_error"]["value"] == pytest.approx(np.mean(errors), rel=1e-12)


def test_the_interval_of_the_classwise_error_is_that_of_rows_drawn_again() -> None:
    plan = Bootstrap(n_resamples=300, seed=2)
    found = asked("multiclass", CLASSES, bootstrap=plan)["metrics"]["classwise_calibration_error"]
    all_rows = AllRows(batch("multiclass", CLASSES))
    labels = np.array(CLASSES["labels"])
    values = []
    for counts in resamples(N, plan):
        drawn = np.repeat(all_rows.rows.order, counts)
        body = {"labels": labels[drawn].tolist(), "probabilities": ROWS[drawn].tolist()}
        again = score(asking(request_of("multiclass", body), metrics=("classwise_calibration_error",)))
        values.append(again["metrics"]["classwise_calibration_error"]["value"])
    assert found["standard_error"] == pytest.approx(np.std(values, ddof=1), rel=1e-10)
    ends = [2 * found["value"] - end for end in np.quantile(values, [0.975, 0.025])]
    assert found["confidence_interval"] == pytest.approx(np.maximum(ends, 0.0).tolist(), rel=1e-10)


@pytest.mark.parametrize("task", BODIES)
def test_a_seed_draws_the_same_rows_however_they_were_sent(task: TaskName) -> None:
    """Some rows tie in all that one metric sees."""
    body = {name: np.round(values, 1).tolist() for name, values in BODIES[task].items()}
    weight = RNG.integers(0, 3, N).tolist()
    order = RNG.permutation(N).tolist()
    mixed = rows(body | {"sample_weight": weight}, order)
    plan = Bootstrap(n_resamples=50)
    assert (
        asked(task, mixed, bootstrap=plan)["metrics"]
        == asked(task, rows(mixed, np.argsort(order).tolist()), bootstrap=plan)["metrics"]
    )


def test_too_much_resampling_is_refused() -> None:
    body = {"labels": [0, 1] * 10_000, "probabilities": [0.25, 0.75] * 10_000}
    with pytest.raises(InvalidInput, match=r"must ask for at most [0-9]{3,4} resamples of these 20000 rows"):
        asked("binary", body, bootstrap=Bootstrap(n_resamples=10_000))


def test_more_metrics_leave_room_for_fewer_resamples() -> None:
    few = asking(request_of("binary", BINARY), bootstrap=Bootstrap(n_resamples=10_000))
    assert score(few)["metrics"]["expected_calibration_error"]["standard_error"] > 0
    with pytest.raises(InvalidInput, match=f"resamples of these {N} rows for these 5 metrics, found 10000"):
        asked("binary", BINARY, bootstrap=few.bootstrap)


@pytest.mark.parametrize(("n", "k"), [(100_000, 10), (2_000, 500)])
def test_the_classwise_bootstrap_takes_little_more_than_its_input(n: int, k: int) -> None:
    """The bin and the gap of each class of each row take ten bytes."""
    probabilities = RNG.dirichlet(np.ones(k), n)
    request = scoring(
        "multiclass",
        {"labels": RNG.integers(0, k, n), "probabilities": probabilities},
        Options(),
        frozenset(),
        metrics=("classwise_calibration_error",),
        bootstrap=Bootstrap(n_resamples=10),
    )
    tracemalloc.start()
    score(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * probabilities.nbytes


@pytest.mark.parametrize("task", BODIES)
def test_nothing_scored_leaves_them_undefined(task: TaskName) -> None:
    answer = asked(task, BODIES[task] | {"mask": [False] * N})
    assert {answer["metrics"][name]["status"] for name in on_request(task)} == {"undefined"}
