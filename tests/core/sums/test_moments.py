from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.columns import FloatArray
from app.core.sums.exact import MOST, NotFinite
from app.core.sums.moments import Moments, column_moments, moments_of_rows, with_products
from tests.core.doubles import adversarial, fractions

FACTORS = {"z": 1, "v": 1, "zz": 2, "zv": 2, "vv": 2}


def sums(found: Moments) -> dict[str, Fraction]:
    """The numbers that moments stand for."""
    return {name: getattr(found, name) * Fraction(2) ** (found.place * n) for name, n in FACTORS.items()}


def exact(z: FloatArray, v: FloatArray) -> dict[str, Fraction]:
    x, y = fractions(z), fractions(v)
    ones = [Fraction(1)] * len(x)
    factors = {"z": (x, ones), "v": (y, ones), "zz": (x, x), "zv": (x, y), "vv": (y, y)}
    return {
        name: sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))
        for name, (left, right) in factors.items()
    }


@pytest.mark.parametrize("exponent", [-1, -10, -40, -100, -140, 10, 100, 150])
@pytest.mark.parametrize("n", [1, 7, 1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_sums_and_products_are_exact(n: int, exponent: int) -> None:
    rng = np.random.default_rng(n)
    z, v = (rng.standard_normal(n) * 10.0 ** (exponent * rng.random(n)) for _ in range(2))
    assert sums(column_moments(z, v)) == exact(z, v)


def test_numbers_of_any_size_are_exact() -> None:
    z, v = adversarial(2_000, 2), adversarial(2_000, 3)
    z[:5], v[:5] = [5e-324, 1.7e308, -5e-324, 0.0, 1.0], [5e-324, 1.7e308, 1.7e308, 1.0, 0.0]
    assert sums(column_moments(z, v)) == exact(z, v)


def test_small_noise_on_a_large_number_keeps_its_variance() -> None:
    noise = np.random.default_rng(4).standard_normal(5_000)
    values = 1e8 + noise
    found = sums(column_moments(values, np.ones(5_000)))
    variance = found["zz"] / 5_000 - (found["z"] / 5_000) ** 2
    assert float(variance) == pytest.approx(np.var(values - 1e8), rel=1e-12)


finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.lists(st.tuples(finite, finite), max_size=10)


@given(pairs, pairs, st.integers(-300, 300), st.integers(-300, 300))
def test_moments_add_and_scale_as_their_rows_do(
    first: list[tuple[float, float]], second: list[tuple[float, float]], z_places: int, v_places: int
) -> None:
    z, v = np.array(first + second).reshape(-1, 2).T.copy()
    a, b = (column_moments(z[part], v[part]) for part in (slice(len(first)), slice(len(first), None)))
    whole = column_moments(z, v)
    assert a + b == b + a == whole
    scaled = {name: Fraction(2) ** (name.count("z") * z_places + name.count("v") * v_places) for name in FACTORS}
    assert sums(whole.scaled(z_places, v_places)) == {name: scaled[name] * own for name, own in sums(whole).items()}
    assert sums(with_products(a, b)) == sums(a) | {name: sums(b)[name] for name in ("zz", "zv", "vv")}


def test_more_rows_than_one_call_takes_add_up() -> None:
    matrix = np.ones((2, 2 * MOST + 1))
    matrix[:, -1] = [np.inf, 3.0]
    rows = 2 * MOST
    assert moments_of_rows(matrix, ((0, 1), (1, -1))) == [
        Moments(rows, 1, 0, *[rows] * 5),
        Moments(rows + 1, 0, 0, rows + 3, rows + 1, rows + 9, rows + 3, rows + 1),
    ]


def test_denominators_are_finite() -> None:
    with pytest.raises(NotFinite):
        moments_of_rows(np.array([[1.0], [np.nan]]), ((0, 1),))
