"""Platt's sigmoid and the isotonic fit, against scikit-learn and plain arithmetic."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from app.core.fits import platt_isotonic, temperature
from app.core.fits.platt_isotonic import Isotonic, Platt, fit_isotonic, fit_platt
from app.core.fits.temperature import Temperature
from tests.core.calibrations import ask, binary_body
from tests.core.parts import batch, n_rows


@pytest.mark.parametrize("seed", range(3))
def test_platt_against_scikit_learn(seed: int) -> None:
    x, y = make_classification(300, 10, flip_y=0.3, random_state=seed)
    model = LogisticRegression(max_iter=1000).fit(x[:50], y[:50])
    frozen = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", ensemble=False).fit(x[50:], y[50:])
    theirs = frozen.calibrated_classifiers_[0].calibrators[0]
    body = {"labels": y[50:].tolist(), "logits": model.decision_function(x[50:]).tolist()}
    whole = batch("binary", body)
    fit = fit_platt(whole, np.arange(len(whole)))
    # its search stops at a gradient of 1e-6
    assert (fit.slope, fit.intercept) == pytest.approx((-theirs.a_, -theirs.b_), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_the_gradient_of_platt_is_zero_in_plain_arithmetic(scale: float, shift: float) -> None:
    body = binary_body(200, 1)
    z, y = np.array(body["logits"]), np.array(body["labels"])
    sent = ((z + shift) * scale).tolist()
    whole = batch("binary", body | {"logits": sent})
    fit = fit_platt(whole, np.arange(200))
    n, m = int(y.sum()), int((1 - y).sum())
    targets = np.where(y == 1, (n + 1) / (n + 2), 1 / (m + 2))
    residual = targets - expit(fit.slope * np.array(sent) + fit.intercept)
    assert fit.converged
    assert math.fsum(residual) == pytest.approx(0.0, abs=1e-7)
    assert math.fsum(residual * z) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0], [1, 0, 1]])
@pytest.mark.parametrize("logits", [[2.0, 2.0, 2.0], [-1.0, -2.0, 3.0]])
def test_platt_is_finite_with_one_class_or_one_score(labels: list[int], logits: list[float]) -> None:
    whole = batch("binary", {"labels": labels, "logits": logits})
    fit = fit_platt(whole, np.arange(3))
    assert fit.converged
    assert max(abs(fit.slope), abs(fit.intercept)) < 30.0
    if logits[0] == logits[1]:
        n = sum(labels)
        drawn = n * (n + 1) / (n + 2) + (3 - n) / (5 - n)
        assert expit(fit.slope * 2.0 + fit.intercept) == pytest.approx(drawn / 3, rel=1e-9)


def test_platt_is_found_where_a_whole_newton_step_would_raise_the_loss() -> None:
    z, y, w = [-710.0, 538.0, -283.0, 65.0], [0, 1, 1, 1], [0.07, 3.0, 3700.0, 0.7]
    whole = batch("binary", {"labels": y, "logits": z, "sample_weight": w})
    fit = fit_platt(whole, np.arange(4))
    n, m = 3, 1
    targets = np.where(np.array(y) == 1, (n + 1) / (n + 2), 1 / (m + 2))
    residual = np.array(w) * (targets - expit(fit.slope * np.array(z) + fit.intercept))
    assert fit.converged
    assert [math.fsum(residual), math.fsum(residual * z)] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_a_fit_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (temperature, platt_isotonic):
        monkeypatch.setattr(module, "_MAX_STEPS", 2)
    for method in ("temperature", "platt"):
        assert not ask("binary", binary_body(50, 3) | {"method": method})["converged"]


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_against_scikit_learn(decimals: int, weighted: bool) -> None:
    body = binary_body(300, 2, decimals)
    weight = np.random.default_rng(2).exponential(size=300) if weighted else np.ones(300)
    body |= {"sample_weight": weight.tolist()} if weighted else {}
    p = expit(np.array(body.pop("logits")))
    body["probabilities"] = p.tolist()
    theirs = IsotonicRegression(out_of_bounds="clip").fit(p, body["labels"], weight)
    answer = ask("binary", body | {"method": "isotonic", "include": ["probabilities"]})
    bounds = 1 / 302, 301 / 302  # theirs reaches 0 and 1
    assert np.asarray(answer["probabilities"]) == pytest.approx(theirs.predict(p).clip(*bounds), abs=1e-12)
    assert answer["thresholds"]["probabilities"] == pytest.approx(theirs.X_thresholds_.tolist(), rel=1e-15)
    assert answer["thresholds"]["calibrated"] == pytest.approx(theirs.y_thresholds_.clip(*bounds).tolist(), abs=1e-12)
    assert (theirs.y_thresholds_.min(), theirs.y_thresholds_.max(), answer["at_bound"]) == (0.0, 1.0, True)


def test_an_isotonic_fit_of_frequencies_between_its_bounds_is_not_bounded() -> None:
    body = {"labels": [1, 0, 0, 1, 1, 0], "probabilities": [0.1, 0.1, 0.1, 0.2, 0.2, 0.2], "method": "isotonic"}
    answer = ask("binary", body)
    assert answer["thresholds"]["calibrated"] == [1 / 3, 2 / 3]
    assert answer["at_bound"] is False


def test_no_other_rising_pair_of_bounded_values_has_a_smaller_loss() -> None:
    """Levels of 4 and 3 rows, none and all of them positive: both end at their bound."""
    body = {"labels": [0, 0, 0, 0, 1, 1, 1], "probabilities": [0.4] * 4 + [0.6] * 3, "method": "isotonic"}
    answer = ask("binary", body)
    assert answer["thresholds"]["calibrated"] == [1 / 9, 8 / 9]
    grid = np.linspace(1 / 9, 8 / 9, 300)
    losses = -(4 * np.log(1 - grid[:, None]) + 3 * np.log(grid)) / 7
    assert answer["cross_entropy_after"] == pytest.approx(losses.min(), rel=1e-12)


def test_an_isotonic_fit_that_its_bounds_make_worse_is_left_out() -> None:
    body = {"labels": [0, 1], "probabilities": [0.01, 0.99], "method": "isotonic"}
    answer = ask("binary", body)
    assert answer["thresholds"] == {name: [1e-12, 1 - 1e-12] for name in ("probabilities", "calibrated")}
    assert answer["cross_entropy_after"] == answer["cross_entropy_before"]
    assert answer["at_bound"] is False


def test_an_isotonic_fit_with_a_weight_of_the_positive_class_minimises_the_weighted_loss() -> None:
    """One level for all: q n / (q n + m)."""
    body = {"labels": [1, 0, 1, 0], "probabilities": [0.1, 0.2, 0.1, 0.2], "pos_weight": 3.0, "method": "isotonic"}
    assert set(ask("binary", body)["thresholds"]["calibrated"]) == {6 / 8}


def test_an_isotonic_fit_holds_what_is_looked_up_in_block_by_block() -> None:
    """Lists would be made arrays for each block of rows: quadratic in the number of rows."""
    fit = fit_isotonic(batch("binary", binary_body(50, 6)), np.arange(50))
    assert isinstance(fit.thresholds.probabilities, np.ndarray)
    assert isinstance(fit.thresholds.calibrated, np.ndarray)


def test_fits_change_nothing_by_default() -> None:
    whole = batch("binary", {"labels": [0, 1, 1], "probabilities": [0.0, 1.0, 0.1]})
    chosen = np.arange(n_rows({"probabilities": [0.0, 1.0, 0.1]}))
    plain = Temperature().prediction(whole, chosen)
    for fit in (Platt(), Isotonic(), replace(Isotonic(), converged=False)):
        form, prediction = fit.prediction(whole, chosen)
        assert form == plain[0]
        assert prediction.tolist() == plain[1].tolist()
