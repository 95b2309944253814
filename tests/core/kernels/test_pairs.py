"""Paired losses: the loop against the same formula in NumPy, and what sums tell against whole numbers of Python."""

import math
from typing import Any

import numpy as np
import pytest

from app.core.columns import FloatArray
from app.core.kernels import compiled
from app.core.sums.moments import Moments, PackedMoments, column_moments

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
    matrix = np.empty((8, n))
    compiled.paired_rows(np.array([theirs, ours, theirs]), matrix)
    baseline, finite, first, differences, least, second, nothing, none = matrix
    assert np.array_equal(baseline, theirs)
    assert np.array_equal(second, theirs)
    assert np.array_equal(first, ours)
    assert np.array_equal(finite, np.where(np.isinf(theirs), 0.0, theirs))
    assert np.array_equal(differences, expected, equal_nan=True)
    assert np.array_equal(least, np.where(np.isfinite(expected) & (expected != 0.0), 2.0 * rounding, 0.0))
    assert np.array_equal(nothing, theirs - theirs, equal_nan=True)
    assert not none.any()


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones((2, 3)), np.ones((4, 3))),
        (np.ones((2, 3)), np.ones((5, 2))),
        (np.ones(3), np.ones((5, 3))),
        (np.ones((0, 3)), np.ones((5, 3))),
        (np.ones((2, 3)), np.ones(15)),
        (None, np.ones((5, 3))),
        (np.ones((2, 3)),),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        compiled.paired_rows(*arguments)


def departures(first: Moments, second: Moments, products: int) -> int:
    """v**2 times the sum of (z_i - m v_i) (z'_i - m' v_i), given the sum of z_i z'_i, by the formula of a book."""
    z, other, v = first.z, second.z, first.v
    return products * v * v - z * second.zv * v - other * first.zv * v + z * other * first.vv


def told(d: Moments, ours: Moments, theirs: Moments, rounding: Moments, product: Moments) -> tuple[Any, ...]:
    """The facts that sums of a pair tell, in whole numbers of one unit."""
    least = min(sums.place for sums in (d, ours, theirs, rounding, product))
    up = [sums.raised(sums.place - least, sums.place - least, least) for sums in (d, ours, theirs, rounding, product)]
    d, ours, theirs, rounding, product = up
    varies = departures(d, d, d.zz) > rounding.zz * rounding.v**2
    own, other = (departures(loss, loss, loss.zz) for loss in (ours, theirs))
    both = departures(ours, theirs, product.zv)
    correlation = None
    if own << 100 > ours.zz * ours.v**2 and other << 100 > theirs.zz * theirs.v**2:
        correlation = math.copysign(min(1.0, math.sqrt(both * both / (own * other))), 1 if both > 0 else -1)
    return rounding.n, rounding.v**2 / rounding.vv, 0, 0, varies, correlation


@pytest.mark.parametrize("spread", [0.0, 1e-18, 1e-12, 1e-3, 1.0, 60.0])
@pytest.mark.parametrize("seed", range(20))
def test_sums_of_pairs_tell_what_whole_numbers_tell(spread: float, seed: int) -> None:
    rng = np.random.default_rng([seed, int(1e6 * spread)])
    n = int(rng.integers(1, 12))
    theirs = np.exp(rng.normal(0.0, spread, n))
    ours = theirs * np.exp(rng.normal(0.0, spread, n)) + rng.choice([0.0, 0.5])
    weight = rng.choice([np.ones(n), np.ldexp(rng.random(n), rng.integers(-40, 40, n)), rng.integers(1, 3, n) * 1.0])
    matrix = np.empty((5, n))
    compiled.paired_rows(np.array([theirs, ours]), matrix)
    sums = [column_moments(weight * matrix[row], weight) for row in (3, 2, 0, 4)]
    sums.append(column_moments(weight * ours, weight * theirs))
    packed = PackedMoments.of({str(number): own for number, own in enumerate(sums)})
    assert compiled.pair_sums(packed.packed, (0, 1, 2, 3, 4)) == told(*sums)


def test_sums_of_pairs_of_no_rows_and_sums_that_are_none() -> None:
    packed = PackedMoments.of({str(number): Moments() for number in range(5)}).packed
    n, n_effective, *_, varies, correlation = compiled.pair_sums(packed, (0, 1, 2, 3, 4))
    assert (n, math.isnan(n_effective), varies, correlation) == (0, True, False, None)
    for arguments in ((packed, (0, 1, 2, 3)), (packed, (0, 1, 2, 3, 5)), (packed, [0] * 5), (b"", (0,) * 5), (packed,)):
        with pytest.raises((ValueError, TypeError)):
            compiled.pair_sums(*arguments)
