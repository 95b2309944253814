from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from app.core.calibration.levels import Levels, equal_mass_index, levels_of
from app.core.columns import FloatArray

COLUMNS = ("confidence", "weight", "hits", "misses", "softness")
shares = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.7, 1.0]) | st.floats(1e-200, 1)  # doubling is exact
samples = st.lists(st.tuples(shares, shares, st.floats(1e-6, 1e6)), min_size=1, max_size=40)


def columns(rows: list[tuple[float, float, float]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    confidence, frequency, weight = np.array(rows).T
    return confidence, frequency, weight


def same(a: Levels, b: Levels) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_rows_leaves_no_trace(rows: list[tuple[float, float, float]], random: Random) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert same(levels_of(*columns(rows)), levels_of(*columns(mixed)))


@given(samples)
def test_a_weight_of_two_is_a_copy_and_of_zero_an_absence(rows: list[tuple[float, float, float]]) -> None:
    (p, y, w), *rest = rows
    doubled = levels_of(*columns([(p, y, 2 * w), *rest]))
    assert same(doubled, levels_of(*columns([*rows, rows[0]])))
    assert same(levels_of(*columns(rows)), levels_of(*columns([*rows, (0.4, 1.0, 0.0)])))


@given(samples)
def test_sums_are_rounded_once(rows: list[tuple[float, float, float]]) -> None:
    confidence, frequency, weight = columns(rows)
    levels = levels_of(confidence, frequency, weight)
    for p, total in zip(levels.confidence.tolist(), levels.hits.tolist(), strict=True):
        at = confidence == p
        assert total == float(sum(map(Fraction, (weight[at] * frequency[at]).tolist())))


def test_labels_may_be_booleans_and_weights_near_the_end_of_the_range() -> None:
    confidence, labels = np.array([0.2, 0.2, 0.7]), np.array([True, False, True])
    assert same(levels_of(confidence, labels), levels_of(confidence, labels.astype(float), np.ones(3)))
    assert np.isfinite(levels_of(confidence, labels, np.full(3, 1.7e308)).weight).all()


@pytest.mark.parametrize(("n", "n_bins"), [(100, 10), (103, 10), (7, 15), (1, 3), (1000, 15)])
@pytest.mark.parametrize("decimals", [1, 2, 17])
@pytest.mark.parametrize("constant", [None, 0.1, 3.0])
def test_bins_end_at_the_quantiles(n: int, n_bins: int, decimals: int, constant: float | None) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.random(n).round(decimals)
    levels = levels_of(confidence, np.zeros(n), None if constant is None else np.full(n, constant))
    rising = np.sort(confidence)
    ends = [rising[-(-n * cut // n_bins) - 1] for cut in range(1, n_bins)]
    assert equal_mass_index(levels, n_bins).tolist() == np.searchsorted(ends, levels.confidence, side="left").tolist()


def test_weighted_bins_end_at_the_weighted_quantiles_of_numpy() -> None:
    rng = np.random.default_rng(0)
    confidence, weight = rng.random(500).round(2), rng.exponential(size=500)
    levels = levels_of(confidence, np.zeros(500), weight)
    ends = np.quantile(confidence, np.arange(1, 12) / 12, weights=weight, method="inverted_cdf")
    assert equal_mass_index(levels, 12).tolist() == np.searchsorted(ends, levels.confidence, side="left").tolist()


def test_bins_of_scikit_learn_are_the_same_where_rows_divide_evenly() -> None:
    rng = np.random.default_rng(1)
    confidence, labels = rng.random(600), rng.integers(0, 2, 600)
    levels = levels_of(confidence, labels.astype(float))
    bins = equal_mass_index(levels, 15)
    frequency, mean = calibration_curve(labels, confidence, n_bins=15, strategy="quantile")
    assert np.bincount(bins, levels.hits) / 40 == pytest.approx(frequency, rel=1e-13)
    assert np.bincount(bins, levels.confidence) / 40 == pytest.approx(mean, rel=1e-13)


def test_a_heavy_level_is_not_split_and_leaves_bins_empty() -> None:
    confidence = np.array([0.1, 0.2, *[0.5] * 6, 0.8, 0.9])
    assert equal_mass_index(levels_of(confidence, np.zeros(10)), 5).tolist() == [0, 0, 1, 4, 4]
