from fractions import Fraction

import numpy as np
import pytest

from app.core.sums.exact import ONE, SQUARE_ONE, exact_dot, exact_power_sums
from tests.core.doubles import adversarial, fractions


@pytest.mark.parametrize("exponent", [-1, -10, -40, -100, -140, 10, 100, 150])
@pytest.mark.parametrize("n", [1, 7, 1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_products_are_exact(n: int, exponent: int) -> None:
    rng = np.random.default_rng(n)
    x, y = (rng.standard_normal(n) * 10.0 ** (exponent * rng.random(n)) for _ in range(2))
    squares = sum((f * f for f in fractions(x)), Fraction(0))
    assert exact_power_sums(x) == (sum(fractions(x)) * ONE, exact_dot(x, x.copy()))
    assert Fraction(exact_dot(x, x), SQUARE_ONE) == squares
    assert Fraction(exact_dot(x, y), SQUARE_ONE) == sum(
        (a * b for a, b in zip(fractions(x), fractions(y), strict=True)), 0
    )


def test_products_of_any_size_are_exact() -> None:
    x, y = adversarial(2_000, 2), adversarial(2_000, 3)
    x[:5], y[:5] = [5e-324, 1.7e308, -5e-324, 0.0, 1.0], [5e-324, 1.7e308, 1.7e308, 1.0, 0.0]
    wanted = sum((a * b for a, b in zip(fractions(x), fractions(y), strict=True)), Fraction(0))
    assert Fraction(exact_dot(x, y), SQUARE_ONE) == wanted
    squares = sum((f * f for f in fractions(x)), Fraction(0))
    total, found = exact_power_sums(x)
    assert (Fraction(total, ONE), Fraction(found, SQUARE_ONE)) == (sum(fractions(x)), squares)


def test_small_noise_on_a_large_number_keeps_its_variance() -> None:
    noise = np.random.default_rng(4).standard_normal(5_000)
    values = 1e8 + noise
    total, squares = exact_power_sums(values)
    variance = Fraction(squares, SQUARE_ONE) / len(values) - (Fraction(total, ONE) / len(values)) ** 2
    assert float(variance) == pytest.approx(np.var(values - 1e8), rel=1e-12)
