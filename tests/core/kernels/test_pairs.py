"""Paired losses: the loop against the same formula in NumPy, in the same bits."""

from typing import Any

import numpy as np
import pytest

from app.core.columns import FloatArray
from app.core.kernels import compiled

LAST_BITS = 4 * np.finfo(np.float64).eps


def losses(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Losses of two candidates: some equal but for last bits, some infinite in one or in both."""
    ours, theirs = np.exp(rng.normal(0.0, 4.0, (2, n)))
    near = rng.random(n) < 0.3
    theirs[near] = ours[near] * (1.0 + LAST_BITS * rng.uniform(-2.0, 2.0, n)[near])
    for one in (ours, theirs):
        one[rng.random(n) < 0.1] = np.inf
    return ours, theirs


@pytest.mark.parametrize("n", [0, 1, 7, 10_000])
@pytest.mark.parametrize("seed", range(8))
@np.errstate(invalid="ignore")
def test_rows_of_pairs_are_those_of_numpy(n: int, seed: int) -> None:
    ours, theirs = losses(np.random.default_rng([n, seed]), n)
    rounding = LAST_BITS * np.maximum(1.0, np.maximum(ours, theirs))
    expected = ours - theirs
    expected[(np.abs(expected) <= rounding) & np.isfinite(expected)] = 0.0
    differences, least = np.empty(n), np.empty(n)
    compiled.pair_rows(ours, theirs, differences, least)
    assert np.array_equal(differences, expected, equal_nan=True)
    assert np.array_equal(least, np.where(np.isfinite(expected) & (expected != 0.0), 2.0 * rounding, 0.0))


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones(3), np.ones(2), np.ones(3), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(2), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(3), np.ones(4)),
        (None, np.ones(3), np.ones(3), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(3)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        compiled.pair_rows(*arguments)
