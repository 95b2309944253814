"""Every choice of docs/conventions.md is kept: each has a function named for it."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.core.metrics.metric import LossOption
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody
from app.service import CalibrateRequest, calibrate, score
from tests.asking import WORKED, Body, answered, ask, near, values
from tests.documents import Document
from tests.requests import asking, request_of

CONVENTIONS = Document("docs/conventions.md")

THREE: Body = {
    "labels": [0, 2, 2],
    "probabilities": [[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]],
    "sample_weight": [1.0, 2.0, 3.0],
    "focal_gamma": 2.0,
    "top_k": [2],
}
BINARY: Body = {"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}


def asked(body: Body, metrics: tuple[str, ...]) -> dict[str, Any]:
    return score(asking(request_of("binary", body), metrics=metrics))


def requested(task: TaskName, body: Body, names: tuple[str, ...]) -> list[dict[str, Any]]:
    metrics = score(request_of(task, body | {"metrics": names}))["metrics"]
    return [metrics[name] for name in names if name in metrics]


def unmoved(task: str, body: Body, option: Body) -> set[str]:
    """The metrics that an option leaves alone, but for those that are 0 in any case."""
    before, after = values(task, body), values(task, body | option)
    return {name for name, value in before.items() if after[name] == value and name != "target_entropy"}


def left_alone(task: TaskName, body: Body, option: LossOption) -> set[str]:
    """The metrics that say that the option does not move them, but for those that are 0 in any case."""
    metrics = request_of(task, body).question.plan.metrics
    return {metric.name for metric in metrics if option not in metric.moved_by} - {"target_entropy"}


def clipping() -> None:
    assert unmoved("multiclass", THREE, {"epsilon": 0.1}) == left_alone("multiclass", THREE, "epsilon")


def clipping_and_zeros() -> None:
    body = {"targets": [[0.5, 0.5, 0.0]], "probabilities": [[0.25, 0.75, 0.0]]}
    assert values("distributions", body)["reverse_kl_divergence"][0] == "ok"
    assert values("distributions", body | {"epsilon": 1e-7})["reverse_kl_divergence"][0] == "infinite"


def soft_targets() -> None:
    body = {"targets": [[0.4, 0.4, 0.2]], "probabilities": [[0.3, 0.6, 0.1]], "n_bins": 1}
    answer = ask("multiclass", body | {"include": ["per_class", "calibration"]})
    assert answer["metrics"]["accuracy"]["value"] == 0.0
    assert [entry["n"] for entry in answer["per_class"]] == [1, 0, 0]
    assert answer["calibration"]["bins"][0]["accuracy"] == 0.4
    assert values("binary", {"targets": [0.5], "probabilities": [0.7]})["accuracy"] == ("ok", 1.0)


def class_weights() -> None:
    assert unmoved("multiclass", THREE, {"class_weight": [1.0, 2.0, 3.0]}) == left_alone(
        "multiclass", THREE, "class_weight"
    )
    assert unmoved("binary", BINARY, {"pos_weight": 3.0}) == left_alone("binary", BINARY, "pos_weight")
    soft: Body = {"targets": [0.5, 0.25], "probabilities": [0.5, 0.5]}
    weighted, plain = (values("binary", soft | option)["target_entropy"][1] for option in ({"pos_weight": 3.0}, {}))
    assert weighted != plain


def label_smoothing() -> None:
    smoothed = {"label_smoothing": 0.1}
    assert unmoved("multiclass", THREE, smoothed) == left_alone("multiclass", THREE, "label_smoothing")
    assert values("multiclass", THREE | smoothed)["target_entropy"] != values("multiclass", THREE)["target_entropy"]


def distances() -> None:
    body = {"targets": [[0.5, 0.5], [0.25, 0.75]], "probabilities": [[0.75, 0.25], [0.25, 0.75]]}
    found = {name: value or 0.0 for name, (_, value) in values("distributions", body).items()}
    assert found["js_distance"] == near(math.sqrt(found["js_divergence"]))


def decompositions() -> None:
    names = ("miscalibration", "discrimination", "uncertainty")
    soft: Body = {"targets": [0.5, 0.25, 1.0], "probabilities": [0.5, 0.3, 0.7]}
    extra = tuple(f"{prefix}_{name}" for prefix in ("brier", "log_loss") for name in names)
    options = {"epsilon": 0.4, "pos_weight": 3.0, "label_smoothing": 0.1, "denominator": "count"}
    plain, moved = (
        {name: found["value"] for name, found in asked(soft | more, extra)["metrics"].items()} for more in ({}, options)
    )
    for whole, prefix in (("brier_score", "brier"), ("cross_entropy", "log_loss")):
        parts = [plain[f"{prefix}_{name}"] for name in names]
        assert parts[0] - parts[1] + parts[2] == near(plain[whole])
    assert [moved[name] for name in extra] == [plain[name] for name in extra]
    assert moved["cross_entropy"] != plain["cross_entropy"]


def baselines() -> None:
    against = {"d2_log_loss", "entropy_gap", "predictive_entropy", "baseline_cross_entropy"}
    for option in ({"pos_weight": 3.0}, {"label_smoothing": 0.1}):
        assert unmoved("binary", BINARY, option) >= against
    weighted = BINARY | {"sample_weight": [1.0, 2.0, 3.0], "pos_weight": 3.0}
    assert unmoved("binary", weighted, {"denominator": "count"}) >= against - {"predictive_entropy"}
    sure = {"labels": [1, 0], "probabilities": [0.999, 0.001], "label_smoothing": 0.2}
    assert values("binary", sure)["d2_log_loss"][1] == pytest.approx(1.0, abs=0.01)
    assert (
        values("multiclass", THREE | {"label_smoothing": 0.2})["d2_log_loss"]
        == values("multiclass", THREE)["d2_log_loss"]
    )


def sizes_of_weights() -> None:
    body = {"labels": [1, 0], "probabilities": [0.5, 0.2]}
    tiny, plain = (ask("binary", body | {"sample_weight": [w, w]})["metrics"] for w in (5e-324, 1.0))
    assert tiny == plain
    with pytest.raises(InvalidInput, match="at least 1e-100"):
        values("binary", body | {"pos_weight": 1e-200})


def rounding_beyond_bounds() -> None:
    body: Body = {"labels": [1, 0], "probabilities": [1.0 + 2**-52, 0.2]}
    answer = ask("binary", body)
    assert answer["metrics"] == ask("binary", body | {"probabilities": [1.0, 0.2]})["metrics"]
    assert [entry["code"] for entry in answer["warnings"]] == ["rounded_to_bounds"]
    with pytest.raises(InvalidInput, match="logits"):
        ask("binary", body | {"probabilities": [1.00001, 0.2]})


def nearly_equal_distributions() -> None:
    close: Body = {"targets": [[0.3, 0.7]], "probabilities": [[0.30000001, 0.69999999]]}
    found = values("distributions", close)
    assert found["js_divergence"][1] == pytest.approx(5.9523808696000594e-17, rel=1e-12)
    for name in ("kl_divergence", "reverse_kl_divergence"):
        assert found[name][1] == pytest.approx(4 * 5.9523808696000594e-17, rel=1e-7)
    soft = values("binary", {"targets": [0.3], "probabilities": [0.30000001]})["kl_divergence"][1]
    assert soft == pytest.approx(4 * 5.9523808696000594e-17, rel=1e-7)


def no_number() -> None:
    body: Body = {"targets": [[0.5, 0.5], [1.0, 0.0]], "probabilities": [[0.0, 0.0], [1.0, 0.0]]}
    found = {name: status for name, (status, _) in values("distributions", body).items()}
    assert found["cross_entropy"] == found["kl_divergence"] == "infinite"
    assert found["js_divergence"] == found["reverse_kl_divergence"] == "ok"


def denominator() -> None:
    assert unmoved("multiclass", THREE, {"denominator": "count"}) == left_alone("multiclass", THREE, "denominator")
    doubled = {"labels": [[1, 0]], "probabilities": [[0.5, 0.5]], "sample_weight": [2.0], "denominator": "count"}
    assert values("multilabel", doubled)["cross_entropy"][1] == near(2 * math.log(2))


def weights_as_rows() -> None:
    rows: Body = {"labels": [1, 0] * 30, "probabilities": [0.9, 0.4] * 30, "n_bins": 2}
    name = "debiased_calibration_error"
    whole, shares = (
        asked(rows | {"sample_weight": [weight] * 60}, (name,))["metrics"][name] for weight in (1.0, 1 / 60)
    )
    assert (whole["status"], shares["status"]) == ("ok", "undefined")
    light: Body = {"labels": [0, 0, 1, 1], "probabilities": [0.4, 0.4, 0.6, 0.6], "sample_weight": [0.01] * 4}
    fit = calibrate(CalibrateRequest("binary", request_of("binary", light).columns, Options(), method="isotonic"))
    assert fit["thresholds"]["calibrated"] == [1 / 6, 5 / 6]


def multilabel() -> None:
    body = {"labels": [[1, 1], [1, 1]], "probabilities": [[0.5, 0.5], [0.25, 0.25]]}
    found = ask("multilabel", body)["metrics"]["cross_entropy"]
    halves = ask("binary", {"labels": [1, 1], "probabilities": [0.5, 0.25]})["metrics"]["cross_entropy"]
    assert found["standard_error"] == near(halves["standard_error"])


def tokens() -> None:
    body = {"log_probabilities": [[-1.0, -1.0], [-3.0, -3.0], []]}
    answer = ask("tokens", body)
    assert (answer["n_scored"], answer["n_ignored"]) == (2, 1)
    assert answer["metrics"]["cross_entropy"]["value"] == 2.0
    assert answer["metrics"]["cross_entropy"]["standard_error"] == near(1.0)
    masked = ask("tokens", body | {"mask": [[True, False], [False, False], []]})
    assert (masked["n_scored"], masked["metrics"]["cross_entropy"]["value"]) == (1, 1.0)
    sums = ask("tokens", {"log_probabilities": [[-2.0], [-6.0]], "n_tokens": [2, 2]})
    assert sums["metrics"] == ask("tokens", {"log_probabilities": body["log_probabilities"][:2]})["metrics"]


def standard_errors() -> None:
    sent = BINARY | {"labels": [1, 0, 1, 1], "probabilities": [0.9, 0.2, 0.6, 0.5], "sample_weight": [1, 1, 1, 0]}
    assert ask("binary", sent)["metrics"]["brier_score"] == ask("binary", BINARY)["metrics"]["brier_score"]
    assert ask("multiclass", WORKED)["metrics"]["accuracy"]["confidence_interval"][0] < 0.0
    assert "standard_error" not in ask("binary", {"labels": [1], "probabilities": [0.5]})["metrics"]["cross_entropy"]


def per_sample() -> None:
    weighted = {"labels": [0], "probabilities": [[0.5, 0.5]], "class_weight": [3.0, 1.0], "sample_weight": [7.0]}
    found = ask("multiclass", weighted | {"include": ["per_sample"]})
    assert list(found["per_sample"]["cross_entropy"]) == [near(3 * math.log(2))]


def ties() -> None:
    tied = {"labels": [1], "probabilities": [[0.5, 0.5]], "top_k": [1]}
    assert {values("multiclass", tied)[name] for name in ("accuracy", "top_1_accuracy")} == {("ok", 0.0)}
    assert values("binary", {"labels": [1], "probabilities": [0.5]})["accuracy"] == ("ok", 1.0)


def decisions() -> None:
    names = ("f1_score", "precision", "recall", "balanced_accuracy")
    one: Body = {"labels": [1, 0, 1, 0], "probabilities": [0.9, 0.6, 0.5, 0.1]}
    assert [found["value"] for found in requested("binary", one, names)] == [near(0.8), near(2 / 3), 1.0, 0.75]
    three: Body = {"labels": [0, 1], "logits": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]}
    f1, precision, recall, balanced = requested("multiclass", three, names)
    assert (f1["value"], balanced["value"]) == (near(1 / 3), 0.5)
    assert [found["reason"] for found in (precision, recall)] == [
        "column 1 is never predicted",
        "column 2 never occurs in the truth",
    ]
    labels: Body = {"labels": [[1, 0], [1, 1]], "probabilities": [[0.9, 0.9], [0.9, 0.9]]}
    assert [found["value"] for found in requested("multilabel", labels, names[1:3])] == [0.75, 1.0]


def ranking() -> None:
    names = ("roc_auc", "average_precision")
    tied: Body = {"labels": [0, 1, 0, 1], "probabilities": [0.1, 0.4, 0.4, 0.8]}
    assert [found["value"] for found in requested("binary", tied, names)] == [0.875, near(5 / 6)]
    soft: Body = {"targets": [0.5, 1.0], "probabilities": [0.2, 0.7]}
    assert requested("binary", soft, names)[1]["value"] == near(2 / 3 * 1.0 + 1 / 3 * 0.75)
    far: Body = {"labels": [0, 1], "logits": [40.0, 50.0]}
    assert requested("binary", far, names)[0]["value"] == 1.0
    absent: Body = {"labels": [0, 1], "logits": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]}
    assert {found["reason"] for found in requested("multiclass", absent, names)} == {
        "column 2 never occurs in the truth"
    }


def two_columns() -> None:
    pair = {"labels": [1], "probabilities": [[0.2, 0.8]]}
    (_, halves), (_, whole) = (
        values(task, body)["brier_score"]
        for task, body in (("binary", {"labels": [1], "probabilities": [0.8]}), ("multiclass", pair))
    )
    assert (whole, halves) == (near(0.08), near(0.04))


def infinities() -> None:
    with pytest.raises(MalformedBody):
        answered("score", "multiclass", b'{"labels":[1],"logits":[[-Infinity,0]]}')
    told = answered("score", "multiclass", b'{"labels":[1],"logits":[["-Infinity",0]]}')
    assert told["metrics"]["cross_entropy"]["value"] == 0.0
    logits, probabilities = {"logits": [[-math.inf, 0.0]]}, {"probabilities": [[0.0, 1.0]]}
    assert values("multiclass", {"labels": [1], **logits}) == values("multiclass", {"labels": [1], **probabilities})


def missing_values() -> None:
    body: Body = {"labels": [1, 0], "probabilities": [0.9, 0.5], "sample_weight": [1.0, 1.0], "cluster_id": ["a", "b"]}
    for name, column in body.items():
        without = body | {name: [column[0], None]}
        unscored, scored = (json.dumps(without | {"mask": [True, kept]}).encode() for kept in (False, True))
        assert answered("score", "binary", unscored)["n_scored"] == 1
        with pytest.raises(InvalidInput, match=rf"^/{name}/1: .* found (null|no number)"):
            answered("score", "binary", scored)
    unset = json.dumps(body | {"sample_weight": None, "unit": None}).encode()
    assert answered("score", "binary", unset)["options"]["unit"] == "nats"


def the_same_bits() -> None:
    rng = np.random.default_rng(0)
    body: Body = {"labels": rng.integers(0, 5, 99).tolist(), "probabilities": rng.dirichlet(np.ones(5), 99).tolist()}
    backwards = {name: column[::-1] for name, column in body.items()}
    assert ask("multiclass", backwards)["metrics"] == ask("multiclass", body)["metrics"]


CHOICES: dict[str, Callable[[], None]] = {
    check.__name__.replace("_", " "): check
    for check in (
        clipping,
        clipping_and_zeros,
        soft_targets,
        class_weights,
        label_smoothing,
        distances,
        decompositions,
        baselines,
        denominator,
        sizes_of_weights,
        rounding_beyond_bounds,
        nearly_equal_distributions,
        no_number,
        weights_as_rows,
        multilabel,
        tokens,
        standard_errors,
        per_sample,
        ties,
        decisions,
        ranking,
        two_columns,
        infinities,
        missing_values,
        the_same_bits,
    )
}


@pytest.mark.parametrize("choice", re.findall(r"^- \*\*(.*?)\.\*\*", CONVENTIONS.section("Choices"), re.MULTILINE))
def test_a_choice_is_kept(choice: str) -> None:
    CHOICES[choice.lower()]()


def test_every_checked_choice_is_told() -> None:
    told = re.findall(r"^- \*\*(.*?)\.\*\*", CONVENTIONS.section("Choices"), re.MULTILINE)
    assert [choice.lower() for choice in told] == list(CHOICES)
