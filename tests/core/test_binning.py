import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.binning import (
    adaptive_calibration_error,
    classwise_calibration_error,
    debiased_calibration_error,
    one_vs_rest_bins,
)
from app.core.calibration import expected_gap
from app.core.columns import FloatArray
from app.core.levels import levels_of
from app.core.options import Options
from app.core.tables import calibration
from app.core.values import Value

# What uncertainty-calibration 0.1.4, whose bins are these where rows divide evenly, says of `forecasts`:
# lower_bound_scaling_ce(confidence, labels, p=2, debias=True, num_bins=15), get_ece_em(..., mode="marginal")
VERIFIED = [
    (300, 0, 0.12377152352960724, 0.12112053804219543),
    (1500, 1, 0.14216675647474036, 0.12887445625992122),
    (6000, 2, 0.14439938334909982, 0.1288196400263128),
]


def number(value: Value) -> float:
    assert value.value is not None
    return value.value


def forecasts(n: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Confidences too extreme for what is observed."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(0.5, 0.5, n)
    return confidence, (rng.random(n) < 0.2 + 0.6 * confidence).astype(float)


def test_bins_by_hand() -> None:
    confidence, labels = np.array([0.1, 0.3, 0.3, 0.6, 0.8, 0.9]), np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    levels = levels_of(confidence, labels)
    assert number(adaptive_calibration_error(levels, 2)) == pytest.approx((abs(0.7 - 1.0) + abs(2.3 - 2.0)) / 6)
    assert number(adaptive_calibration_error(levels, 6)) == pytest.approx((0.1 + 0.4 + 0.4 + 0.2 + 0.9) / 6)
    squares = 3 / 6 * ((0.1**2 - 2 / 9 / 2) + (0.1**2 - 2 / 9 / 2))
    found = debiased_calibration_error(levels, 2)
    assert squares < 0
    assert (found.value, found.status) == (0.0, "ok")
    assert found.reason == f"chance explains all of it: the squared error is estimated at {squares:.3g}"


def test_one_level_is_one_bin() -> None:
    levels = levels_of(np.full(10, 0.9), np.array([1.0] * 4 + [0.0] * 6))
    assert number(adaptive_calibration_error(levels, 15)) == pytest.approx(0.5)
    assert number(debiased_calibration_error(levels, 15)) == pytest.approx(math.sqrt(0.25 - 0.24 / 9))


def test_one_row() -> None:
    levels = levels_of(np.array([0.9]), np.array([1.0]))
    assert number(adaptive_calibration_error(levels, 15)) == pytest.approx(0.1)
    found = debiased_calibration_error(levels, 15)
    assert (found.status, found.reason) == (
        "undefined",
        "too few samples: must have 2 rows a bin on average, found 1",
    )


@pytest.mark.parametrize(("n", "seed", "debiased", "adaptive"), VERIFIED)
def test_numbers_of_the_authors_of_verified_calibration(n: int, seed: int, debiased: float, adaptive: float) -> None:
    levels = levels_of(*forecasts(n, seed))
    assert number(debiased_calibration_error(levels, 15)) == pytest.approx(debiased, rel=1e-12)
    assert number(adaptive_calibration_error(levels, 15)) == pytest.approx(adaptive, rel=1e-12)


def test_the_debiased_square_is_right_on_average() -> None:
    """Four confidences of ten rows each: the mean over labels of all kinds is the error of the frequencies."""
    confidence, truth = np.repeat([0.2, 0.4, 0.6, 0.8], 10), np.repeat([0.3, 0.4, 0.5, 0.9], 10)
    rng = np.random.default_rng(5)
    squares = []
    for labels in (rng.random((1500, 40)) < truth).astype(float):
        found = debiased_calibration_error(levels_of(confidence, labels), 4)
        squares.append(number(found) ** 2 if found.reason is None else float(found.reason.split()[-1]))
    error = float(np.std(squares)) / math.sqrt(len(squares))
    assert np.mean(squares) == pytest.approx(np.mean((confidence - truth) ** 2), abs=4 * error)


def test_soft_truth_without_noise_has_no_bias() -> None:
    confidence = np.repeat([0.2, 0.8], 10)
    levels = levels_of(confidence, confidence - 0.1)
    assert number(debiased_calibration_error(levels, 2)) == pytest.approx(0.1, rel=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.integers(1, 20))
def test_equal_mass_errors_lie_in_the_unit_interval(rows: list[tuple[float, bool]], n_bins: int) -> None:
    confidence, labels = np.array(rows, dtype=float).T
    levels = levels_of(confidence, labels)
    assert 0.0 <= number(adaptive_calibration_error(levels, n_bins)) <= 1.0
    assert 0.0 <= (debiased_calibration_error(levels, n_bins).value or 0.0) <= 1.0


def test_classes_by_hand() -> None:
    probabilities = np.array([[0.75, 0.25], [0.25, 0.25], [0.0, 0.5]])
    labels = np.array([0, 2])
    bins = one_vs_rest_bins(probabilities, (labels == c for c in range(3)), None, Options(n_bins=4, bin_edges="left"))
    assert number(classwise_calibration_error(bins)) == ((0.25 + 0.25) / 2 + 0.25 + (0.5 + 0.0) / 2) / 3


def test_two_classes_are_the_binary_error_twice() -> None:
    p, y = forecasts(500, 3)
    both = one_vs_rest_bins(np.array([p, p]), [y, y == 1], None, Options())
    assert classwise_calibration_error(both) == expected_gap(
        calibration({"confidence": p, "frequency": y}, None, Options())
    )


def test_bins_of_parts_add_up() -> None:
    rng = np.random.default_rng(6)
    probabilities, targets, weight = rng.dirichlet(np.ones(3), 50).T, rng.dirichlet(np.ones(3), 50).T, rng.random(50)
    whole = one_vs_rest_bins(probabilities, targets, weight, Options())
    head, tail = (
        one_vs_rest_bins(probabilities[:, part], targets[:, part], weight[part], Options())
        for part in (slice(20), slice(20, None))
    )
    assert [a + b for a, b in zip(head, tail, strict=True)] == whole


def test_classwise_number_of_the_authors_of_verified_calibration() -> None:
    """uncertainty-calibration 0.1.4: get_ece(probabilities, labels, mode="marginal")."""
    rng = np.random.default_rng(7)
    probabilities, labels = rng.dirichlet(np.ones(5), 1000), rng.integers(0, 5, 1000)
    bins = one_vs_rest_bins(probabilities.T, (labels == c for c in range(5)), None, Options())
    assert number(classwise_calibration_error(bins)) == pytest.approx(0.1364444309057682, rel=1e-12)
