"""Exact sums of the compiled core, against fractions."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from tests.core.doubles import adversarial, fractions

LARGEST, LEAST = 1.7976931348623157e308, 5e-324
MOST = 1 << 20
finite = st.floats(allow_nan=False, allow_infinity=False)


def number(total: tuple[bytes, int], factors: int = 1) -> Fraction:
    """A sum of products of so many doubles, from how the core writes it."""
    limbs, places = total
    return int.from_bytes(limbs, "little", signed=True) * Fraction(2) ** (places - 1074 * factors)


def power_sums(values: FloatArray) -> tuple[Fraction, Fraction]:
    found = compiled.power_sums(values)
    assert found is not None
    return number(found[0]), number(found[1], 2)


def dot(x: FloatArray, y: FloatArray) -> Fraction:
    found = compiled.dot(x, y)
    assert found is not None
    return number(found, 2)


def exact_dot(x: FloatArray, y: FloatArray) -> Fraction:
    return sum((a * b for a, b in zip(fractions(x), fractions(y), strict=True)), Fraction(0))


@given(st.lists(st.tuples(finite, finite), max_size=40))
@example([(LARGEST, LEAST), (LEAST, -LARGEST), (-LARGEST, LARGEST), (LEAST, LEAST), (0.0, -0.0)])
@example([(-LEAST, LARGEST)])
def test_sums_and_products_are_exact(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    assert power_sums(x) == (sum(fractions(x), Fraction(0)), exact_dot(x, x))
    assert dot(x, y) == exact_dot(x, y)


def test_sums_of_many_adversarial_doubles_are_exact() -> None:
    x, y = adversarial(20_000, 1), adversarial(20_000, 2)
    assert float(power_sums(x)[0]) == math.fsum(x)
    assert dot(x, y) == exact_dot(x, y)
    assert dot(x, x) == power_sums(x)[1]


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 2.0**-1022 - LEAST])
def test_as_many_numbers_as_one_call_takes_do_not_overflow(value: float) -> None:
    values, exact = np.full(MOST, value), Fraction(value)
    assert power_sums(values) == (MOST * exact, MOST * exact**2)
    assert dot(values, -values) == -MOST * exact**2
    assert by_group(values, np.zeros(MOST, np.int64), 1) == [MOST * exact]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_what_is_not_finite_has_no_exact_sum(wrong: float, place: int) -> None:
    values, ones = np.ones(7), np.ones(7)
    values[place] = wrong
    assert compiled.power_sums(values) is None
    assert compiled.dot(values, ones) is compiled.dot(ones, values) is None


def by_group(values: FloatArray, groups: IntArray, n_groups: int) -> list[Fraction]:
    """Sums by group, window by window from the largest exponent there is."""
    totals, top = [Fraction(0)] * n_groups, compiled.largest_exponent(values)
    while top:
        room = np.zeros(2 * n_groups, np.int64)
        below = compiled.window_sums(values, groups, top, room)
        assert below < max(top - 48, 1)
        for group in range(n_groups):
            whole = int.from_bytes(room[2 * group : 2 * group + 2].tobytes(), "little", signed=True)
            totals[group] += whole * Fraction(2) ** (top - 48 - 1075)
        top = below
    return totals


@given(st.lists(st.tuples(finite, st.integers(0, 2)), max_size=40))
@example([(LARGEST, 0), (-LEAST, 0), (2.0**975, 2), (2.0**974, 2), (-0.0, 1)])  # the edge of the first window
def test_sums_by_group_are_exact_window_by_window(pairs: list[tuple[float, int]]) -> None:
    values, groups = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.int64)
    expected = [sum(fractions(values[groups == group]), Fraction(0)) for group in range(3)]
    assert by_group(values, groups, 3) == expected


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        ([], 0),
        ([0.0, -0.0], 0),
        ([0.0, LEAST], 1),
        ([2.0**-1022, -LEAST], 1),
        ([1.0, -2.0, 1.5], 1024),
        ([LARGEST, 1.0], 2046),
        ([1.0, math.nan], 2047),
        ([-math.inf, 0.0], 2047),
    ],
)
def test_the_largest_exponent_is_found(values: list[float], exponent: int) -> None:
    assert compiled.largest_exponent(np.array(values)) == exponent


def test_sums_by_group_add_to_what_is_there() -> None:
    sums = np.array([5, 0, -1, -1])  # 5 and -1
    assert compiled.window_sums(np.array([LEAST, LEAST]), np.array([0, 1]), 49, sums) == 0
    assert sums.tolist() == [5 + 1, 0, 0, 0]


def test_calls_on_many_threads_do_not_meet() -> None:
    columns = [adversarial(50_000, seed) for seed in range(8)]
    alone = [compiled.power_sums(column) for column in columns]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(compiled.power_sums, columns * 4)) == alone * 4
