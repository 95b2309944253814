"""The service against everybody else: the plain reference, scikit-learn, SciPy and, where it installs, torch.

Where a number differs from a library's on purpose, a test named for the difference shows both numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, rel_entr
from scipy.stats import entropy
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    d2_log_loss_score,
    log_loss,
    top_k_accuracy_score,
)

from app.service import INCLUDES, score
from tests import reference
from tests.bodies import TASKS, random_body
from tests.requests import mergeable_on_request, request_of
from tests.test_reference import HAND

Body = Mapping[str, Any]

IN_REFERENCE = {"per_sample", "per_class", "calibration"}
SECTIONS = {str(task): sorted(IN_REFERENCE.intersection(sections)) for task, sections in INCLUDES.items()}
CASES_PER_TASK = 500
SEEDS = range(12)

# Not in the reference, or words for a reader.
IGNORED = {"task", "unit", "n_classes", "warnings", "options", "reason"}

RELATIVE = 1e-12
# A value that is a difference of larger ones (a gap, a divergence, an error of a mean) keeps their rounding.
ABSOLUTE = 1e-14
# Standard errors from a value to the end of its interval: Student's t with one degree of freedom at 99 %.
WIDEST = 64.0
LOSSES = ("cross_entropy", "target_entropy", "predictive_entropy")
# A confidence that is computed may round to either side of an edge.
EDGE = 1e-9
CALIBRATION = ("/calibration", "/metrics/expected_calibration_error", "/metrics/maximum_calibration_error")


def ask(task: Any, body: Body) -> dict[str, Any]:
    """The answer of the service to a body of plain lists."""
    return score(request_of(task, body))


def asking_for(task: str) -> dict[str, Any]:
    """The field that asks for the metrics that the reference has beside those of every answer."""
    return {"metrics": mergeable_on_request(task)}


def value(task: str, body: Body, name: str) -> float:
    metric = ask(task, {**body, **asking_for(task)})["metrics"][name]
    assert metric["status"] == "ok"
    return float(metric["value"])


# Numbers worked by hand, and the plain reference.


@pytest.mark.parametrize("case", HAND, ids=lambda case: f"{case[0]}-{case[3]}")
def test_a_hand_worked_number(case: tuple[str, str, dict[str, Any], str, float]) -> None:
    _, task, body, name, expected = case
    assert value(task, body, name) == pytest.approx(expected, rel=RELATIVE, abs=ABSOLUTE)


@pytest.mark.parametrize("task", TASKS)
def test_five_hundred_random_bodies_of_a_task_agree_with_the_reference(task: str) -> None:
    found = list(chain.from_iterable(_differences(task, seed) for seed in range(CASES_PER_TASK)))
    assert not found, "\n".join(found[:40]) + f"\n{len(found)} differences"


def _differences(task: str, seed: int) -> Iterator[str]:
    body = random_body(task, np.random.default_rng(seed)) | {"include": SECTIONS[task]} | asking_for(task)
    if seed % 3 == 0:
        body |= _clusters(seed, body)
    expected, found = reference.score(task, body), ask(task, body)
    skipped = CALIBRATION if _has_confidence_beside_an_edge(task, body) else ()
    for path, theirs, ours in _pairs(found, expected, ""):
        if not path.startswith(skipped) and not _agree(theirs, ours, _floor(path, expected["metrics"])):
            yield f"{task} {seed} {path}: {theirs!r} for {ours!r}"


def _clusters(seed: int, body: Body) -> dict[str, Any]:
    """Clusters of about two rows, named by numbers or by strings."""
    n = next(len(body[form]) for form in ("probabilities", "log_probabilities", "logits") if form in body)
    codes = np.random.default_rng(seed).integers(0, max(1, n // 2), n).tolist()
    return {"cluster_id": [f"c{code}" for code in codes] if seed % 2 else codes}


def _pairs(found: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The leaves of two answers side by side; what only one of them has stands beside None."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted((found.keys() | expected.keys()) - IGNORED):
            yield from _pairs(found.get(name), expected.get(name), f"{path}/{name}")
    elif isinstance(found, list | tuple | np.ndarray) and isinstance(expected, list) and len(found) == len(expected):
        for index, (theirs, ours) in enumerate(zip(found, expected, strict=True)):
            yield from _pairs(theirs, ours, f"{path}/{index}")
    else:
        yield path, found, expected


def _agree(found: Any, expected: Any, floor: float) -> bool:
    if expected is None:
        # In an array NaN stands for null.
        return found is None or floor == math.inf or (isinstance(found, float) and math.isnan(found))
    if floor == math.inf:
        return True
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=RELATIVE, abs_tol=floor)
    return bool(found == expected)


def _floor(path: str, metrics: Mapping[str, Any]) -> float:
    """The distance that two right answers may have where larger numbers cancelled."""
    names = {*LOSSES, *path.split("/")} & metrics.keys()
    floor = ABSOLUTE * max(1.0, *(abs(_number(metrics[name], "value")) for name in names))
    if "/confidence_interval/" in path:
        return floor * WIDEST
    if path == "/metrics/js_distance/value":
        # A root of nothing but rounding is the root of that rounding.
        return floor / max(_number(metrics["js_distance"], "value"), math.sqrt(floor))
    if path == "/metrics/entropy_gap/z":
        return _floor_of_quotient(metrics["entropy_gap"], floor)
    return floor


def _floor_of_quotient(gap: Mapping[str, Any], floor: float) -> float:
    """z has the relative errors of both its sides; where either is all rounding it says nothing."""
    value, error = abs(_number(gap, "value")), _number(gap, "standard_error")
    if min(value, error) <= floor:
        return math.inf
    return abs(_number(gap, "z")) * floor * (1.0 / value + 1.0 / error)


def _number(metric: Mapping[str, Any], name: str) -> float:
    return float(metric.get(name) or 0.0)


def _has_confidence_beside_an_edge(task: str, body: Body) -> bool:
    """Tell if a computed confidence lies so near an edge of a bin that its last digit decides."""
    as_sent = "probabilities" in body and body.get("normalization") != "renormalize"
    if task not in ("binary", "multiclass") or as_sent:
        return False
    places = [p * body.get("n_bins", 15) for p in reference.confidences(task, body)]
    return any(abs(place - round(place)) < EDGE for place in places)


# Libraries. One random batch a seed, the same for all of them; rows sum to 1 and nothing is exactly 0.


class Batch:
    """A batch as arrays for a library and as a body for the service."""

    def __init__(self, seed: int, n: int = 40, k: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.logits = rng.normal(0.0, 2.0, (n, k))
        self.probabilities = np.exp(log_softmax(self.logits, axis=1))
        self.labels = rng.integers(0, k, n)
        self.labels[:k] = np.arange(k)
        self.targets = rng.dirichlet(np.ones(k), n)
        self.sample_weight = rng.uniform(0.1, 3.0, n)
        self.class_weight = rng.uniform(0.2, 3.0, k)
        self.positive = (rng.random(n) < self.probabilities[:, 0]).astype(int)
        self.positive[:2] = 0, 1

    def body(self, *names: str, **options: Any) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in names} | options


@pytest.fixture(params=SEEDS, ids=str)
def batch(request: pytest.FixtureRequest) -> Batch:
    return Batch(request.param)


def near(expected: float, relative: float = RELATIVE) -> Any:
    return pytest.approx(expected, rel=relative, abs=0.0)


def test_cross_entropy_is_log_loss(batch: Batch) -> None:
    expected = log_loss(batch.labels, batch.probabilities)
    assert value("multiclass", batch.body("labels", "probabilities"), "cross_entropy") == near(expected)
    assert value("multiclass", batch.body("labels", "logits"), "cross_entropy") == near(expected)


def test_weighted_cross_entropy_is_weighted_log_loss(batch: Batch) -> None:
    body = batch.body("labels", "probabilities", "sample_weight")
    expected = log_loss(batch.labels, batch.probabilities, sample_weight=batch.sample_weight)
    assert value("multiclass", body, "cross_entropy") == near(expected)


def test_binary_cross_entropy_is_log_loss(batch: Batch) -> None:
    p = batch.probabilities[:, 0]
    body = {"labels": batch.positive.tolist(), "probabilities": p.tolist()}
    assert value("binary", body, "cross_entropy") == near(log_loss(batch.positive, p))


def test_d2_is_d2_log_loss_score(batch: Batch) -> None:
    body = batch.body("labels", "probabilities", "sample_weight")
    expected = d2_log_loss_score(batch.labels, batch.probabilities, sample_weight=batch.sample_weight)
    # 1 - a ratio: the ratio's rounding remains when it is near 1
    assert value("multiclass", body, "d2_log_loss") == pytest.approx(expected, rel=RELATIVE, abs=1e-14)


def test_brier_score_is_brier_score_loss(batch: Batch) -> None:
    body = batch.body("labels", "probabilities", "sample_weight")
    expected = brier_score_loss(batch.labels, batch.probabilities, sample_weight=batch.sample_weight)
    assert value("multiclass", body, "brier_score") == near(expected)
    p = batch.probabilities[:, 0]
    body = {"labels": batch.positive.tolist(), "probabilities": p.tolist()}
    assert value("binary", body, "brier_score") == near(brier_score_loss(batch.positive, p))


def test_accuracy_is_accuracy_score(batch: Batch) -> None:
    body = batch.body("labels", "logits", "sample_weight")
    predicted = batch.logits.argmax(axis=1)
    expected = accuracy_score(batch.labels, predicted, sample_weight=batch.sample_weight)
    assert value("multiclass", body, "accuracy") == near(expected)


def test_subset_accuracy_is_accuracy_score_of_label_sets() -> None:
    rng = np.random.default_rng(1)
    labels, p = rng.integers(0, 2, (50, 3)), rng.random((50, 3))
    body = {"labels": labels.tolist(), "probabilities": p.tolist()}
    assert value("multilabel", body, "subset_accuracy") == near(accuracy_score(labels, p >= 0.5))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k_accuracy_is_top_k_accuracy_score(batch: Batch, k: int) -> None:
    body = batch.body("labels", "probabilities", top_k=[k])
    expected = top_k_accuracy_score(batch.labels, batch.probabilities, k=k)
    assert value("multiclass", body, f"top_{k}_accuracy") == near(expected)


def test_baseline_is_the_entropy_of_the_frequencies(batch: Batch) -> None:
    expected = entropy(np.bincount(batch.labels))
    assert value("multiclass", batch.body("labels", "probabilities"), "baseline_cross_entropy") == near(expected)


@pytest.mark.parametrize(("unit", "base"), [("nats", math.e), ("bits", 2.0), ("hartleys", 10.0)])
def test_entropies_and_divergences_are_those_of_scipy(batch: Batch, unit: str, base: float) -> None:
    t, p = batch.targets, batch.probabilities
    body = batch.body("targets", "probabilities", unit=unit)
    expected = {
        "target_entropy": entropy(t, base=base, axis=1).mean(),
        "kl_divergence": entropy(t, p, base=base, axis=1).mean(),
        "reverse_kl_divergence": entropy(p, t, base=base, axis=1).mean(),
        "cross_entropy": (rel_entr(t, p).sum(axis=1) + entropy(t, axis=1)).mean() / math.log(base),
        "js_divergence": (jensenshannon(t, p, base=base, axis=1) ** 2).mean(),
    }
    assert {name: value("distributions", body, name) for name in expected} == near_all(expected)
    assert value("multiclass", body, "predictive_entropy") == near(entropy(p, base=base, axis=1).mean())


def near_all(expected: Mapping[str, Any]) -> Any:
    return pytest.approx({name: float(number) for name, number in expected.items()}, rel=RELATIVE, abs=0.0)


def test_the_distance_of_one_row_is_scipys_jensenshannon(batch: Batch) -> None:
    t, p = batch.targets[0], batch.probabilities[0]
    body = {"targets": [t.tolist()], "probabilities": [p.tolist()]}
    assert value("distributions", body, "js_distance") == near(jensenshannon(t, p))
    in_bits = value("distributions", body | {"unit": "bits"}, "js_distance")
    assert in_bits == near(jensenshannon(t, p, base=2.0))


# torch


def test_torch_cross_entropy_with_weights_smoothing_and_ignored_rows(torch: Any, batch: Batch) -> None:
    labels = batch.labels.copy()
    labels[7:12] = -100
    options = {"ignore_index": -100, "label_smoothing": 0.1}
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(batch.logits), torch.tensor(labels), torch.tensor(batch.class_weight), **options
    )
    body = batch.body("logits", "class_weight", labels=labels.tolist(), **options)
    assert value("multiclass", body, "cross_entropy") == near(expected.item())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_torch_cross_entropy_with_soft_targets(torch: Any, batch: Batch, smoothing: float) -> None:
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(batch.logits), torch.tensor(batch.targets), label_smoothing=smoothing
    )
    body = batch.body("logits", "targets", label_smoothing=smoothing)
    assert value("multiclass", body, "cross_entropy") == near(expected.item())


def test_torch_cross_entropy_without_reduction_is_per_sample(torch: Any, batch: Batch) -> None:
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(batch.logits), torch.tensor(batch.labels), reduction="none"
    )
    answer = ask("multiclass", batch.body("logits", "labels", include=["per_sample"]))
    assert list(answer["per_sample"]["cross_entropy"]) == pytest.approx(expected.tolist(), rel=RELATIVE)


def test_torch_binary_cross_entropy_with_logits(torch: Any, batch: Batch) -> None:
    y, x = batch.targets[:, 0], batch.logits[:, 0]
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    body = {"targets": y.tolist(), "logits": x.tolist()}
    assert value("binary", body, "cross_entropy") == near(loss(torch.tensor(x), torch.tensor(y)).item())
    heavy = loss(torch.tensor(x), torch.tensor(y), pos_weight=torch.tensor(3.0)).item()
    assert value("binary", body | {"pos_weight": 3}, "cross_entropy") == near(heavy)


def test_torch_binary_cross_entropy_over_many_labels(torch: Any, batch: Batch) -> None:
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(batch.logits), torch.tensor(batch.targets), pos_weight=torch.tensor(batch.class_weight)
    )
    body = batch.body("logits", "targets", pos_weight=batch.class_weight.tolist())
    assert value("multilabel", body, "cross_entropy") == near(expected.item())


def test_torch_kl_div_with_batchmean_is_the_divergence(torch: Any, batch: Batch) -> None:
    logs, targets = torch.tensor(log_softmax(batch.logits, axis=1)), torch.tensor(batch.targets)
    expected = torch.nn.functional.kl_div(logs, targets, reduction="batchmean").item()
    assert value("distributions", batch.body("logits", "targets"), "kl_divergence") == near(expected)


# Deliberate differences. Each shows both numbers.

WORKED = {"labels": [3, 3], "probabilities": [[0.25] * 4, [0.01, 0.01, 0.01, 0.96]]}
CERTAIN_MISS: dict[str, Any] = {"labels": [0, 1], "probabilities": [[0.0, 1.0], [0.5, 0.5]]}


def test_differs_from_sklearn_which_clips_a_certain_miss_at_the_resolution_of_its_dtype() -> None:
    # A probability of 0 was a promise. Their price for it is the dtype's: 36.04 here, 15.94 in float32.
    eps = float(np.finfo(np.float64).eps)
    theirs = log_loss([0, 1], CERTAIN_MISS["probabilities"])
    assert theirs == near((-math.log(eps) + math.log(2)) / 2)
    assert ask("multiclass", CERTAIN_MISS)["metrics"]["cross_entropy"]["status"] == "infinite"
    assert value("multiclass", CERTAIN_MISS | {"epsilon": eps}, "cross_entropy") == near(theirs)


def test_differs_from_sklearn_which_charges_a_perfect_prediction() -> None:
    # Clipped from above too, a perfect prediction costs them 2.2e-16; here it costs nothing.
    assert log_loss([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == near(float(np.finfo(np.float64).eps))
    assert value("multiclass", {"labels": [0], "probabilities": [[1.0, 0.0]]}, "cross_entropy") == 0.0


def test_differs_from_sklearn_which_warns_of_row_sums_far_more_often() -> None:
    # Both score rows as sent. Theirs warns above 1.5e-8, so of any float32 softmax; ours above 1e-6.
    nearly = WORKED | {"probabilities": [[0.25, 0.25, 0.25, 0.25 + 2e-7], [0.01, 0.01, 0.01, 0.97]]}
    for body, warned in ((nearly, False), (WORKED, True)):
        with pytest.warns(UserWarning, match="do not sum to one"):
            theirs = log_loss(body["labels"], body["probabilities"], labels=range(4))
        assert value("multiclass", body, "cross_entropy") == near(theirs)
        codes = {warning["code"] for warning in ask("multiclass", body)["warnings"]}
        assert ("not_normalized" in codes) is warned


def test_differs_from_sklearn_which_gives_ties_among_the_top_k_to_the_higher_column() -> None:
    # Equal columns: the first wins here, as in argmax; theirs sorts ascending and reads from the end.
    rows, labels = [[0.25] * 4], [0]
    body = {"labels": labels, "probabilities": rows, "top_k": [1]}
    assert top_k_accuracy_score(labels, rows, k=1, labels=range(4)) == 0.0
    assert value("multiclass", body, "top_1_accuracy") == 1.0


def test_differs_from_sklearn_whose_threshold_is_exclusive() -> None:
    # p = 1/2 is positive here, p >= threshold; theirs predicts the first class, as argmax would.
    assert top_k_accuracy_score([1, 0], [0.5, 0.4], k=1) == 0.5
    assert value("binary", {"labels": [1, 0], "probabilities": [0.5, 0.4]}, "accuracy") == 1.0


def test_differs_from_sklearn_whose_two_column_brier_score_is_halved() -> None:
    # Two columns are two squares here, as for any k; they halve for two classes, unless told not to.
    labels, rows = [0, 1], [[0.8, 0.2], [0.4, 0.6]]
    ours = value("multiclass", {"labels": labels, "probabilities": rows}, "brier_score")
    assert brier_score_loss(labels, rows) == near(0.1)
    assert ours == near(0.2) == near(brier_score_loss(labels, rows, scale_by_half=False))


def test_differs_from_sklearn_whose_d2_of_one_class_divides_by_a_clipped_zero() -> None:
    # One class leaves nothing to explain: undefined here; theirs divides by the loss of 1 - 2e-16.
    labels, rows = [0, 0], [[0.8, 0.2], [0.6, 0.4]]
    assert d2_log_loss_score(labels, rows, labels=[0, 1]) < -1e14
    metrics = ask("multiclass", {"labels": labels, "probabilities": rows})["metrics"]
    assert metrics["d2_log_loss"]["status"] == "undefined"


def test_differs_from_sklearn_which_has_neither_smoothing_nor_soft_targets() -> None:
    # What can be said with theirs: a smoothed label is k weighted rows, one a class.
    k, smoothing = 4, 0.1
    row = [0.1, 0.2, 0.3, 0.4]
    weights = [smoothing / k] * k
    weights[3] += 1 - smoothing
    theirs = log_loss(range(k), [row] * k, sample_weight=weights)
    assert theirs == near(-0.9 * math.log(0.4) - 0.025 * math.log(0.1 * 0.2 * 0.3 * 0.4))
    body = {"labels": [3], "probabilities": [row], "label_smoothing": smoothing}
    assert value("multiclass", body, "cross_entropy") == near(theirs)


def test_differs_from_torch_which_divides_soft_targets_by_the_number_of_rows(torch: Any, batch: Batch) -> None:
    # torch divides by class weights for labels, by n for the same labels as one-hot; here both by weights.
    logits, weight = torch.tensor(batch.logits), torch.tensor(batch.class_weight)
    one_hot = np.eye(5)[batch.labels]
    loss = torch.nn.functional.cross_entropy
    of_labels = loss(logits, torch.tensor(batch.labels), weight).item()
    of_one_hot = loss(logits, torch.tensor(one_hot), weight).item()
    assert of_labels != near(of_one_hot, 1e-3)
    body = batch.body("logits", "class_weight", targets=one_hot.tolist())
    assert value("multiclass", body, "cross_entropy") == near(of_labels)
    assert value("multiclass", body | {"denominator": "count"}, "cross_entropy") == near(of_one_hot)


def test_differs_from_torch_whose_smoothed_one_hot_is_not_its_smoothed_label(torch: Any, batch: Batch) -> None:
    # Class weights and smoothing: the unsmoothed weights divide, whatever the form of the truth.
    logits, weight = torch.tensor(batch.logits), torch.tensor(batch.class_weight)
    one_hot = np.eye(5)[batch.labels]
    loss = torch.nn.functional.cross_entropy
    of_labels = loss(logits, torch.tensor(batch.labels), weight, label_smoothing=0.1).item()
    of_one_hot = loss(logits, torch.tensor(one_hot), weight, label_smoothing=0.1).item()
    assert of_labels != near(of_one_hot, 1e-3)
    body = batch.body("logits", "class_weight", targets=one_hot.tolist(), label_smoothing=0.1)
    assert value("multiclass", body, "cross_entropy") == near(of_labels)


def test_differs_from_torch_which_caps_the_loss_of_a_probability_of_zero_at_100(torch: Any) -> None:
    theirs = torch.nn.functional.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])).item()
    assert theirs == 100.0
    metric = ask("binary", {"labels": [1], "probabilities": [0.0]})["metrics"]["cross_entropy"]
    assert (metric["value"], metric["status"]) == (None, "infinite")


def test_differs_from_torch_whose_mean_over_nothing_is_nan(torch: Any) -> None:
    theirs = torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([-100])).item()
    assert math.isnan(theirs)
    body = {"labels": [-100], "logits": [[0, 0]], "ignore_index": -100}
    metric = ask("multiclass", body)["metrics"]["cross_entropy"]
    assert (metric["value"], metric["status"]) == (None, "undefined")


def test_differs_from_torch_whose_kl_div_divides_by_the_number_of_elements(torch: Any) -> None:
    # Its "mean" is over n * k elements; a divergence belongs to a row.
    body = {"targets": [[0.5, 0.5], [1.0, 0.0]], "probabilities": [[0.25, 0.75], [0.5, 0.5]]}
    logs = torch.tensor(np.log(body["probabilities"]))
    with pytest.warns(UserWarning, match="batchmean"):
        theirs = torch.nn.functional.kl_div(logs, torch.tensor(np.array(body["targets"])), reduction="mean").item()
    assert (
        value("distributions", body, "kl_divergence")
        == near(2 * theirs)
        == near((math.log(4 / 3) / 2 + math.log(2)) / 2)
    )


def test_differs_from_keras_which_clips_at_1e_7_in_every_dtype() -> None:
    # Its epsilon as arithmetic: p is clipped to [1e-7, 1 - 1e-7], so no miss costs more than 16.118.
    theirs = -math.log(1e-7)
    assert theirs == near(16.11809565095832)
    body = {"labels": [0], "probabilities": [[0.0, 1.0]]}
    assert ask("multiclass", body)["metrics"]["cross_entropy"]["status"] == "infinite"
    assert value("multiclass", body | {"epsilon": 1e-7}, "cross_entropy") == near(theirs)


def test_differs_from_keras_which_divides_every_row_by_its_sum_in_silence() -> None:
    # Its categorical cross-entropy as arithmetic, on the worked example: row 1 sums to .99.
    theirs = (math.log(4) - math.log(0.96 / 0.99)) / 2
    assert theirs == near(0.7085330098933221)
    assert value("multiclass", WORKED, "cross_entropy") == near(0.7135581778200729)
    assert value("multiclass", WORKED | {"normalization": "renormalize"}, "cross_entropy") == near(theirs)


def test_differs_from_scipy_which_divides_every_row_by_its_sum_in_silence() -> None:
    t, p = [0.5, 0.5], [0.25, 0.25]
    body = {"targets": [t], "probabilities": [p]}
    assert float(entropy(t, p)) == 0.0
    assert float(jensenshannon(t, p)) == 0.0
    assert value("distributions", body, "kl_divergence") == near(math.log(2))
    assert value("distributions", body, "js_divergence") > 0.0


def test_differs_from_scipy_whose_mean_distance_is_not_the_root_of_the_mean_divergence(batch: Batch) -> None:
    # Divergences add over rows, distances do not: js_distance is the root of the mean divergence.
    distances = jensenshannon(batch.targets, batch.probabilities, axis=1)
    ours = value("distributions", batch.body("targets", "probabilities"), "js_distance")
    assert ours == near(math.sqrt((distances**2).mean()))
    assert distances.mean() < ours
