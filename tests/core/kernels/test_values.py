"""Means and shares of exact sums, against fractions and Python's own quotients."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.kernels import compiled
from app.core.metrics.plan import plan_of, step_of
from app.core.metrics.registry import METRICS
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums
from app.core.sums.moments import Moments, PackedMoments, moments_of_rows
from app.core.sums.state import State
from app.core.sums.uncertainty import mean, means, t_quantile
from app.core.values import Value, undefined

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


def test_only_weights_above_nothing_have_gaps() -> None:
    assert compiled.gaps([0, 4, 2, 2], [0, 1, 2, 0], [0, 4, 1, 1], math.fsum) == (0.625, 0.75)
    assert compiled.gaps([2**80], [2**79], [0], math.fsum) == (0.5, 0.5)
    assert compiled.gaps([], [], [], math.fsum) == (0.0, 0.0)


@given(st.integers(-(2**63), 2**63), st.integers(1, 2**63))
def test_gaps_of_any_size_are_rounded_once(sum_: int, weight: int) -> None:
    assert compiled.gaps([weight], [sum_], [0], math.fsum) == (abs(sum_ / weight), abs(sum_ / weight))
    assert compiled.gaps([weight], [0], [sum_], math.fsum) == (abs(sum_ / weight), abs(sum_ / weight))


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([0, 2**90, 2**90], Value(math.log(2.0))),
        ([1, 2**1100], Value(0.0)),
        ([0, 0], undefined("no scored row has positive weight")),
    ],
)
def test_only_weights_above_nothing_are_in_an_entropy(weights: list[int], found: Value) -> None:
    view = StateView(State("", 2, 3, 3, Exact(3), {}, {"class_frequencies": GroupSums({"weight": weights})}), 0.95)
    (metric,) = (metric for metric in METRICS if metric.name == "baseline_cross_entropy")
    plan = replace(plan_of("multiclass", Options()), steps=(step_of(metric, 1.0),))
    assert plan.values(view) == {"baseline_cross_entropy": found}


@pytest.mark.parametrize(
    "damage",
    [lambda of: of[:-1], lambda of: (((),), *of[1:]), lambda of: ([], *of[1:])],
    ids=["few", "a step of nothing", "a list"],
)
def test_values_of_what_are_no_steps_are_refused(damage: Any) -> None:
    with pytest.raises(TypeError, match="takes steps"):
        compiled.values(*damage(((), {}, {}, ("",) * 6, None, None, Value, undefined, math.fsum)))


@pytest.mark.parametrize("lists", [([1],), ([1], [1], []), ([1], [1], (1,))])
def test_lists_of_other_lengths_are_refused(lists: tuple[list[int], ...]) -> None:
    with pytest.raises(TypeError, match="three lists of one length"):
        compiled.gaps(*lists, math.fsum)  # type: ignore[call-arg, arg-type]


wide = st.integers(-(2**300), 2**300)


@given(wide, st.integers(1, 2**300), st.integers(0, 2300))
@example(1, 2**1074, 0)
@example(3, 2**1075, 0)
@example(2**1024 - 2**970, 1, 0)
@example(2**1024 - 1, 1, 0)
@example(5, 4, 1072)
@example(-(2**130), 2**66 + 1, 1100)
def test_a_quotient_of_any_size_is_rounded_once(dividend: int, divisor: int, places: int) -> None:
    for z, v in ((dividend, divisor << places), (dividend << places, divisor)):
        try:
            assert mean(Moments(1, z=z, v=v), 0.95).value == z / v
        except OverflowError:
            assert mean(Moments(1, z=z, v=v), 0.95).reason == "overflow"


@given(st.integers(2, 2**62), st.lists(st.integers(1, 2**200), min_size=5, max_size=5))
@example(2, [1 << 5000, 1 << 5000, 1 << 10100, 1 << 10050, 1 << 10000])
def test_an_error_of_any_size_is_that_of_fractions(n: int, sums: list[int]) -> None:
    z, v, zz, zv, vv = sums
    square = Fraction(n, n - 1) * (v * (v * zz - z * zv) + z * (z * vv - v * zv)) / Fraction(v) ** 4
    if square >= 0:
        found = mean(Moments(n, 0, 0, z, v, zz, zv, vv), 0.95)
        try:
            assert found.standard_error == math.sqrt(square.numerator / square.denominator)
        except OverflowError:
            assert found.standard_error is None


@given(st.lists(st.tuples(*[st.integers(0, 2**62)] * 3, *[wide] * 5, st.integers(-5000, 5000)), max_size=4))
def test_sums_are_unpacked_as_they_were_packed(sums: list[Any]) -> None:
    assert compiled.unpack(compiled.pack(sums)) == sums


def test_packed_moments_are_those_that_were_packed() -> None:
    sums = {"a": Moments(3, z=1, v=3, zz=2, zv=1, vv=3), "b": Moments(1, z=1, v=1)}
    packed = PackedMoments.of(sums)
    assert (dict(packed), len(packed)) == (sums, 2)
    assert means(packed, 0.95) == means(sums, 0.95)


def test_names_of_one_number_share_their_mean() -> None:
    packed = PackedMoments(compiled.pack([Moments(3, z=1, v=3, zz=2, zv=1, vv=3)]), {"a": 0, "b": 0})
    found = means(packed, 0.95)
    assert found["a"] is found["b"]


WORDS = compiled.pack([(1, 0, 0, 1, 1, 1, 1, 1, 0)])


@pytest.mark.parametrize(
    "packed",
    [
        WORDS[:-8],
        WORDS[8:],
        (2**63).to_bytes(8, "little") + WORDS[8:],
        WORDS[:8] + (2**64 - 1).to_bytes(8, "little") * 14,
        [1],
    ],
)
def test_bytes_that_are_no_sums_are_refused(packed: Any) -> None:
    with pytest.raises(ValueError, match="takes packed sums"):
        compiled.unpack(packed)


def test_arguments_that_are_no_sums_are_refused() -> None:
    for sums in ([(1, 2)], [1], (1,), [(*[1] * 8, "1")], [(*[1] * 8, 2**64)]):
        with pytest.raises((TypeError, OverflowError)):
            compiled.pack(sums)  # type: ignore[arg-type]
    with pytest.raises(OverflowError, match="too many digits"):
        compiled.pack([(1, 0, 0, 1 << 70_000, 1, 1, 1, 1, 0)])
    with pytest.raises(ValueError, match="numbers of pairs"):
        compiled.means(WORDS, {"a": 1}, 0.95, Moments, t_quantile, lambda *_: Moments())
    with pytest.raises(TypeError, match="numbers by name"):
        compiled.means(WORDS, {"a": 0})  # type: ignore[call-arg]
