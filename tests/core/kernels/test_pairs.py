"""Paired losses: the loops against the same formulas in NumPy, in the same bits."""

from typing import Any

import numpy as np
import pytest

from app.core.columns import FloatArray
from app.core.formulas.weights import weighted
from app.core.kernels import compiled, paired_residuals, paired_rows

LAST_BITS = 4 * np.finfo(np.float64).eps


def losses(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Losses of two candidates: some equal but for last bits, some infinite in one or in both."""
    ours, theirs = np.exp(rng.normal(0.0, 4.0, (2, n)))
    near = rng.random(n) < 0.3
    theirs[near] = ours[near] * (1.0 + LAST_BITS * rng.uniform(-2.0, 2.0, n)[near])
    for one in (ours, theirs):
        one[rng.random(n) < 0.1] = np.inf
    return ours, theirs


def columns(rng: np.random.Generator, n: int) -> tuple[FloatArray | None, FloatArray | None]:
    """Weights and counts, some of them 0, or None."""
    weight, counts = (np.where(rng.random(n) < 0.3, 0.0, rng.exponential(size=n)) for _ in range(2))
    return (weight if rng.random() < 0.6 else None), (counts if rng.random() < 0.6 else None)


@pytest.mark.parametrize("n", [0, 1, 7, 10_000])
@pytest.mark.parametrize("seed", range(8))
@np.errstate(invalid="ignore")
def test_rows_of_pairs_are_those_of_numpy(n: int, seed: int) -> None:
    rng = np.random.default_rng([n, seed])
    (ours, theirs), (weight, counts) = losses(rng, n), columns(rng, n)
    found, wins, ahead = paired_rows(ours, theirs, weight, counts)
    rounding = LAST_BITS * np.maximum(1.0, np.maximum(ours, theirs))
    differences = ours - theirs
    differences[(np.abs(differences) <= rounding) & np.isfinite(differences)] = 0.0
    rows = [weighted(weight, column) for column in (differences, ours, theirs, 2.0 * rounding)]
    assert np.array_equal(found, np.array(rows + ([] if counts is None else [counts])), equal_nan=True)
    counted = np.ones(n, bool) if weight is None else weight > 0.0
    counted &= True if counts is None else counts > 0.0
    assert wins == np.count_nonzero(counted & (differences < 0.0))
    assert ahead == np.count_nonzero(counted & (differences > 0.0))


@pytest.mark.parametrize("n", [0, 1, 7, 10_000])
@pytest.mark.parametrize("seed", range(8))
def test_residuals_are_those_of_numpy(n: int, seed: int) -> None:
    rng = np.random.default_rng([n, seed])
    rows, counts = rng.exponential(size=(5, n)), columns(rng, n)[1]
    if seed % 2:
        rows[1] = 0.25 * (1.0 if counts is None else counts)  # without spread
    means = (0.5, 0.25, 0.125)
    expected = rows[1:3] - np.array([means[1:]]).T * (1.0 if counts is None else counts)
    expected[np.abs(expected) <= LAST_BITS * rows[1:3]] = 0.0
    departures = np.abs(rows[0] - means[0] * (1.0 if counts is None else counts))
    found, varies = paired_residuals(rows, counts, means)
    assert found is not None
    assert np.array_equal(found, expected)
    assert varies == bool((departures > rows[3]).any())


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_residual_beyond_all_doubles_leaves_none(value: float) -> None:
    rows = np.ones((4, 3))
    rows[2, 1] = value
    assert paired_residuals(rows, None, (0.0, 1.0, 1.0))[0] is None
    rows = np.ones((4, 3))
    rows[0, 2] = value
    assert paired_residuals(rows, None, (1.0, 1.0, 1.0))[1] is True


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones(3), np.ones(2), None, None, np.ones((4, 3))),
        (np.ones(3), np.ones(3), np.ones(2), None, np.ones((4, 3))),
        (np.ones(3), np.ones(3), None, np.ones(4), np.ones((5, 3))),
        (np.ones(3), np.ones(3), None, np.ones(3), np.ones((4, 3))),
        (np.ones(3), np.ones(3), None, None, np.ones((5, 3))),
        (None, np.ones(3), None, None, np.ones((4, 3))),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        compiled.pair_rows(*arguments)


@pytest.mark.parametrize(
    "arguments", [(np.ones((3, 3)), None, np.ones((2, 3))), (np.ones((4, 3)), np.ones(2), np.ones((2, 3)))]
)
def test_residuals_that_do_not_fit_are_refused(arguments: Any) -> None:
    rows, counts, out = arguments
    with pytest.raises(ValueError, match="must fit each other"):
        compiled.pair_residuals(rows, counts, out, 0.0, 0.0, 0.0)
