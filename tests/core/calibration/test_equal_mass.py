import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.calibration.bins import gaps
from app.core.calibration.equal_mass import (
    adaptive_calibration_error,
    classwise_calibration_error,
    classwise_gap,
    debiased_calibration_error,
)
from app.core.calibration.levels import levels_of
from app.core.columns import FloatArray
from app.core.formulas.bins import bin_index
from app.core.options import Options
from app.core.sums.tables import calibration_of
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
    assert found.reason == f"chance alone explains the gaps: the squared error is estimated at {squares:.3g}"


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
        "too few samples: must have 2 rows a bin on average, found 1; a weight counts as that many rows",
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


def test_weights_are_numbers_of_rows_for_the_debiased_error() -> None:
    """A weight of 2 is a copy, and weights that sum to 1 are one row in all."""
    confidence, labels = forecasts(300, 8)
    copies = number(debiased_calibration_error(levels_of(np.repeat(confidence, 2), np.repeat(labels, 2)), 15))
    assert number(debiased_calibration_error(levels_of(confidence, labels, np.full(300, 2.0)), 15)) == copies
    assert number(debiased_calibration_error(levels_of(confidence, labels), 15)) < copies
    shares = debiased_calibration_error(levels_of(confidence, labels, np.full(300, 1 / 300)), 15)
    assert shares.reason is not None
    assert shares.reason.endswith("found 0.0666667; a weight counts as that many rows")


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


def classwise(probabilities: FloatArray, targets: FloatArray, weight: FloatArray, options: Options) -> float:
    """The classwise error of rows (n, k)."""
    bins = bin_index(probabilities.T, options.n_bins, options.bin_edges).astype(np.uint16)
    return number(classwise_calibration_error(bins, (probabilities - targets).T * weight, weight))


def test_classes_by_hand() -> None:
    probabilities = np.array([[0.75, 0.25, 0.0], [0.25, 0.25, 0.5]])
    found = classwise(probabilities, np.eye(3)[[0, 2]], np.ones(2), Options(n_bins=4))
    assert found == ((0.25 + 0.25) / 2 + 0.25 + (0.5 + 0.0) / 2) / 3


@pytest.mark.parametrize("edge", ["left", "right"])
def test_two_classes_are_the_binary_error_twice(edge: Literal["left", "right"]) -> None:
    p, y = forecasts(500, 3)
    weight, options = np.random.default_rng(3).exponential(size=500), Options(bin_edges=edge)
    binary = gaps(calibration_of(p, y, weight, options)).expected
    twice = classwise(np.stack([p, p], axis=1), np.stack([y, y], axis=1), weight, options)
    assert twice == pytest.approx(binary, rel=1e-13)


def test_rows_that_count_twice_are_copies() -> None:
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 3, 50)
    copies = np.repeat(np.arange(50), counts)
    bins, gaps = rng.integers(0, 15, (3, 50)).astype(np.uint16), rng.normal(size=(3, 50))
    assert classwise_gap(bins, gaps, counts) == pytest.approx(classwise_gap(bins[:, copies], gaps[:, copies]))


def test_classwise_number_of_the_authors_of_verified_calibration() -> None:
    """uncertainty-calibration 0.1.4: get_ece(probabilities, labels, mode="marginal")."""
    rng = np.random.default_rng(7)
    probabilities, labels = rng.dirichlet(np.ones(5), 1000), rng.integers(0, 5, 1000)
    found = classwise(probabilities, np.eye(5)[labels], np.ones(1000), Options())
    assert found == pytest.approx(0.1364444309057682, rel=1e-12)
