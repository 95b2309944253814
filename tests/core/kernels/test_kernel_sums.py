"""Exact sums of the compiled core, against fractions."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, TypeAlias

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

Sums: TypeAlias = tuple[int, int, int, Fraction, Fraction, Fraction, Fraction, Fraction]


def moments(matrix: FloatArray, pairs: tuple[tuple[int, int], ...], weight_row: int) -> list[Any] | None:
    found = compiled.sums(matrix, weight_row, pairs, ())
    return None if found is None else found[0]


def group_sums(
    groups: IntArray, n_groups: int, matrix: FloatArray, rows: tuple[int, ...], weight_row: int
) -> tuple[Any, ...] | None:
    found = compiled.sums(matrix, weight_row, (), ((groups, n_groups, rows),))
    return None if found is None else found[1][0]


def read(found: tuple[int, ...]) -> Sums:
    """Moments as the core writes them, as fractions."""
    n, n_infinite, n_undefined, *sums, place = found
    unit = Fraction(2) ** place
    z, v, zz, zv, vv = (total * unit**factors for total, factors in zip(sums, (1, 1, 2, 2, 2), strict=True))
    return n, n_infinite, n_undefined, z, v, zz, zv, vv


def dot(x: list[Fraction], y: list[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0))


def exact_moments(z: FloatArray, v: FloatArray, weight: FloatArray) -> Sums:
    """Moments of columns, by the book."""
    kept = np.isfinite(z)
    n = int(np.count_nonzero(kept & (v > 0.0) & (weight > 0.0)))
    x, y = fractions(z[kept]), fractions(v[kept])
    counts = n, int(np.isinf(z).sum()), int(np.isnan(z).sum())
    return *counts, sum(x, Fraction(0)), sum(y, Fraction(0)), dot(x, x), dot(x, y), dot(y, y)


def column(rng: np.random.Generator, n: int) -> FloatArray:
    """Numbers of one kind or another: usual, of every size, whole, subnormal, at the ends, all of one size."""
    kinds: tuple[Any, ...] = (
        rng.standard_normal(n),
        np.ldexp(rng.standard_normal(n), rng.integers(-1074, 1023, n)),
        rng.integers(-2, 3, n).astype(float),
        rng.integers(-50, 50, n) * LEAST,
        rng.choice([LARGEST, -LARGEST, 1e308, 0.0, -0.0, LEAST, -LEAST, 1.0], n),
        rng.choice([0.0, -0.0, 0.3, -0.3], n),
        np.zeros(n),
    )
    chosen: FloatArray = kinds[rng.integers(len(kinds))]
    return chosen


def matrix_of(rng: np.random.Generator) -> FloatArray:
    n, m = rng.choice([0, 1, 2, 3, 7, 10, 33]), rng.integers(2, 6)
    return np.array([column(rng, n) for _ in range(m)])


@pytest.mark.parametrize("seed", range(300))
def test_moments_of_numbers_of_every_range_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng)
    m, n = matrix.shape
    if n and seed % 3 == 0:
        matrix[0, rng.integers(n)] = rng.choice([math.inf, -math.inf, math.nan])
    pairs = tuple((int(rng.integers(m)), int(rng.choice([-1, -3, *range(1, m)]))) for _ in range(4))
    weight_row = int(rng.integers(-1, m))
    found = moments(matrix, pairs, weight_row)
    assert found is not None
    weight = matrix[weight_row] if weight_row >= 0 else np.ones(n)
    for (z, v), own in zip(pairs, found, strict=True):
        assert read(own) == exact_moments(matrix[z], matrix[v] if v >= 0 else np.full(n, -v), weight)


@pytest.mark.parametrize("seed", range(300))
def test_the_unit_of_moments_is_as_large_as_can_be(seed: int) -> None:
    found = moments(matrix_of(np.random.default_rng(seed)), ((0, 1), (1, -2)), -1)
    assert found is not None
    for _, _, _, *sums, place in found:
        assert any(sums) or place == 0
        assert not any(sums) or any(total % 2 for total in sums[:2]) or any(total % 4 for total in sums[2:])


@given(st.lists(st.tuples(finite, finite), max_size=40))
@example([(LARGEST, LEAST), (LEAST, -LARGEST), (-LARGEST, LARGEST), (LEAST, LEAST), (0.0, -0.0)])
@example([(-LEAST, LARGEST)])
def test_moments_are_exact(pairs: list[tuple[float, float]]) -> None:
    matrix = np.array(pairs).reshape(-1, 2).T.copy()
    found = moments(matrix, ((0, 1),), -1)
    assert found is not None
    assert read(found[0]) == exact_moments(matrix[0], matrix[1], np.ones(len(pairs)))


def test_sums_of_many_adversarial_doubles_are_exact() -> None:
    matrix = np.array([adversarial(20_000, 1), adversarial(20_000, 2)])
    found = moments(matrix, ((0, 1), (1, 0)), -1)
    assert found is not None
    assert float(read(found[0])[3]) == math.fsum(matrix[0])
    assert [read(own) for own in found] == [exact_moments(matrix[z], matrix[1 - z], np.ones(20_000)) for z in (0, 1)]


@pytest.mark.parametrize("spread", [1, 12, 13, 14, 34, 35, 36, 56, 57, 58, 80])
@pytest.mark.parametrize("top", [1023, 0, -800, -912, -960])
@pytest.mark.parametrize("n", [1, 7, 1023, 1024, 2049])
def test_sums_of_numbers_that_lie_near_each_other_are_exact(n: int, top: int, spread: int) -> None:
    """Exponents from `top` down by `spread`; many of the numbers are the largest, whose sums need the most bits."""
    rng = np.random.default_rng([n, top + 1074, spread])
    others = np.ldexp(rng.choice([-1.0, 1.0], n) * rng.uniform(1.0, 2.0, n), rng.integers(-spread, 0, n))
    x = np.where(rng.random(n) < 0.8, 2.0 - 2.0**-52, others)
    x[-1] = -1.3 * 2.0**-spread
    matrix = np.ldexp(x, top)[None]
    found = moments(matrix, ((0, -1),), -1)
    assert found is not None
    assert read(found[0])[3:] == exact_moments(matrix[0], np.ones(n), np.ones(n))[3:]


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 2.0**-1022 - LEAST])
def test_as_many_numbers_as_one_call_takes_do_not_overflow(value: float) -> None:
    values, exact = np.full((2, MOST), value), Fraction(value)
    values[1, 0] = -1.0  # numbers of one size are counted
    rest = (MOST - 1) * exact - 1
    found = moments(values, ((0, -1), (1, 0)), -1)
    assert found is not None
    plain, product = map(read, found)
    assert plain[3:6] == (MOST * exact, Fraction(MOST), MOST * exact**2)
    assert product[3:7] == (rest, MOST * exact, (MOST - 1) * exact**2 + 1, rest * exact)
    assert by_group(values[1], np.zeros(MOST, np.int64), 1) == [rest]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_denominator_must_be_finite(wrong: float, place: int) -> None:
    matrix = np.ones((2, 7))
    matrix[1, place] = wrong
    assert moments(matrix, ((0, 1),), -1) is None
    assert group_sums(np.zeros(7, np.int64), 1, matrix, (0, 1), -1) is None


def by_group(values: FloatArray, groups: IntArray, n_groups: int) -> list[Fraction]:
    found = group_sums(groups, n_groups, values[None], (0,), -1)
    assert found is not None
    _, (totals,), place = found
    return [total * Fraction(2) ** place for total in totals]


@given(st.lists(st.tuples(finite, st.integers(0, 2)), max_size=40))
@example([(LARGEST, 0), (-LEAST, 0), (2.0**975, 2), (2.0**974, 2), (-0.0, 1)])  # the edge of the first window
def test_sums_by_group_are_exact(pairs: list[tuple[float, int]]) -> None:
    values, groups = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.int64)
    expected = [sum(fractions(values[groups == group]), Fraction(0)) for group in range(3)]
    assert by_group(values, groups, 3) == expected


@pytest.mark.parametrize("seed", range(300))
def test_sums_of_columns_by_group_are_exact_in_one_unit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng)
    m, n = matrix.shape
    n_groups = int(rng.integers(1, 5))
    groups = np.asarray(rng.integers(0, n_groups, n))
    rows = tuple(int(row) for row in rng.choice([-2, -1, *range(m)], 3))
    weight_row = int(rng.integers(-1, m))
    counted = matrix[weight_row] > 0.0 if weight_row >= 0 else np.ones(n, bool)
    found = group_sums(groups, n_groups, matrix, rows, weight_row)
    assert found is not None
    counts, sums, place = found
    assert counts == [int((counted & (groups == group)).sum()) for group in range(n_groups)]
    for row, totals in zip(rows, sums, strict=True):
        values = matrix[row] if row >= 0 else np.where(counted, -row, 0.0)
        expected = [sum(fractions(values[groups == group]), Fraction(0)) for group in range(n_groups)]
        assert [total * Fraction(2) ** place for total in totals] == expected


@pytest.mark.parametrize("holds_lower", [True, False])
def test_sums_by_bin_are_those_of_the_groups_that_bins_are(holds_lower: bool) -> None:
    rng = np.random.default_rng(3)
    matrix = np.array([rng.integers(0, 21, 200) / 20, column(rng, 200), rng.integers(0, 3, 200)])
    for n_bins in (1, 2, 10, 15):
        lower, numbers = np.arange(n_bins) / n_bins, np.empty(200, np.int64)
        compiled.bins(matrix[0], lower, holds_lower, numbers)
        by_group = (numbers, n_bins, (1, -1, 2))
        found = compiled.sums(matrix, 2, ((1, -1), (0, 2)), ((0, lower, holds_lower, (1, -1, 2)), by_group))
        assert found is not None
        of_pairs, (of_bins, of_groups) = found
        assert of_bins == of_groups == group_sums(*by_group[:2], matrix, by_group[2], 2)
        assert of_pairs == moments(matrix, ((1, -1), (0, 2)), 2)


def test_more_numbers_than_a_window_holds_are_summed_by_group() -> None:
    values = np.full(2 * MOST + 3, LARGEST)
    groups = np.arange(len(values)) % 2
    assert by_group(values, groups, 2) == [(MOST + 2) * Fraction(LARGEST), (MOST + 1) * Fraction(LARGEST)]


@pytest.mark.parametrize("span", [0, 17, 18, 19])
@pytest.mark.parametrize("bottom", [-1022, -1021, -970, -969, 0, 900, 925, 1003])
def test_numbers_at_the_ends_of_what_two_digits_hold_are_summed_by_group(bottom: int, span: int) -> None:
    """The largest digits of one sign in one group, and in as many as one call adds up."""
    largest, odd = np.ldexp(2.0 - 2.0**-52, bottom + span), np.ldexp(1.0 + 2.0**-52, bottom)
    for upper, lower in ((largest, odd), (-largest, -odd), (np.ldexp(1.5 + 2.0**-34, bottom + span), -odd)):
        values = np.full(MOST, upper)
        values[:9] = lower
        exact = Fraction(upper), Fraction(lower)
        assert by_group(values, np.zeros(MOST, np.int64), 1) == [(MOST - 9) * exact[0] + 9 * exact[1]]


@pytest.mark.parametrize("n_groups", [255, 256, 257, 5000])
def test_many_groups_are_summed_as_few_are(n_groups: int) -> None:
    rng = np.random.default_rng(n_groups)
    values, groups = rng.uniform(0.1, 1.0, 3000), rng.integers(0, n_groups, 3000)
    found = group_sums(groups, n_groups, np.array([values, values - 0.5]), (0, 1), 1)
    assert found is not None
    counts, sums, place = found
    assert counts == np.bincount(groups[values > 0.5], minlength=n_groups).tolist()
    totals = np.bincount(groups, values, n_groups), np.bincount(groups, values - 0.5, n_groups)
    np.testing.assert_allclose(np.array(sums, object).astype(float) * 2.0**place, totals, rtol=1e-12, atol=1e-14)
    assert [sum(own) for own in sums] == [
        sum(fractions(column)) * Fraction(2) ** -place for column in (values, values - 0.5)
    ]
    with pytest.raises(ValueError, match="groups must be numbered"):
        group_sums(np.where(groups == groups[7], n_groups, groups), n_groups, values[None], (0,), -1)


@pytest.mark.parametrize("n_groups", [-1, 0, 1 << 60, 1 << 61, (1 << 63) - 1])
def test_groups_are_as_many_as_memory_could_hold(n_groups: int) -> None:
    with pytest.raises(ValueError, match="takes groups, their number above 0"):
        group_sums(np.array([1 << 40]), n_groups, np.ones((1, 1)), (0,), -1)


@pytest.mark.parametrize("n_groups", [1, 3, 256, 257, 2000])
@pytest.mark.parametrize("n", [0, 1, 500, 20_000])
def test_places_of_groups_rise_one_group_behind_the_other(n: int, n_groups: int) -> None:
    groups, places = np.random.default_rng(n).integers(0, n_groups, n), np.empty(n, np.int64)
    counts = compiled.group_places(groups, n_groups, places)
    assert counts == np.bincount(groups, minlength=n_groups).tolist()
    assert places.tolist() == np.argsort(groups, kind="stable").tolist()


@pytest.mark.parametrize(
    ("groups", "n_groups", "size", "rule"),
    [
        ([0, 3, 1], 3, 3, "groups must be numbered from 0"),
        ([0, -1, 1], 3, 3, "groups must be numbered from 0"),
        ([0, 1], 0, 2, "groups must be numbered from 0"),
        ([0, 1, 2], 3, 2, "room for each place"),
        ([0], -1, 1, "takes groups, their number"),
        ([0], 1 << 61, 1, "takes groups, their number"),
    ],
)
def test_places_of_other_groups_are_refused(groups: list[int], n_groups: int, size: int, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        compiled.group_places(np.array(groups), n_groups, np.empty(size, np.int64))


def test_calls_on_many_threads_do_not_meet() -> None:
    columns = [adversarial(50_000, seed)[None] for seed in range(8)]

    def sums(column: FloatArray) -> object:
        return moments(column, ((0, -1),), -1), by_group(column[0], np.arange(50_000) % 7, 7)

    alone = list(map(sums, columns))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(sums, columns * 4)) == alone * 4
