"""The guarantee and the laws of every method, and the gain on rows that a fit has not seen."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, logit, stdtrit

from app.core.columns import FloatArray
from app.core.fits.crossfit import evidence_of, folds, folds_of, held_out_losses
from app.core.fits.platt_isotonic import fit_isotonic, fit_platt
from app.core.fits.temperature import Temperature
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import CALIBRATED, CalibrateRequest, calibrate, score
from tests.core.calibrations import (
    T_ERROR,
    answer_if_any,
    ask,
    binary_body,
    every_method,
    fitting_body,
    overconfident,
    overconfident_body,
)
from tests.core.parts import Body, batch, rows
from tests.requests import request_of


def test_a_single_row_has_no_cross_fit() -> None:
    gain = ask("binary", {"labels": [1], "logits": [-2.0]})["cross_fitted_gain"]
    assert (gain["value"], gain["status"]) == (None, "undefined")
    assert "fewer than 2 rows" in gain["reason"]


@pytest.mark.parametrize(
    "body",
    [
        {"mask": [False, False]},
        {"sample_weight": [0.0, 0.0]},
        {"sample_weight": [0.0, 1.0], "mask": [True, False]},
        {"class_weight": [0.0, 0.0]},
    ],
)
def test_where_no_row_counts_nothing_is_fitted(body: Body) -> None:
    with pytest.raises(InvalidInput, match="row of positive weight to fit, found none") as refusal:
        ask("multiclass", {"labels": [0, 1], "logits": [[1, 0], [0, 1]]} | body)
    assert refusal.value.errors[0].code == "empty"


def test_numbers_beyond_all_doubles_are_refused() -> None:
    with pytest.raises(InvalidInput, match="finite, found an overflow"):
        ask("multiclass", {"labels": [0, 1], "logits": [[1.5e308, -1.5e308], [0, 1]]})


def test_a_gain_of_weights_of_all_sizes_is_a_number() -> None:
    """The heavy row is wrong. The others are separable without it, and then its loss is 2e4 times as large."""
    body = {"labels": [1, 1, 1, 0, 0], "logits": [-1e150, 1, 2, -1, -3], "sample_weight": [1e100, 1, 1, 1, 1]}
    gain = ask("binary", body | {"pos_weight": 1e57})["cross_fitted_gain"]
    assert gain["status"] == "ok"
    assert gain["value"] < -1e210


@every_method
def test_the_size_of_weights_does_not_matter(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 40) | {"method": method}
    plain = ask(task, body)
    for size in (2.0**-1074, 1 / 64, 2.0**300):
        weighed = ask(task, body | {"sample_weight": [size] * 40})
        assert {**weighed, "options": None} == {**plain, "options": None}


@every_method
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=0)
def test_the_loss_after_is_never_above_that_before(task: TaskName, method: str, seed: int) -> None:
    body = fitting_body(task, seed) | {"method": method}
    answer = answer_if_any(task, body)
    if answer is None:
        return
    assert answer["cross_entropy_after"] <= answer["cross_entropy_before"]
    assert math.isfinite(answer["cross_entropy_before"])
    assert answer["converged"] or (method, body.get("pos_weight")) == ("platt", 0.0)  # which has no minimum
    if answer["cross_entropy_after"] == answer["cross_entropy_before"] and answer["unit"] == "nats":
        assert [answer.get(name, 1.0) for name in ("temperature", "slope")] == [1.0, 1.0]


def test_most_random_bodies_can_be_fitted() -> None:
    """The guarantee would hold of nothing if there were nothing to fit."""
    answers = [answer_if_any(task, fitting_body(task, seed)) for task in CALIBRATED for seed in range(200)]
    assert answers.count(None) < 80


def test_the_order_of_rows_does_not_matter() -> None:
    logits, labels = overconfident(5_000, 3, 1.7)
    weight = np.random.default_rng(3).exponential(size=len(labels))
    body = {"labels": labels.tolist(), "logits": logits.tolist(), "sample_weight": weight.tolist()}
    names = ("temperature", "cross_entropy_before", "cross_entropy_after", "expected_calibration_error_after")
    order = np.random.default_rng(4).permutation(len(labels)).tolist()
    answer, shuffled = ask("multiclass", body), ask("multiclass", rows(body, order))
    assert [answer[name] for name in names] == [shuffled[name] for name in names]
    binary = {"labels": (labels == 0).astype(int).tolist(), "logits": logits[:, 0].round(2).tolist()}
    for fit in (fit_platt, fit_isotonic):
        whole, mixed = batch("binary", binary), batch("binary", rows(binary, order))
        assert fit(whole, np.arange(len(whole))).to_json() == fit(mixed, np.arange(len(mixed))).to_json()


@every_method
def test_a_whole_weight_is_as_many_copies(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 60)
    weight = np.random.default_rng(5).choice([0.0, 1.0, 2.0, 4.0], 60)
    copies = rows(body, np.repeat(np.arange(60), weight.astype(int)).tolist())
    weighed, copied = (
        ask(task, body | {"sample_weight": weight.tolist(), "method": method}),
        ask(task, copies | {"method": method}),
    )
    after = ["cross_entropy_after"] if method == "temperature" else []  # the others count rows, whatever they weigh
    for name in ("temperature", "cross_entropy_before", *after):
        assert weighed.get(name, 1.0) == pytest.approx(copied.get(name, 1.0), rel=T_ERROR)
    assert weighed.get("temperature") == copied.get("temperature")


@every_method
def test_rows_that_are_not_scored_or_weigh_nothing_are_not_looked_at(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 80) | {"method": method, "include": ["probabilities"]}
    kept = np.random.default_rng(6).random(80) < 0.7
    spoiled = np.where(kept if task == "binary" else kept[:, None], body["logits"], math.nan).tolist()
    alone = ask(task, rows(body, np.flatnonzero(kept).tolist()))
    masked = ask(task, body | {"mask": kept.tolist(), "logits": spoiled})
    weightless = ask(task, body | {"sample_weight": kept.astype(float).tolist()})
    told = ("n_samples", "probabilities", "n_scored", "options")
    for other in (masked, weightless):
        assert {k: v for k, v in other.items() if k not in told} == {k: v for k, v in alone.items() if k not in told}
    shown = [row for row, known in zip(masked["probabilities"], kept, strict=True) if known]
    assert np.array_equal(np.array(shown), np.array(alone["probabilities"]))


@every_method
def test_labels_are_one_hot_targets(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 50) | {"method": method}
    targets = np.eye(3)[body["labels"]].tolist() if task == "multiclass" else body["labels"]
    soft = {name: value for name, value in body.items() if name != "labels"} | {"targets": targets}
    assert ask(task, soft) == ask(task, body)


def test_folds_depend_on_their_arguments_alone() -> None:
    first = folds(10, 5, 0).tolist()
    assert first == [0, 2, 1, 0, 2, 3, 4, 1, 3, 4]
    assert folds(10, 5, 1).tolist() != first
    assert sorted(np.bincount(folds(23, 5, 3)).tolist()) == [4, 4, 5, 5, 5]


def test_a_cluster_lies_in_one_fold_wherever_its_rows_stand() -> None:
    names = np.random.default_rng(0).choice(list("gfedcba"), 60).tolist()
    fold = folds_of(evidence_of(batch("binary", binary_body(60, 0) | {"cluster_id": names})), 3, 9)
    of_cluster = {(name, number) for name, number in zip(names, fold.tolist(), strict=True)}
    assert len(of_cluster) == len(set(names)) == 7
    assert dict(of_cluster) == dict(zip("abcdefg", folds(7, 3, 9).tolist(), strict=True))


@every_method
def test_the_gain_is_what_each_fold_loses_under_the_fit_to_the_others(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 61) | {"method": method, "n_folds": 4, "seed": 9}
    fold = folds(61, 4, 9)
    gains = np.empty(61)
    for number in range(4):
        inside, outside = np.flatnonzero(fold == number).tolist(), np.flatnonzero(fold != number).tolist()
        fit = ask(task, rows(body, outside))
        z = np.array(body["logits"])[inside]
        after = calibrated_logits(z, fit)
        gains[inside] = row_losses(task, body, inside, z) - row_losses(task, body, inside, after)
    found = ask(task, body)["cross_fitted_gain"]
    assert found["status"] == "ok"
    assert found["value"] == pytest.approx(gains.mean(), rel=1e-12)
    assert found["standard_error"] == pytest.approx(gains.std(ddof=1) / math.sqrt(61), rel=1e-10)
    assert found["value"] > 0.0
    bits = ask(task, body | {"unit": "bits"})["cross_fitted_gain"]
    assert bits["value"] == found["value"] / math.log(2.0)


@every_method
def test_clusters_of_one_row_are_no_clusters(task: TaskName, method: str) -> None:
    """The last bit of the standard error may differ, and the fold of a row, which is that of its cluster's name."""
    body = overconfident_body(task, 50) | {"method": method}
    alone = ask(task, body | {"cluster_id": list(range(50))})
    assert alone == ask(task, body)


def test_the_error_of_the_gain_is_that_of_sums_within_clusters() -> None:
    body = overconfident_body("binary", 60)
    names = np.random.default_rng(1).integers(0, 12, 60)
    evidence = evidence_of(batch("binary", body | {"cluster_id": names.tolist()}))
    before = evidence.losses(Temperature())
    gains = before - held_out_losses(evidence, "temperature", before, folds_of(evidence, 5, 0))
    sums = np.array([(gains[names == name] - gains.mean()).sum() for name in range(12)])
    found = ask("binary", body | {"cluster_id": names.tolist()})["cross_fitted_gain"]
    assert found["value"] == pytest.approx(gains.mean(), rel=1e-12)
    assert found["standard_error"] == pytest.approx(math.sqrt(12 / 11 * (sums**2).sum()) / 60, rel=1e-10)
    spread = stdtrit(11, 0.975) * found["standard_error"]
    assert found["confidence_interval"][1] == pytest.approx(found["value"] + spread, rel=1e-10)


@pytest.mark.parametrize("weight", [[1.0, 1.0, 1.0], [1.0, 0.0, 2.0]])
def test_of_a_single_cluster_nothing_can_be_held_out(weight: list[float]) -> None:
    names = ["a", "a", "a"] if weight[1] else ["a", "b", "a"]
    body = {"labels": [1, 0, 1], "logits": [1.0, -2.0, 0.5], "sample_weight": weight, "cluster_id": names}
    gain = ask("binary", body)["cross_fitted_gain"]
    assert (gain["status"], gain["value"]) == ("undefined", None)
    assert gain["reason"] == "fewer than 2 clusters of positive weight: none can be held out"


@every_method
def test_copies_of_rows_do_not_gain_if_clusters_say_what_they_are(task: TaskName, method: str) -> None:
    """Honest logits of 20 rows, each sent 20 times: a fit that has seen the copies of a row seems to help."""
    if task == "multiclass":
        return
    rng = np.random.default_rng(2029)
    gains: dict[str, list[bool]] = {"clustered": [], "naive": []}
    for seed in range(50):
        logits = rng.normal(size=20)
        labels = (rng.random(20) < expit(logits)).astype(int)
        body = {"labels": np.repeat(labels, 20).tolist(), "logits": np.repeat(logits, 20).tolist()}
        clusters = {"cluster_id": np.repeat(np.arange(20), 20).tolist()}
        for name, more in (("clustered", clusters), ("naive", {})):
            gain = ask(task, body | {"method": method, "seed": seed} | more)["cross_fitted_gain"]
            gains[name].append(gain["confidence_interval"][0] > 0.0)
    assert np.mean(gains["clustered"]) <= 0.05
    assert np.mean(gains["naive"]) > 0.15


def calibrated_logits(logits: FloatArray, fit: Body) -> FloatArray:
    """The logits that the answer of any method makes of others."""
    if "thresholds" in fit:
        places, values = fit["thresholds"].values()
        found: FloatArray = logit(np.interp(expit(logits), places, values))
        return found
    slope, intercept = fit.get("slope", 1.0 / fit.get("temperature", 1.0)), fit.get("intercept", 0.0)
    return np.asarray(slope * logits + intercept)


def row_losses(task: TaskName, body: Body, chosen: list[int], logits: FloatArray) -> FloatArray:
    labels = np.array(body["labels"])[chosen]
    pairs = np.stack([np.zeros(len(logits)), logits], axis=1) if task == "binary" else logits
    losses: FloatArray = -log_softmax(pairs, axis=1)[np.arange(len(labels)), labels]
    return losses


@pytest.mark.parametrize("n", [4, 40, 400])
def test_the_gain_of_an_isotonic_fit_is_a_number(n: int) -> None:
    """Each fold has blocks of 0 and of 1 at its ends, and a held-out row that is otherwise."""
    gain = ask("binary", binary_body(n, 4) | {"method": "isotonic"})["cross_fitted_gain"]
    assert gain["status"] == "ok"


def test_an_isotonic_fit_gains_where_there_is_much_to_mend() -> None:
    gain = ask("binary", binary_body(2_000, 5) | {"method": "isotonic"})["cross_fitted_gain"]
    assert gain["confidence_interval"][0] > 0.0


def test_a_held_out_row_of_probability_zero_makes_the_gain_infinite() -> None:
    """The last row is wrong, and under the slope of the others its score is beyond all doubles."""
    body = {"labels": [1] * 8 + [0] * 9, "logits": [0.1] * 8 + [-0.1] * 8 + [1.7e308]}
    gain = ask("binary", body | {"method": "platt"})["cross_fitted_gain"]
    assert (gain["value"], gain["status"]) == (None, "infinite")
    assert "in 1 held-out rows; the gain is minus infinity" in gain["reason"]


def test_the_interval_of_the_gain_tells_noise_from_a_gain() -> None:
    logits, labels = overconfident(800, 3, 1.0)
    honest = ask("multiclass", {"labels": labels.tolist(), "logits": logits.tolist()})
    assert honest["cross_fitted_gain"]["confidence_interval"][0] < 0.0
    doubled = ask("multiclass", {"labels": labels.tolist(), "logits": (2 * logits).tolist()})
    assert doubled["cross_fitted_gain"]["confidence_interval"][0] > 0.0
    assert doubled["temperature"] == pytest.approx(2 * honest["temperature"], rel=T_ERROR)


@every_method
def test_the_calibrated_probabilities_score_as_the_answer_says(task: TaskName, method: str) -> None:
    body = overconfident_body(task, 90) | {"n_bins": 7, "bin_edges": "right"}
    answer = ask(task, body | {"method": method, "include": ["probabilities"]})
    sent = {name: value for name, value in body.items() if name != "logits"}
    metrics = score(request_of(task, sent | {"probabilities": answer["probabilities"].tolist()}))["metrics"]
    before = score(request_of(task, body))["metrics"]
    for name in ("cross_entropy", "expected_calibration_error", "maximum_calibration_error"):
        assert answer[f"{name}_after"] == pytest.approx(metrics[name]["value"], rel=1e-12, abs=1e-15)
        assert answer[f"{name}_before"] == before[name]["value"]


@pytest.mark.parametrize(("n", "k"), [(60_000, 10), (1_000, 1_000)])
def test_a_fit_takes_little_more_than_its_input(n: int, k: int) -> None:
    """One copy of the scores, class by class, and nothing else of their size."""
    logits, labels = overconfident(n, k, 2.0)
    request = CalibrateRequest("multiclass", {"logits": logits, "labels": labels}, Options(), n_folds=2)
    tracemalloc.start()
    calibrate(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * logits.nbytes
