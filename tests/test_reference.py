"""Numbers worked by hand: the reference must be right before anything is compared with it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.bodies import TASKS, random_body
from tests.reference import Part, mean, score

LN2 = math.log(2.0)
WORKED: dict[str, Any] = {"labels": [3, 3], "probabilities": [[0.25] * 4, [0.01, 0.01, 0.01, 0.96]]}
LOGITS: dict[str, Any] = {"labels": [0, 2, 1], "logits": [[2, 1, 0], [0, 1, 3], [1, 1, 1]]}
BINARY: dict[str, Any] = {"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}
SOFT: dict[str, Any] = {"targets": [[0.5, 0.5, 0.0]], "probabilities": [[0.25, 0.25, 0.5]]}
DOCUMENTS: dict[str, Any] = {"log_probabilities": [[-0.1, -0.1, -0.2], [-0.3] * 5]}
# log-softmax of the rows of LOGITS at their labels
L0, L1, L2 = (
    math.log(1 + math.exp(-1) + math.exp(-2)),
    math.log(1 + math.exp(-2) + math.exp(-3)),
    math.log(3.0),
)


def metric(task: str, body: dict[str, Any], name: str) -> dict[str, Any]:
    found = score(task, body)["metrics"][name]
    assert isinstance(found, dict)
    return found


HAND: list[tuple[str, str, dict[str, Any], str, float]] = [
    ("worked example", "multiclass", WORKED, "cross_entropy", 0.7135581778200729),
    (
        "worked example, in logarithms",
        "multiclass",
        WORKED,
        "cross_entropy",
        (math.log(4) - math.log(0.96)) / 2,
    ),
    (
        "worked example, renormalised",
        "multiclass",
        WORKED | {"normalization": "renormalize"},
        "cross_entropy",
        0.7085330098933221,
    ),
    ("worked example, bits", "multiclass", WORKED | {"unit": "bits"}, "cross_entropy", 1.0294468445267844),
    (
        "worked example, hartleys",
        "multiclass",
        WORKED | {"unit": "hartleys"},
        "cross_entropy",
        math.log10(4 / 0.96) / 2,
    ),
    ("worked example", "multiclass", WORKED, "perplexity", math.sqrt(4 / 0.96)),
    ("perplexity knows no unit", "multiclass", WORKED | {"unit": "bits"}, "perplexity", math.sqrt(4 / 0.96)),
    ("three small squares and one", "multiclass", WORKED, "brier_score", 0.37595),
    (
        "first of equal columns wins: row 0 misses",
        "multiclass",
        WORKED,
        "accuracy",
        0.5,
    ),
    (
        "gaps .25 - 0 and .96 - 1, half each",
        "multiclass",
        WORKED,
        "expected_calibration_error",
        (0.25 + 0.04) / 2,
    ),
    ("the larger gap", "multiclass", WORKED, "maximum_calibration_error", 0.25),
    ("column 3 is last of four equals", "multiclass", WORKED | {"top_k": [3]}, "top_3_accuracy", 0.5),
    ("all columns", "multiclass", WORKED | {"top_k": [4]}, "top_4_accuracy", 1.0),
    (
        "H of the rows as sent",
        "multiclass",
        WORKED,
        "predictive_entropy",
        (math.log(4) - 0.03 * math.log(0.01) - 0.96 * math.log(0.96)) / 2,
    ),
    ("logits", "multiclass", LOGITS, "cross_entropy", (L0 + L1 + L2) / 3),
    ("logits, as a number", "multiclass", LOGITS, "cross_entropy", 0.5586880908895919),
    ("three classes once each", "multiclass", LOGITS, "baseline_cross_entropy", math.log(3)),
    (
        "share of the entropy removed",
        "multiclass",
        LOGITS,
        "d2_log_loss",
        1 - (L0 + L1 + L2) / 3 / math.log(3),
    ),
    (
        "class weights 1 2 3 meet labels 0 2 1",
        "multiclass",
        LOGITS | {"class_weight": [1, 2, 3]},
        "cross_entropy",
        (1 * L0 + 3 * L1 + 2 * L2) / 6,
    ),
    (
        "the same over the number of rows",
        "multiclass",
        LOGITS | {"class_weight": [1, 2, 3], "denominator": "count"},
        "cross_entropy",
        (1 * L0 + 3 * L1 + 2 * L2) / 3,
    ),
    (
        "weighted frequencies 1/6 2/6 3/6",
        "multiclass",
        LOGITS | {"class_weight": [1, 2, 3]},
        "baseline_cross_entropy",
        math.log(6) / 6 + math.log(3) / 3 + LN2 / 2,
    ),
    (
        "each row's mean log-probability lies 1, 5/3, 0 below its label's",
        "multiclass",
        LOGITS | {"label_smoothing": 0.1},
        "cross_entropy",
        (L0 + 0.1 + L1 + 0.1 * 5 / 3 + L2) / 3,
    ),
    (
        "t' = .9 + .1 / 3 and twice .1 / 3",
        "multiclass",
        LOGITS | {"label_smoothing": 0.1},
        "target_entropy",
        -(0.9 + 0.1 / 3) * math.log(0.9 + 0.1 / 3) - 0.2 / 3 * math.log(0.1 / 3),
    ),
    (
        "label -100 is not scored",
        "multiclass",
        LOGITS | {"labels": [0, -100, 1], "ignore_index": -100},
        "cross_entropy",
        (L0 + L2) / 2,
    ),
    (
        "log-probabilities",
        "multiclass",
        {"labels": [1], "log_probabilities": [[math.log(0.2), math.log(0.8)]]},
        "cross_entropy",
        -math.log(0.8),
    ),
    (
        "certain miss, clipped",
        "multiclass",
        {"labels": [0], "probabilities": [[0.0, 1.0]], "epsilon": 1e-15},
        "cross_entropy",
        34.538776394910684,
    ),
    (
        "certain miss, clipped, from the other side",
        "binary",
        {"labels": [0], "probabilities": [1.0], "epsilon": 1e-15},
        "cross_entropy",
        34.538776394910684,
    ),
    ("huge logits", "multiclass", {"labels": [1], "logits": [[1000, 0, -1000]]}, "cross_entropy", 1000.0),
    ("binary", "binary", BINARY, "cross_entropy", -(math.log(0.9) + math.log(0.8) + math.log(0.6)) / 3),
    (
        "binary, weighted",
        "binary",
        BINARY | {"sample_weight": [1, 2, 3]},
        "cross_entropy",
        -(math.log(0.9) + 2 * math.log(0.8) + 3 * math.log(0.6)) / 6,
    ),
    (
        "binary, weighted, by count",
        "binary",
        BINARY | {"sample_weight": [1, 2, 3], "denominator": "count"},
        "cross_entropy",
        0.6947081631947393,
    ),
    (
        "soft y, q = 3: -(3 y log p + (1 - y) log(1 - p))",
        "binary",
        {"targets": [0.25], "probabilities": [0.5], "pos_weight": 3},
        "cross_entropy",
        (3 * 0.25 + 0.75) * LN2,
    ),
    (
        "smoothing halves towards 1/2: y' = .95",
        "binary",
        {"labels": [1], "probabilities": [0.8], "label_smoothing": 0.1},
        "cross_entropy",
        -0.95 * math.log(0.8) - 0.05 * math.log(0.2),
    ),
    ("(.1^2 + .2^2 + .4^2) / 3", "binary", BINARY, "brier_score", 0.07),
    (
        "3/4 and 1 on a row of length 5/4",
        "multiclass",
        {"labels": [0], "probabilities": [[0.6, 0.8]]},
        "spherical_score",
        0.6,
    ),
    (
        "1/2 short of the first class, 1/4 of the first two",
        "multiclass",
        {"labels": [0], "probabilities": [[0.5, 0.25, 0.25]]},
        "ranked_probability_score",
        0.3125,
    ),
    ("hits .9 and .6, none missed", "binary", BINARY, "f1_score", 1.0),
    (
        "2 of 3 that are predicted, 2 of 2 that are true",
        "binary",
        {"labels": [1, 0, 1], "probabilities": [0.9, 0.7, 0.6]},
        "f1_score",
        0.8,
    ),
    ("2 of 3", "binary", {"labels": [1, 0, 1], "probabilities": [0.9, 0.7, 0.6]}, "precision", 2 / 3),
    ("weights 1 of 3", "binary", BINARY | {"threshold": 0.7, "sample_weight": [1, 2, 2]}, "recall", 1 / 3),
    (
        "recalls 1, 0 and 1",
        "multiclass",
        LOGITS | {"labels": [0, 1, 2], "logits": [[2, 1, 0], [3, 1, 0], [0, 1, 2]]},
        "balanced_accuracy",
        2 / 3,
    ),
    (
        "two hits, one false alarm, one miss, one rejection: (2 - 1) / (3 * 2)",
        "binary",
        {"labels": [1, 1, 1, 0, 0], "probabilities": [0.9, 0.8, 0.1, 0.7, 0.2]},
        "matthews_correlation",
        1 / 6,
    ),
    ("p >= threshold is positive", "binary", BINARY | {"threshold": 0.6}, "accuracy", 1.0),
    ("two of three positive", "binary", BINARY, "baseline_cross_entropy", math.log(3) - 2 / 3 * LN2),
    (
        "focal: (1 - .9)^2 and .2^2 and .4^2",
        "binary",
        BINARY | {"focal_gamma": 2},
        "focal_loss",
        -(0.01 * math.log(0.9) + 0.04 * math.log(0.8) + 0.16 * math.log(0.6)) / 3,
    ),
    (
        "alpha for the positive, 1 - alpha for the negative",
        "binary",
        BINARY | {"focal_alpha": 0.25},
        "focal_loss",
        -(0.25 * math.log(0.9) + 0.75 * math.log(0.8) + 0.25 * math.log(0.6)) / 3,
    ),
    (
        ".5 opens the upper bin",
        "binary",
        {"labels": [1, 0], "probabilities": [0.5, 0.4], "n_bins": 2},
        "expected_calibration_error",
        0.45,
    ),
    (
        ".5 closes the lower bin",
        "binary",
        {"labels": [1, 0], "probabilities": [0.5, 0.4], "n_bins": 2, "bin_edges": "right"},
        "expected_calibration_error",
        0.05,
    ),
    (
        "1 lies in the last bin",
        "binary",
        {"labels": [1, 0], "probabilities": [0.95, 1], "n_bins": 10},
        "expected_calibration_error",
        0.475,
    ),
    (
        "mean over four elements",
        "multilabel",
        {"labels": [[1, 0], [0, 1]], "probabilities": [[0.9, 0.2], [0.5, 0.5]]},
        "cross_entropy",
        -(math.log(0.9) + math.log(0.8) + 2 * math.log(0.5)) / 4,
    ),
    (
        "three of four elements right",
        "multilabel",
        {"labels": [[1, 0], [0, 1]], "probabilities": [[0.9, 0.2], [0.5, 0.5]]},
        "accuracy",
        0.75,
    ),
    (
        "one of two rows wholly right",
        "multilabel",
        {"labels": [[1, 0], [0, 1]], "probabilities": [[0.9, 0.2], [0.5, 0.5]]},
        "subset_accuracy",
        0.5,
    ),
    (
        "the masked elements drop out: weights 2 on one, 1 on two",
        "multilabel",
        {
            "labels": [[1, 0], [0, 1]],
            "probabilities": [[0.9, 0.2], [0.5, 0.5]],
            "mask": [[True, False], [True, True]],
            "sample_weight": [2, 1],
        },
        "cross_entropy",
        (-2 * math.log(0.9) + 2 * LN2) / 4,
    ),
    ("entropy of a coin", "distributions", SOFT, "target_entropy", LN2),
    ("two times the coin's", "distributions", SOFT, "cross_entropy", 2 * LN2),
    ("the rest", "distributions", SOFT, "kl_divergence", LN2),
    (
        "the other way round",
        "distributions",
        {"targets": [[0.5, 0.5]], "probabilities": [[0.25, 0.75]]},
        "reverse_kl_divergence",
        0.25 * math.log(0.5) + 0.75 * math.log(1.5),
    ),
    (
        "KL((1, 0) || (3/4, 1/4)) and KL((1/2, 1/2) || (3/4, 1/4))",
        "distributions",
        {"targets": [[1, 0]], "probabilities": [[0.5, 0.5]]},
        "js_divergence",
        (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * LN2) / 2,
    ),
    (
        "its square root",
        "distributions",
        {"targets": [[1, 0]], "probabilities": [[0.5, 0.5]]},
        "js_distance",
        0.46450140402245893,
    ),
    (
        "disjoint: one bit",
        "distributions",
        {"targets": [[1, 0]], "probabilities": [[0, 1]], "unit": "bits"},
        "js_divergence",
        1.0,
    ),
    ("1.9 nats over 8 tokens", "tokens", DOCUMENTS, "cross_entropy", 0.2375),
    ("tokens", "tokens", DOCUMENTS, "perplexity", math.exp(0.2375)),
    (
        "documents count alike",
        "tokens",
        DOCUMENTS,
        "macro_perplexity",
        (math.exp(0.4 / 3) + math.exp(0.3)) / 2,
    ),
    (
        "40 nats over 30 bytes",
        "tokens",
        {"log_probabilities": [[-10], [-30]], "n_bytes": [10, 20]},
        "bits_per_byte",
        40 / 30 / LN2,
    ),
    (
        "bytes",
        "tokens",
        {"log_probabilities": [[-10], [-30]], "n_bytes": [10, 20]},
        "byte_perplexity",
        3.7936678946831774,
    ),
    (
        "words",
        "tokens",
        {"log_probabilities": [[-10], [-30], []], "n_words": [10, 20, 90]},
        "word_perplexity",
        math.exp(40 / 30),
    ),
]


@pytest.mark.parametrize(
    ("task", "body", "name", "expected"), [row[1:] for row in HAND], ids=[f"{r[0]}-{r[3]}" for r in HAND]
)
def test_a_hand_worked_number(task: str, body: dict[str, Any], name: str, expected: float) -> None:
    found = metric(task, body, name)
    assert found["status"] == "ok"
    assert found["value"] == pytest.approx(expected, rel=1e-14, abs=1e-16)


def test_a_perfect_prediction_loses_exactly_nothing() -> None:
    assert metric("multiclass", {"labels": [0], "probabilities": [[1.0, 0.0]]}, "cross_entropy")["value"] == 0.0


def test_probability_zero_on_the_truth_is_infinite_and_leaves_the_other_metrics() -> None:
    metrics = score("multiclass", {"labels": [0, 1], "probabilities": [[0.0, 1.0], [0.5, 0.5]]})["metrics"]
    infinite = {"cross_entropy", "perplexity", "kl_divergence", "entropy_gap", "d2_log_loss"}
    assert {name for name, found in metrics.items() if found["status"] == "infinite"} == infinite
    assert metrics["brier_score"]["value"] == pytest.approx((2.0 + 0.5) / 2)


def test_an_infinite_logit_below_costs_nothing_where_its_target_is_zero() -> None:
    body = {"labels": [1], "logits": [[-math.inf, 0.0, 0.0]]}
    assert metric("multiclass", body, "cross_entropy")["value"] == pytest.approx(LN2, rel=1e-15)


def test_adding_a_constant_to_a_row_of_logits_changes_nothing() -> None:
    shifted = LOGITS | {"logits": [[x + 64.0 for x in row] for row in LOGITS["logits"]]}
    assert score("multiclass", shifted) == score("multiclass", LOGITS)


def test_a_weight_of_two_is_the_row_twice_and_a_weight_of_zero_the_row_left_out() -> None:
    weighted = metric("binary", BINARY | {"sample_weight": [2, 0, 1]}, "cross_entropy")["value"]
    copied = metric("binary", {"labels": [1, 1, 1], "probabilities": [0.9, 0.9, 0.6]}, "cross_entropy")["value"]
    assert weighted == pytest.approx(copied, rel=1e-15)


def test_only_zero_weights_leave_nothing_to_say() -> None:
    statuses = {found["status"] for found in score("binary", BINARY | {"sample_weight": [0, 0, 0]})["metrics"].values()}
    assert statuses == {"undefined"}


def test_the_standard_error_of_the_worked_example() -> None:
    found = metric("multiclass", WORKED, "cross_entropy")
    # Two rows: half their distance. The quantile of t with one degree of freedom is tan(pi (.975 - 1/2)).
    half = (math.log(4) + math.log(0.96)) / 2
    assert found["standard_error"] == pytest.approx(half, rel=1e-14)
    assert found["standard_error"] == pytest.approx(0.672736183, abs=5e-10)
    reach = math.tan(math.pi * 0.475) * half
    assert found["confidence_interval"] == pytest.approx([0.7135581778200729 - reach, 0.7135581778200729 + reach])


def test_the_interval_of_perplexity_is_that_of_the_loss_in_nats() -> None:
    metrics = score("multiclass", WORKED | {"unit": "bits"})["metrics"]
    low, high = metrics["cross_entropy"]["confidence_interval"]
    assert metrics["perplexity"]["confidence_interval"] == pytest.approx([2.0**low, 2.0**high])
    assert "standard_error" not in metrics["perplexity"]


def test_one_row_has_no_standard_error() -> None:
    assert set(metric("distributions", SOFT, "cross_entropy")) == {"value", "status"}


def test_a_paired_difference() -> None:
    a, b = (0.2, 0.9, 0.5, 0.1), (0.3, 0.8, 0.7, 0.4)
    found = mean([Part(x - y, 1.0, row) for row, (x, y) in enumerate(zip(a, b, strict=True))], 0.95)
    assert found["value"] == pytest.approx(-0.125, rel=1e-14)
    assert found["standard_error"] == pytest.approx(0.08539125638, abs=5e-12)


def test_clusters_are_summed_before_they_are_compared() -> None:
    # Losses ln 2 and ln 4 in each of two clusters: no difference between the clusters, so no error.
    body = {"labels": [1, 1, 1, 1], "probabilities": [0.5, 0.25, 0.5, 0.25]}
    assert metric("binary", body, "cross_entropy")["standard_error"] > 0.1
    clustered = metric("binary", body | {"cluster_id": [7, 7, 8, 8]}, "cross_entropy")
    assert clustered["standard_error"] == pytest.approx(0.0, abs=1e-15)


def test_z_is_the_gap_in_standard_errors() -> None:
    # l - H at p = .9 hit and p = .8 hit: each row's gap is (1 - p) log((1 - p) / p).
    gaps = [0.1 * math.log(1 / 9), 0.2 * math.log(1 / 4)]
    found = metric("binary", {"labels": [1, 1], "probabilities": [0.9, 0.8]}, "entropy_gap")
    assert found["value"] == pytest.approx(sum(gaps) / 2, rel=1e-14)
    assert found["z"] == pytest.approx((gaps[0] + gaps[1]) / abs(gaps[0] - gaps[1]), rel=1e-12)


def test_one_class_has_no_baseline_to_beat() -> None:
    metrics = score("multiclass", WORKED)["metrics"]
    assert metrics["baseline_cross_entropy"]["value"] == 0.0
    assert metrics["d2_log_loss"]["status"] == "undefined"


def test_perplexity_overflows_above_709_78_while_the_loss_stays() -> None:
    for loss, status in ((709.78, "ok"), (709.79, "undefined")):
        metrics = score("tokens", {"log_probabilities": [[-loss]]})["metrics"]
        assert metrics["cross_entropy"]["value"] == loss
        assert metrics["perplexity"]["status"] == status


def test_the_temperature_of_the_worked_example_is_where_confidence_is_accuracy() -> None:
    # Logits 4 e_k over T = 4 / ln 6 are ln 6 e_k: of three classes the top has 6 / 8, and three of four hit.
    def at(temperature: float, name: str) -> float:
        scaled = [[4.0 / temperature, 0.0, 0.0]] * 4
        return float(metric("multiclass", {"labels": [0, 0, 0, 1], "logits": scaled}, name)["value"])

    best = 4 / math.log(6)
    assert best == pytest.approx(2.232442506205, abs=5e-13)
    assert at(best, "expected_calibration_error") == pytest.approx(0.0, abs=1e-15)
    losses = [at(temperature, "cross_entropy") for temperature in (best - 1e-3, best, best + 1e-3)]
    assert losses[1] < min(losses[0], losses[2])


def test_ignored_rows_are_not_looked_at() -> None:
    body = {"labels": [0, -1, 1], "logits": [[2, 1, 0], [math.nan] * 3, [1, 1, 1]], "ignore_index": -1}
    answer = score("multiclass", body)
    assert (answer["n_samples"], answer["n_scored"], answer["n_ignored"]) == (3, 2, 1)
    assert answer["metrics"]["cross_entropy"]["value"] == pytest.approx((L0 + L2) / 2, rel=1e-15)


def test_focal_loss_without_focus_is_cross_entropy_to_the_last_bit() -> None:
    body = LOGITS | {"focal_gamma": 0, "class_weight": [1, 2, 3]}
    assert metric("multiclass", body, "focal_loss") == metric("multiclass", body, "cross_entropy")


def test_a_wilson_interval() -> None:
    # Eight of ten: the interval every table has.
    body = {"labels": [1] * 8 + [0] * 2, "probabilities": [0.8] * 10, "n_bins": 1, "include": ["calibration"]}
    [only] = score("binary", body)["calibration"]["bins"]
    assert only["confidence_interval"] == pytest.approx([0.49016, 0.94332], abs=5e-6)


@pytest.mark.parametrize("task", TASKS)
def test_cross_entropy_is_target_entropy_and_divergence(task: str) -> None:
    compared = 0
    for seed in range(300):
        metrics = score(task, random_body(task, np.random.default_rng(seed)))["metrics"]
        if "kl_divergence" in metrics and metrics["kl_divergence"]["status"] == "ok":
            parts = metrics["target_entropy"]["value"] + metrics["kl_divergence"]["value"]
            assert parts == pytest.approx(metrics["cross_entropy"]["value"], rel=1e-12, abs=1e-15)
            compared += 1
    assert compared > 100 or task == "tokens"


@pytest.mark.parametrize("task", TASKS)
def test_random_bodies_are_mostly_finite_and_sometimes_not(task: str) -> None:
    seeds = (np.random.default_rng(seed) for seed in range(300))
    statuses = Counter(metric(task, random_body(task, rng), "cross_entropy")["status"] for rng in seeds)
    assert statuses["ok"] > 150
    assert min(statuses["infinite"], statuses["undefined"]) > 5
