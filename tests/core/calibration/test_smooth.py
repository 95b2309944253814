import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core.calibration.levels import levels_of
from app.core.calibration.smooth import smooth_calibration_error
from app.core.columns import FloatArray
from tests.core.calibration.test_equal_mass import forecasts, number

SIZES = [(300, 0), (1500, 1), (6000, 2)]


def smoothed_size(confidence: FloatArray, share: FloatArray, bandwidth: float) -> float:
    """The definition: a sum over all rows and their mirror images at each of many points, and a plain sum of those."""
    points = (np.arange(4000) + 0.5) / 4000
    images = np.concatenate([sign * confidence + 2 * turn for turn in range(-3, 4) for sign in (1, -1)])
    kernel = np.exp(-0.5 * ((points[:, None] - images) / bandwidth) ** 2) / (bandwidth * np.sqrt(2 * np.pi))
    return float(np.abs(kernel @ np.tile(share, 14)).mean())


@pytest.mark.parametrize(("n", "tilt"), [(1, 0.0), (2, 0.3), (20, 0.0), (60, 0.4), (60, 0.0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_at_a_bandwidth_of_its_value_the_definition_gives_the_value(n: int, tilt: float, weighted: bool) -> None:
    rng = np.random.default_rng(n)
    confidence, weight = rng.beta(2, 2, n), rng.exponential(size=n) if weighted else np.ones(n)
    labels = (rng.random(n) < confidence + tilt).astype(float)
    value = number(smooth_calibration_error(levels_of(confidence, labels, weight)))
    share = weight * (confidence - labels) / weight.sum()
    assert smoothed_size(confidence, share, value) == pytest.approx(value, abs=0.5 / (4096 * value) ** 2)


# relplot 1.0.3, smECE(confidence, labels)
@pytest.mark.parametrize(
    ("n", "seed", "theirs"),
    [
        (50, 3, 0.10057918261717863),
        (300, 0, 0.11962904093800673),
        (500, 4, 0.14441212142080986),
        (1500, 1, 0.12615031570013263),
        (5000, 5, 0.12604845825099117),
        (6000, 2, 0.12500251686695438),
    ],
)
def test_numbers_of_the_authors(n: int, seed: int, theirs: float) -> None:
    """The authors halve the bandwidth ten times, to 1 / 1024, and look at 200 points."""
    value = number(smooth_calibration_error(levels_of(*forecasts(n, seed))))
    assert value == pytest.approx(theirs, abs=2e-3)


def test_gaps_of_one_sign_do_not_cancel_at_any_bandwidth() -> None:
    levels = levels_of(np.array([0.2, 0.5, 0.9]), np.zeros(3))
    assert number(smooth_calibration_error(levels)) == pytest.approx(1.6 / 3, rel=1e-12)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_all_wrong_is_one_and_all_right_is_zero(confidence: float) -> None:
    certain = np.full(3, confidence)
    assert number(smooth_calibration_error(levels_of(certain, 1.0 - certain))) == pytest.approx(1.0, rel=1e-12)
    assert number(smooth_calibration_error(levels_of(certain, certain))) == 0.0


def test_levels_without_a_gap_have_no_error() -> None:
    confidence = np.repeat([0.25, 0.5, 0.75], 4)
    labels = np.array([1.0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0])
    assert number(smooth_calibration_error(levels_of(confidence, labels))) == 0.0


def test_a_small_step_of_confidence_is_a_small_step_of_the_error() -> None:
    """Binned errors lack this: here equal-width bins jump from 0 to 0.5."""
    labels = np.array([1.0, 0.0])
    values = [
        number(smooth_calibration_error(levels_of(np.array([0.5 + step, 0.5 - step]), labels)))
        for step in (0.0, 1e-6, 1e-3)
    ]
    assert values[0] == 0.0
    assert values[1] < 0.01
    assert values[2] < 0.05


@settings(max_examples=50, deadline=None)
@example([(1.0, 0.99999)])
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_error_lies_between_the_mean_gap_and_the_gap_of_every_level(rows: list[tuple[float, float]]) -> None:
    levels = levels_of(*np.array(rows).T)
    gaps = (levels.weight * levels.confidence - levels.hits) / levels.weight.sum()
    value = number(smooth_calibration_error(levels))
    assert abs(gaps.sum()) - 1e-12 <= value <= np.abs(gaps).sum() + 1e-12
