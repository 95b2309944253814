import math
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import ttest_rel

from app.core.compare.comparison import Comparison
from app.core.compare.significance import holm, t_test
from app.core.compare.verdicts import verdict
from app.core.sums.observations import Observations
from app.core.values import Value
from tests.core.paired import comparisons_of

LOSSES = {"a": [0.2, 0.9, 0.5, 0.1], "b": [0.3, 0.8, 0.7, 0.4]}
N_DATA_SETS = 2000


def compared(losses: dict[str, Any], weight: Any = None, size: Any = None, clusters: Any = None) -> Comparison:
    """The first candidate against the second."""
    (found,) = comparisons_of(losses, list(losses)[1], weight, size, clusters, min_samples=1)
    return found


def numbers(found: Comparison) -> tuple[float, float, tuple[float, float]]:
    """Value, standard error and interval, which must be there."""
    difference = found.difference
    assert difference.value is not None
    assert difference.standard_error is not None
    assert difference.confidence_interval is not None
    return difference.value, difference.standard_error, difference.confidence_interval


def interval(rows: Observations, differences: Any) -> tuple[float, float]:
    """The interval of the mean difference, without all else that a comparison tells."""
    found = rows.mean_of(np.asarray(differences), 0.95).confidence_interval
    assert found is not None
    return found


def test_the_worked_numbers() -> None:
    found = compared(LOSSES)
    value, error, _ = numbers(found)
    assert value == pytest.approx(-0.125, rel=1e-15)
    assert error == pytest.approx(0.08539125638, rel=1e-10)
    assert (found.wins, found.losses, found.ties) == (3, 1, 0)
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("n", [2, 3, 30, 5000])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_without_weights_it_is_the_paired_t_test(n: int, offset: float) -> None:
    rng = np.random.default_rng(n)
    a = rng.exponential(size=n) + offset
    b = a + rng.normal(0.1, 1.0, n)
    found = compared({"a": a, "b": b})
    value, error, bounds = numbers(found)
    oracle = ttest_rel(a, b)
    digits = 1e-9 if offset else 1e-12  # the losses themselves have lost six digits to the offset
    assert found.t_statistic == pytest.approx(oracle.statistic, rel=digits)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=digits)
    assert bounds == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=digits)
    assert value / error == found.t_statistic
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1], rel=digits, abs=1e-12)


def plain(losses: dict[str, list[float]], weight: list[float], size: list[float], clusters: list[int]) -> Any:
    """Difference, its standard error and the correlation of residuals, as the textbook writes them."""
    a, b = losses.values()
    rows = list(zip(clusters, weight, size, a, b, strict=True))
    total = math.fsum(w * s for _, w, s, _, _ in rows)

    def mean(loss: Any) -> float:
        return math.fsum(row[1] * loss(row) for row in rows) / total

    def errors(loss: Any) -> list[float]:
        grouped = groupby(sorted(rows), key=lambda row: row[0])
        return [math.fsum(r[1] * (loss(r) - mean(loss) * r[2]) for r in group) for _, group in grouped]

    losses_of = [lambda row: row[3], lambda row: row[4], lambda row: row[3] - row[4]]
    n = len(set(clusters))
    ours, theirs, paired = ([e / total for e in errors(loss)] for loss in losses_of)
    variances = [n / (n - 1) * math.fsum(e * e for e in one) for one in (ours, theirs, paired)]
    correlation = (variances[0] + variances[1] - variances[2]) / (2 * math.sqrt(variances[0] * variances[1]))
    return mean(losses_of[2]), math.sqrt(variances[2]), correlation, n


@pytest.mark.parametrize("seed", range(20))
def test_weights_documents_and_clusters_agree_with_a_plain_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    clusters = np.sort(rng.integers(0, 6, n)).tolist()
    size = rng.integers(1, 9, n).astype(float).tolist() if seed % 2 else [1.0] * n
    losses = {"a": (rng.exponential(size=n) * size).tolist(), "b": (rng.exponential(size=n) * size).tolist()}
    weight = rng.exponential(size=n).tolist() if seed % 3 else [1.0] * n
    found = compared(losses, weight, size, clusters)
    value, error, bounds = numbers(found)
    expected, expected_error, correlation, n_clusters = plain(losses, weight, size, clusters)
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert error == pytest.approx(expected_error, rel=1e-12)
    assert found.correlation == pytest.approx(correlation, rel=1e-9, abs=1e-12)
    spread = stdtrit(n_clusters - 1, 0.975) * error
    assert bounds == pytest.approx((value - spread, value + spread), rel=1e-12)


def test_clusters_of_one_row_are_no_clusters() -> None:
    """Bit for bit."""
    rng = np.random.default_rng(0)
    losses = {"a": rng.exponential(size=9000), "b": rng.exponential(size=9000)}
    weight = rng.random(9000)
    assert compared(losses, weight, clusters=np.arange(9000)) == compared(losses, weight)


def test_clusters_of_copies_say_no_more_than_one_of_them() -> None:
    once = compared(LOSSES)
    thrice = compared({name: np.repeat(values, 3) for name, values in LOSSES.items()}, clusters=np.repeat(range(4), 3))
    assert numbers(thrice)[:2] == pytest.approx(numbers(once)[:2], rel=1e-15)
    assert thrice.p_value == pytest.approx(once.p_value, rel=1e-14)
    assert thrice.wins == 3 * once.wins


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_leaves_no_trace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 300))
    losses = {name: np.exp(rng.normal(0, 8, n)) for name in "abc"}
    weight, size = np.exp(rng.normal(0, 3, n)), rng.integers(1, 50, n)
    clusters = np.sort(rng.integers(0, n, n)) if seed % 2 else None
    order = rng.permutation(n)
    if clusters is not None:
        order = order[np.argsort(clusters[order], kind="stable")]
    moved = (
        {name: values[order] for name, values in losses.items()},
        weight[order],
        size[order],
        None if clusters is None else clusters[order],
    )
    assert comparisons_of(moved[0], "b", *moved[1:]) == comparisons_of(losses, "b", weight, size, clusters)


def test_the_other_way_round_is_the_negative() -> None:
    rng = np.random.default_rng(3)
    losses = {"a": rng.exponential(size=50), "b": rng.exponential(size=50)}
    there, back = compared(losses), compared(dict(reversed(losses.items())))
    assert numbers(back)[0] == -numbers(there)[0]
    assert numbers(back)[1] == numbers(there)[1]
    assert (back.p_value, back.correlation) == (there.p_value, there.correlation)
    assert (back.wins, back.losses) == (there.losses, there.wins)


@pytest.mark.parametrize("clusters", [None, [0, 0, 1, 1]])
@pytest.mark.parametrize("weight", [None, [0.1, 0.2, 0.3, 0.7]])
def test_equal_candidates_differ_by_nothing(weight: Any, clusters: Any) -> None:
    losses = {"a": LOSSES["a"], "b": LOSSES["a"]}
    found = compared(losses, weight, clusters=clusters)
    assert numbers(found) == (0.0, 0.0, (0.0, 0.0))
    assert (found.t_statistic, found.p_value, found.correlation, found.ties) == (0.0, 1.0, 1.0, 4)
    assert found.verdict == "inconclusive"
    (found,) = comparisons_of(losses, "b", weight, clusters=clusters, margin=1e-9, min_samples=1)
    assert found.verdict == "equivalent"


def test_losses_that_differ_by_rounding_are_tied() -> None:
    ulp = np.finfo(np.float64).eps
    a = np.array([0.2, 1e-6, 5.0, 300.0, 0.0])
    found = compared({"a": a, "b": a + np.array([2, 2, 8, 400, 1]) * ulp})
    assert numbers(found) == (0.0, 0.0, (0.0, 0.0))
    assert (found.wins, found.losses, found.ties, found.p_value) == (0, 0, 5, 1.0)
    found = compared({"a": a, "b": a + np.array([9, 9, 40, 2400, 9]) * ulp})
    assert (found.wins, found.losses, found.ties) == (5, 0, 0)
    assert numbers(found)[0] < 0.0


def test_a_tie_among_rows_leaves_the_others_as_they_are() -> None:
    found = compared({"a": [0.2, 0.9, math.nextafter(0.5, 1.0)], "b": [0.3, 0.8, 0.5]})
    same = compared({"a": [0.2, 0.9, 0.5], "b": [0.3, 0.8, 0.5]})
    assert (found.difference, found.wins, found.losses, found.ties) == (same.difference, 1, 1, 1)


def test_a_difference_without_spread_is_no_proof_and_has_no_test() -> None:
    found = compared({"a": [1.0, 2.0, 3.0], "b": [1.5, 2.5, 3.5]})
    assert numbers(found) == (-0.5, 0.0, (-0.5, -0.5))
    assert (found.t_statistic, found.p_value, found.verdict) == (None, None, "inconclusive")
    assert found.to_json().keys().isdisjoint({"t_statistic", "p_value"})


@pytest.mark.parametrize("weight", [None, [0.1, 0.2, 0.3, 0.7]])
def test_a_constant_loss_is_correlated_with_nothing(weight: Any) -> None:
    """A uniform baseline has such a loss; the rounding of weighted losses is no spread."""
    found = compared({"a": LOSSES["a"], "uniform": [math.log(3)] * 4}, weight)
    assert found.correlation is None
    assert found.p_value is not None


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e150])
def test_a_correlation_does_not_depend_on_the_size_of_losses(size: float) -> None:
    losses = {"a": np.array([0.1, *[19.0] * 9, 18.0]), "b": np.array([0.2, *[18.0] * 10])}
    found = compared({name: size / 32 * values for name, values in losses.items()})
    assert found.correlation == pytest.approx(np.corrcoef(losses["a"], losses["b"])[0, 1], rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "status", "words"),
    [
        ([math.inf, 1], [1, 1], "infinite", "only the loss of a is infinite: 1; the difference is plus infinity"),
        ([1, 1], [math.inf] * 2, "infinite", "only the loss of b is infinite: 2; the difference is minus infinity"),
        ([math.inf, 1], [math.inf] * 2, "undefined", "rows of infinite loss: 1 of a, 2 of b"),
        ([math.inf, 1], [1, math.inf], "undefined", "rows of infinite loss: 1 of a, 1 of b"),
    ],
)
def test_an_infinite_loss_leaves_no_number_and_a_reason(a: Any, b: Any, status: str, words: str) -> None:
    found = compared({"a": a, "b": b})
    assert (found.difference.value, found.difference.status) == (None, status)
    assert found.difference.reason is not None
    assert words in found.difference.reason
    assert (found.t_statistic, found.p_value, found.correlation) == (None, None, None)
    assert found.wins == sum(x < y for x, y in zip(a, b, strict=True))
    assert found.losses == sum(x > y for x, y in zip(a, b, strict=True))
    assert found.wins + found.losses + found.ties == 2


def test_a_row_without_weight_is_a_row_left_out() -> None:
    weight = [1.0, 2.0, 0.5, 3.0]
    padded = {name: [math.inf, *values, 0.3] for name, values in LOSSES.items()}
    assert compared(padded, [0.0, *weight, 0.0]) == compared(LOSSES, weight)
    clusters = [0, 1, 1, 2, 3, 4]
    assert compared(padded, [0.0, *weight, 0.0], clusters=clusters) == compared(LOSSES, weight, clusters=clusters[1:5])


@pytest.mark.parametrize(("clusters", "word"), [(None, "row"), ([7], "cluster")])
def test_one_observation_has_no_error(clusters: Any, word: str) -> None:
    found = compared({"a": [1.0], "b": [1.25]}, clusters=clusters)
    assert found.difference == Value(value=-0.25, reason=f"no standard error: only one {word} of positive weight")
    assert (found.p_value, found.verdict) == (None, "inconclusive")


def test_a_cluster_may_add_up_to_more_than_a_double_holds() -> None:
    found = compared({"a": [1e308, 1e308, 1.0], "b": [0.0, 0.0, 0.0]}, clusters=[0, 0, 1])
    assert found.difference == Value(value=1e308 / 3 * 2)
    assert (found.p_value, found.verdict, found.losses) == (None, "inconclusive", 3)


def test_clusters_that_no_double_holds_may_differ_by_what_one_does() -> None:
    rest = {"a": [1.0, 3.0, 2.0], "b": [1.0, 2.0, 2.5]}
    clusters = [0, 0, 1, 2, 3]
    found, small = (
        compared({name: [size, size, *losses] for name, losses in rest.items()}, clusters=clusters)
        for size in (1e308, 5.0)
    )
    assert (found.difference, found.p_value) == (small.difference, small.p_value)
    assert found.p_value is not None
    assert found.correlation == pytest.approx(1.0)


@pytest.mark.parametrize("clusters", [None, []])
def test_no_observation_has_no_difference(clusters: Any) -> None:
    found = compared({"a": [], "b": []}, clusters=clusters)
    assert (found.difference.status, found.wins, found.verdict) == ("undefined", 0, "inconclusive")


def test_a_huge_loss_does_not_drown_the_noise() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=1000)
    found = compared({"a": 1e8 + noise, "b": [1e8] * 1000})
    assert numbers(found)[1] == pytest.approx(noise.std(ddof=1) / math.sqrt(1000), rel=1e-6)


def test_the_unit_scales_difference_and_margin_alike() -> None:
    losses = {"a": [0.0, 0.01, 0.02], "b": [0.05, 0.07, 0.06]}
    (nats,) = comparisons_of(losses, "b", margin=0.03, min_samples=1)
    (bits,) = comparisons_of(losses, "b", margin=0.03 / math.log(2), nats_per_unit=math.log(2), min_samples=1)
    assert numbers(bits)[0] == pytest.approx(numbers(nats)[0] / math.log(2), rel=1e-15)
    assert bits.t_statistic == pytest.approx(nats.t_statistic, rel=1e-14)
    assert (nats.verdict, bits.verdict) == ("inconclusive", "inconclusive")


def test_p_values_and_intervals_tell_the_same() -> None:
    rng = np.random.default_rng(4)
    verdicts = set()
    for _ in range(200):
        a = rng.exponential(size=12)
        found = compared({"a": a, "b": a + rng.normal(rng.choice([-0.5, 0.0, 0.5]), 0.7, 12)})
        assert found.p_value is not None
        assert (found.verdict == "inconclusive") == (found.p_value >= 0.05)
        verdicts.add(found.verdict)
    assert verdicts == {"better", "worse", "inconclusive"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.02, 1.0]), max_size=12))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    ranked = sorted(p_values)
    m = len(ranked)
    stepped = {p: max(min(1.0, (m - i) * q) for i, q in enumerate(ranked) if q <= p) for p in p_values}
    assert holm(p_values) == [stepped[p] for p in p_values]


def test_several_pairs_are_adjusted_those_without_a_test_aside() -> None:
    rng = np.random.default_rng(8)
    losses: dict[str, Any] = {name: rng.exponential(1.0 + 0.3 * i, 40) for i, name in enumerate("abcd")}
    losses["b"][3] = math.inf
    found = comparisons_of(losses, "a")
    assert [pair.candidate for pair in found] == ["b", "c", "d"]
    assert (found[0].p_value, found[0].p_value_adjusted) == (None, None)
    assert [p.p_value_adjusted for p in found[1:]] == holm([p.p_value for p in found[1:] if p.p_value is not None])


def test_t_beyond_all_doubles_is_no_number() -> None:
    assert t_test(Value(value=1.0, standard_error=5e-324), 10) == (None, 0.0)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Skewed, correlated losses; 2,000 data sets leave a binomial error of 0.5 %."""
    rng = np.random.default_rng(2026)
    alarms = 0
    for _ in range(N_DATA_SETS):
        a, b = rng.exponential(size=100) * rng.lognormal(0, 0.5, (2, 100))
        alarms += compared({"a": a, "b": b}).verdict != "inconclusive"
    assert 0.03 <= alarms / N_DATA_SETS <= 0.06


def test_intervals_of_documents_cover_the_truth_as_often_as_promised() -> None:
    """A ratio of sums, its denominator random, correlated with the numerator, and weighted."""
    rng = np.random.default_rng(2028)
    covered = 0
    for _ in range(N_DATA_SETS):
        size, weight = rng.integers(5, 50, 100), rng.uniform(0.5, 1.5, 100)
        lower, upper = interval(Observations(100, weight, weight * size), size * rng.normal(0.25, 0.1 + size / 50.0))
        covered += lower <= 0.25 <= upper
    assert 0.93 <= covered / N_DATA_SETS <= 0.97


def test_clusters_keep_the_promise_where_rows_do_not() -> None:
    rng = np.random.default_rng(2027)
    rows, clustered = (Observations(200, clusters=codes) for codes in (None, np.repeat(np.arange(40), 5)))
    alarms = naive = 0
    for _ in range(N_DATA_SETS):
        differences = np.repeat(rng.normal(size=40), 5) + rng.normal(size=200)
        alarms += verdict(interval(clustered, differences), 0.0) != "inconclusive"
        naive += verdict(interval(rows, differences), 0.0) != "inconclusive"
    assert 0.04 <= alarms / N_DATA_SETS <= 0.06
    assert naive / N_DATA_SETS > 0.15


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(5)
    b = rng.exponential(size=400)
    losses = {"a": b - rng.exponential(0.2, 400), "b": b}
    (found,) = comparisons_of(losses, "b", margin=0.1)
    assert found.verdict == "better"
    (found,) = comparisons_of(losses, "b", margin=0.5)
    assert found.verdict == "equivalent"


def test_an_interval_beyond_all_doubles_is_none() -> None:
    found = compared({"a": [1.7e308, 0.0], "b": [0.0, 1e300]})
    assert found.difference.value is not None
    assert found.difference.confidence_interval is None
    assert found.verdict == "inconclusive"
