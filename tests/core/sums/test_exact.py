import inspect
import math
import sys
from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.sums.exact import NOTHING, Exact, exact_sum
from app.core.sums.moments import Moments, column_moments
from app.core.sums.segments import segment_sums
from tests.core.doubles import adversarial

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_a_million_adversarial_doubles_add_up_as_fsum_has_it() -> None:
    values = adversarial(1_000_000, 1)
    total = exact_sum(values)
    assert float(total) == math.fsum(values)
    assert reduce(add, map(exact_sum, np.array_split(values, 37))) == total
    assert exact_sum(values[::-1]) == total


@given(st.lists(finite, max_size=50))
def test_sums_are_exact(values: list[float]) -> None:
    assert exact_sum(np.array(values)).fraction == sum(map(Fraction, values), Fraction(0))


@given(st.lists(finite, max_size=5), st.lists(finite, max_size=5), st.integers(-2000, 2000))
def test_arithmetic_of_sums_is_that_of_fractions(left: list[float], right: list[float], places: int) -> None:
    a, b = exact_sum(np.array(left)), exact_sum(np.array(right))
    assert (a + b).fraction == a.fraction + b.fraction
    assert (a - b).fraction == a.fraction - b.fraction
    assert a.shifted(places).fraction == a.fraction * Fraction(2) ** places
    assert bool(a) == bool(a.fraction)


def test_equal_sums_are_equal_however_they_are_written() -> None:
    assert Exact(4, -2) == Exact(1) != Exact(2)
    assert hash(Exact(4, -2)) == hash(Exact(1))
    assert Exact(0, 7) == NOTHING
    assert Exact(1) != 1


@pytest.mark.parametrize(
    ("a", "b"), [(1.0, 3.0), (5e-324, 1e308), (1e308, 5e-324), (-1e308, 7e307), (2.5e-323, 3e-323)]
)
def test_a_quotient_is_rounded_once(a: float, b: float) -> None:
    def quotient() -> float:
        return exact_sum(np.array([a])) / exact_sum(np.array([b]))

    if abs(Fraction(a) / Fraction(b)) > 2**1024:
        with pytest.raises(OverflowError):
            quotient()
    else:
        assert quotient() == float(Fraction(a) / Fraction(b))


def rounded(total: Fraction) -> float:
    """The nearest double, infinite beyond all of them."""
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


whole = st.integers(-(2**53), 2**53).map(float)
near_the_end = st.sampled_from([1e308, -1e308, 1.7976931348623157e308, 2.0**970, -(2.0**969)])


@settings(max_examples=300)
@given(st.lists(st.lists(finite | whole, min_size=1, max_size=5) | st.lists(whole | near_the_end, min_size=1)))
def test_segments_are_rounded_once(segments: list[list[float]]) -> None:
    starts = np.cumsum([0, *map(len, segments)])[:-1]
    sums = segment_sums(np.array([value for segment in segments for value in segment]), starts)
    assert sums.tolist() == [rounded(sum(map(Fraction, segment), Fraction(0))) for segment in segments]


@pytest.mark.parametrize("n", [3, 70, 500])
def test_segments_of_any_length_are_rounded_once(n: int) -> None:
    """One by one or all at once."""
    values = np.concatenate([adversarial(20 * n, n), np.array([1.0, 2.0])])
    starts = np.append(np.arange(0, 20 * n, n), 20 * n)
    assert segment_sums(values, starts).tolist() == [math.fsum(part) for part in np.split(values, starts[1:])]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([2.0**53, 1.0, -(2.0**53), 1.0], 2.0),  # a small whole sum, but not on the way
        ([1.0, 2**-53, 2**-53], 1.0 + 2**-52),
        ([1e308, 1e308], math.inf),
        ([-1e308, -1e308, -1e308], -math.inf),
        ([1e308, 1e308, -1e308], 1e308),
    ],
)
def test_a_segment_is_rounded_once(values: list[float], total: float) -> None:
    found = segment_sums(np.array([0.5, *values, 0.25, 3.0]), np.array([0, 1, len(values) + 1]))
    assert found.tolist() == [0.5, total, 3.25]


def test_the_largest_and_the_smallest_double_are_kept() -> None:
    values = np.array([1.7976931348623157e308, 5e-324, -1.7976931348623157e308])
    assert float(exact_sum(values)) == 5e-324
    assert exact_sum(np.array([5e-324])) == Exact(1, -1074)
    assert exact_sum(np.empty(0)) == NOTHING


def test_a_sum_beyond_all_doubles_says_so() -> None:
    with pytest.raises(OverflowError):
        float(exact_sum(np.array([1.7e308, 1.7e308])))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_have_a_sum(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        exact_sum(np.array([1.0, value]))


def test_any_number_of_numbers_is_added_without_recursion() -> None:
    frames = len(inspect.stack()) + 40
    ones, limit = np.broadcast_to(np.array(1.0), (100 << 20,)), sys.getrecursionlimit()
    sys.setrecursionlimit(frames)
    try:
        assert exact_sum(ones) == Exact(100 << 20)
        assert column_moments(ones, ones) == Moments(100 << 20, 0, 0, *[100 << 20] * 5)
    finally:
        sys.setrecursionlimit(limit)
