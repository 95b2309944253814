"""Means and shares of exact sums, against fractions and Python's own quotients."""

import math
from fractions import Fraction

import numpy as np
import pytest

from app.core.kernels import compiled
from app.core.sums.moments import Moments, moments_of_rows
from app.core.sums.uncertainty import mean, t_quantile

EDGES = [1, 2, 3, 2**53 - 1, 2**53, 2**53 + 1, 2**62 - 1, 2**62 + 1, 2**63 - 1, 2**63, 2**64 + 1, 2**200 + 1]


@pytest.mark.parametrize("divisor", EDGES)
def test_quotients_are_those_of_python(divisor: int) -> None:
    draw = np.random.default_rng(divisor % 1009).integers
    dividends = [
        *EDGES,
        0,
        *(int(x) >> int(by) for x, by in zip(draw(1, 2**63 - 1, 200), draw(0, 62, 200), strict=True)),
    ]
    for dividend in dividends:
        for signed in (dividend, -dividend):
            assert mean(Moments(1, z=signed, v=divisor), 0.95).value == signed / divisor


def test_halves_are_rounded_to_even() -> None:
    for odd in range(2**53 + 1, 2**53 + 40, 2):
        for scale in (1, 2, 512):
            assert mean(Moments(1, z=odd * scale, v=2**62), 0.95).value == odd * scale / 2**62


def _error(z: list[Fraction], v: list[Fraction]) -> float:
    n, total = len(z), sum(v)
    middle = sum(z) / total
    squares = sum(((x - middle * y) ** 2 for x, y in zip(z, v, strict=True)), Fraction(0))
    return math.sqrt(Fraction(n, n - 1) * squares / total**2)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_an_error_is_a_root_of_exact_squares(seed: int, equal: bool) -> None:
    rng = np.random.default_rng(seed)
    n, scale = int(rng.integers(2, 30)), 10.0 ** float(rng.integers(-140, 140))
    z, v = rng.normal(1.0, 1e-6, n) * scale, np.full(n, 0.3) if equal else rng.random(n)
    (sums,) = moments_of_rows(np.array([z, v]), ((0, 1),))
    found, error = mean(sums, 0.9), _error(list(map(Fraction, z.tolist())), list(map(Fraction, v.tolist())))
    spread = t_quantile(n - 1, 0.9) * error
    assert found.standard_error == error
    assert found.value is not None
    assert found.confidence_interval == (found.value - spread, found.value + spread)


def test_only_weights_above_nothing_have_gaps_and_terms() -> None:
    assert compiled.gaps([0, 4, 2, 2], [0, 1, 2, 0], [0, 4, 1, 1]) == ([0.375, 0.125, 0.125], 0.75)
    assert compiled.gaps([2**80], [2**79], [0]) == ([0.5], 0.5)
    assert compiled.gaps([], [], []) == ([], 0.0)
    assert compiled.entropy_terms([0, 2**90, 2**90]) == [0.5 * compiled.log_of(0.5)] * 2
    assert compiled.entropy_terms([1, 2**1100]) == [0.0]
    assert compiled.entropy_terms([0, 0]) == []


@pytest.mark.parametrize("lists", [([1],), ([1], [1], []), ([1], [1], (1,))])
def test_lists_of_other_lengths_are_refused(lists: tuple[list[int], ...]) -> None:
    with pytest.raises(TypeError, match="three lists of one length"):
        compiled.gaps(*lists)
