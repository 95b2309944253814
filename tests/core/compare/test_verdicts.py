"""Verdicts: every branch, and laws."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from app.core.compare.comparison import Comparison, Terms, judged, pairs
from app.core.compare.verdicts import verdict
from tests.core.paired import comparisons_of, paired_state

RNG = np.random.default_rng(2026)
NOISE = RNG.normal(0.0, 0.1, 24)
B = RNG.exponential(size=24) + 1.0
BETTER, WORSE, SAME = B - 0.5 + NOISE, B + 0.5 + NOISE, B + 0.001 * NOISE


def against_b(losses: Any, weight: Any = None, clusters: Any = None, b: Any = B, **terms: Any) -> Comparison:
    (found,) = comparisons_of({"a": losses, "b": b}, "b", weight, clusters=clusters, **terms)
    return found


def with_infinite(losses: Any, *rows: int) -> Any:
    changed = np.array(losses)
    changed[list(rows)] = math.inf
    return changed


@pytest.mark.parametrize(
    ("bounds", "margin", "expected"),
    [
        ((-0.3, -0.1), 0.0, "better"),
        ((0.1, 0.3), 0.0, "worse"),
        ((-0.3, 0.1), 0.0, "inconclusive"),
        ((0.0, 0.0), 0.0, "inconclusive"),
        ((-0.3, 0.0), 0.0, "inconclusive"),
        ((-0.3, -0.1), 0.1, "inconclusive"),
        ((-0.3, -0.2), 0.1, "better"),
        ((0.2, 0.3), 0.1, "worse"),
        ((-0.1, 0.1), 0.1, "equivalent"),
        ((0.05, 0.1), 0.1, "equivalent"),
        ((-0.1, 0.11), 0.1, "inconclusive"),
        (None, 0.1, "inconclusive"),
    ],
)
def test_the_verdict_reads_the_interval(bounds: Any, margin: float, expected: str) -> None:
    assert verdict(bounds, margin) == expected


@pytest.mark.parametrize(
    ("losses", "margin", "expected"),
    [
        (BETTER, 0.0, "better"),
        (WORSE, 0.0, "worse"),
        (SAME, 0.0, "inconclusive"),
        (SAME, 0.01, "equivalent"),
        (B, 0.01, "equivalent"),
        (BETTER, 0.5, "inconclusive"),
        (BETTER, 0.4, "better"),
    ],
)
def test_where_the_interval_decides_there_is_no_reason(losses: Any, margin: float, expected: str) -> None:
    found = against_b(losses, margin=margin)
    assert (found.verdict, found.reason) == (expected, None)
    assert "reason" not in found.to_json()


def test_a_change_of_nothing_without_a_margin_is_told_to_want_one() -> None:
    found = against_b(B)
    assert (found.verdict, found.p_value) == ("inconclusive", 1.0)
    assert found.reason == "the losses are equal everywhere: only a margin above 0 makes that equivalent"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected", "reason"),
    [
        ((3,), (), "worse", "1 of the candidate, none of the baseline"),
        ((), (0, 5), "better", "none of the candidate, 2 of the baseline"),
        ((1, 2, 3), (4, 5), "inconclusive", "3 of the candidate, 2 of the baseline"),
        ((1,), (1,), "inconclusive", "1 of the candidate, 1 of the baseline"),
        (range(24), (), "worse", "24 of the candidate, none of the baseline"),
    ],
)
@pytest.mark.parametrize("margin", [0.0, 1e9])
def test_an_infinite_loss_decides(ours: Any, theirs: Any, expected: str, reason: str, margin: float) -> None:
    found = against_b(with_infinite(B, *ours), b=with_infinite(B, *theirs), margin=margin)
    assert (found.verdict, found.reason) == (expected, f"rows of infinite loss: {reason}")
    assert found.difference.value is None


@pytest.mark.parametrize("weight", [[0.0, *[1.0] * 23], [0.0, *[3.0] * 23]])
def test_an_infinite_loss_of_no_weight_decides_nothing(weight: list[float]) -> None:
    found = against_b(with_infinite(BETTER, 0), weight)
    assert (found.verdict, found.reason) == ("better", None)


@pytest.mark.parametrize("losses", [BETTER, WORSE, B, SAME, with_infinite(B, 3)])
def test_too_few_rows_decide_nothing_whatever_they_say(losses: Any) -> None:
    found = against_b(losses[:19], b=B[:19], margin=0.01)
    assert (found.verdict, found.reason) == ("inconclusive", "fewer rows of positive weight than min_samples, 20: 19")
    assert against_b(losses[:20], b=B[:20], margin=0.01).verdict != "inconclusive"
    assert against_b(losses[:19], b=B[:19], margin=0.01, min_samples=19).verdict != "inconclusive"


def test_rows_without_weight_and_rows_of_one_cluster_do_not_count() -> None:
    weight = np.where(np.arange(24) < 5, 0.0, 1.0)
    assert against_b(BETTER, weight).reason == "fewer rows of positive weight than min_samples, 20: 19"
    clusters = np.minimum(np.arange(24), 18)
    assert against_b(BETTER, clusters=clusters).reason == "fewer clusters of positive weight than min_samples, 20: 19"
    assert against_b(BETTER, clusters=np.arange(24)).verdict == "better"


@pytest.mark.parametrize("heavy", [8.0, 1e3, 1e12])
def test_one_heavy_row_decides_nothing(heavy: float) -> None:
    """The error of such a row would be estimated from rows that weigh nothing beside it, and the interval would lie."""
    losses = np.where(np.arange(24) == 0, B - 1.0, WORSE)
    weight = [heavy, *[0.1] * 23]
    found = against_b(losses, weight)
    assert found.verdict == "inconclusive"
    assert found.reason is not None
    assert "of so unequal weight or size say as much as" in found.reason
    assert against_b(BETTER, weight, min_samples=1).verdict == "better"


def test_rows_lighter_than_the_rounding_of_a_heavy_one_show_no_spread() -> None:
    found = against_b(BETTER, [1e100, *[0.1] * 23], min_samples=1)
    assert (found.verdict, found.p_value) == ("inconclusive", None)


def test_one_heavy_cluster_decides_nothing() -> None:
    clusters = np.repeat(range(25), [400, *[1] * 24])
    b = RNG.exponential(size=424)
    found = against_b(b - 1.0 + RNG.normal(size=424), clusters=clusters, b=b)
    assert (found.verdict, "25 clusters" in str(found.reason)) == ("inconclusive", True)


def test_weights_as_uneven_as_they_often_are_are_no_shortage() -> None:
    weight = np.tile([1.0, 2.0, 3.0], 8)
    assert against_b(BETTER, weight).verdict == "better"


@pytest.mark.parametrize("amount", [-0.5, 0.5, 1e-9])
@pytest.mark.parametrize("clusters", [None, np.arange(24) // 1, np.repeat(range(12), 2)])
def test_one_difference_on_every_row_is_no_proof(amount: float, clusters: Any) -> None:
    found = against_b(B + amount, clusters=clusters, min_samples=12)
    assert (found.verdict, found.reason) == (
        "inconclusive",
        "the losses differ by the same amount everywhere: nothing is known of the spread",
    )
    assert (found.t_statistic, found.p_value) == (None, None)


@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 1.5, 24), np.geomspace(1e-9, 1, 24) + 1.0])
def test_rounding_is_no_spread(weight: Any) -> None:
    """Losses -log .6 and -log .5 differ by as much as -log(1 - .4) and -log(1 - .5) but for the last bits."""
    differences = np.where(np.arange(24) % 2, -math.log(0.6), -math.log(1.0 - 0.4)) + math.log(0.5)
    shaken = B + differences + RNG.uniform(-2e-16, 2e-16, 24)
    assert against_b(shaken, weight).verdict == "inconclusive"
    assert against_b(shaken + 1e-9 * NOISE, weight).verdict == "better"


def test_clusters_that_cancel_within_are_no_proof() -> None:
    up_and_down = np.tile([0.3, -0.3], 24)
    b = np.repeat(B, 2)
    found = against_b(b - 0.01 + up_and_down, clusters=np.repeat(range(24), 2), b=b)
    assert found.verdict == "inconclusive"


def test_one_difference_within_the_margin_is_equivalent() -> None:
    assert against_b(B + 0.005, margin=0.01).verdict == "equivalent"
    assert against_b(B + 0.02, margin=0.01).verdict == "inconclusive"


def test_an_interval_beyond_all_doubles_decides_nothing() -> None:
    losses = np.where(np.arange(24) == 0, 1.7e308, B)
    found = against_b(losses)
    assert (found.verdict, found.reason) == ("inconclusive", "no interval: beyond the range of doubles")


def several(n_pairs: int, shift: float = -0.06, n: int = 24) -> dict[str, Any]:
    rng = np.random.default_rng(n_pairs)
    b = rng.exponential(size=n)
    return {"b": b} | {f"c{i}": b + rng.normal(shift, 0.1, n) for i in range(n_pairs)}


@pytest.mark.parametrize("n_pairs", [2, 5, 49])
def test_several_pairs_have_simultaneous_intervals(n_pairs: int) -> None:
    together, alone = (comparisons_of(several(n_pairs), "b", family=family) for family in ("pairs", "none"))
    for wide, narrow in zip(together, alone, strict=True):
        assert (narrow.simultaneous_interval, narrow.p_value_adjusted) == (None, None)
        assert wide.difference == narrow.difference
        assert wide.difference.value is not None
        assert wide.difference.standard_error is not None
        spread = student.ppf(1.0 - 0.05 / (2 * n_pairs), 23) * wide.difference.standard_error
        expected = wide.difference.value - spread, wide.difference.value + spread
        assert wide.simultaneous_interval == pytest.approx(expected, rel=1e-10)
        assert wide.verdict == verdict(wide.simultaneous_interval, 0.0)
        assert narrow.verdict == verdict(narrow.difference.confidence_interval, 0.0)
    assert [entry.verdict for entry in together] != [entry.verdict for entry in alone]


def test_one_pair_is_its_own_family() -> None:
    together, alone = (comparisons_of(several(1, shift=-0.5), "b", family=family) for family in ("pairs", "none"))
    assert together == alone
    assert together[0].simultaneous_interval is None


def test_all_pairs_of_all_groups_are_one_family() -> None:
    terms = Terms("b", ("c0", "c1"))
    groups = [pairs(paired_state(several(2)), terms), pairs(paired_state(several(3)), Terms("b", ("c0", "c1", "c2")))]
    found = judged(groups, terms)
    assert [len(group) for group in found] == [2, 3]
    spread = student.ppf(1.0 - 0.05 / 10, 23)
    for entry in (entry for group in found for entry in group):
        assert entry.simultaneous_interval is not None
        half = (entry.simultaneous_interval[1] - entry.simultaneous_interval[0]) / 2
        assert half == pytest.approx(spread * (entry.difference.standard_error or 0.0), rel=1e-10)
    assert judged([], terms) == []


def test_an_infinite_loss_among_several_decides_its_own_pair_only() -> None:
    losses = several(3, shift=-0.5)
    found = comparisons_of(losses | {"c1": with_infinite(losses["c1"], 2)}, "b")
    assert [entry.verdict for entry in found] == ["better", "worse", "better"]
    assert [entry.simultaneous_interval is None for entry in found] == [False, True, False]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(list("abcd")))
def test_the_order_of_candidates_leaves_no_trace(seed: int, order: list[str]) -> None:
    rng = np.random.default_rng(seed)
    losses = {name: rng.exponential(size=30) for name in "abcd"}
    before, after = (
        {entry.candidate: entry for entry in comparisons_of(some, "b", margin=0.1)}
        for some in (losses, {name: losses[name] for name in order})
    )
    assert before == after


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_weight_of_two_is_a_copy_in_one_cluster(seed: int) -> None:
    """The difference is that of the row sent twice; the error too, where copies are known to be dependent."""
    rng = np.random.default_rng(seed)
    a, b, twice = rng.exponential(size=30), rng.exponential(size=30), rng.integers(1, 3, 30)
    weighted = against_b(a, twice.astype(float), b=b)
    copied = against_b(np.repeat(a, twice), clusters=np.repeat(range(30), twice), b=np.repeat(b, twice))
    assert weighted.verdict == copied.verdict
    assert weighted.difference.value == pytest.approx(copied.difference.value, rel=1e-15)
    assert weighted.difference.standard_error == pytest.approx(copied.difference.standard_error, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_margin_only_ever_takes_a_verdict_of_difference_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = B + rng.normal(rng.choice([-0.3, 0.0, 0.3]), 0.3, 24)
    bare, lenient = against_b(a), against_b(a, margin=float(rng.exponential(0.2)))
    assert bare.difference == lenient.difference
    if lenient.verdict in ("better", "worse"):
        assert lenient.verdict == bare.verdict
    assert bare.verdict != "equivalent"
