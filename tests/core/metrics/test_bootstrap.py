from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from app.core.calibration.bins import gaps
from app.core.calibration.equal_mass import adaptive_calibration_error, debiased_calibration_error
from app.core.calibration.levels import Levels, levels_of
from app.core.calibration.smooth import smooth_calibration_error
from app.core.columns import FloatArray, IntArray
from app.core.formulas.bins import bin_index
from app.core.metrics.bootstrap import (
    MAX_STEPS,
    BinaryRows,
    Bootstrap,
    Statistic,
    binary_rows,
    check_work,
    expected_gap_statistic,
    largest_gap_statistic,
    level_statistic,
    replicates,
    resamples,
    with_interval,
)
from app.core.options import Options
from app.core.sums.tables import calibration_of
from app.core.values import INFINITE, Value, undefined
from app.errors import InvalidInput
from tests.core.calibration.test_equal_mass import forecasts

FEW = Bootstrap(n_resamples=20)
FREE = Statistic(lambda _: 0.5, steps_per_row=0.0, steps=0)


def rows_of(n: int, seed: int) -> BinaryRows:
    confidence, labels = forecasts(n, seed)
    return binary_rows(confidence, labels, np.random.default_rng(seed).integers(0, 4, n).astype(float))


def adaptive(levels: Levels) -> Value:
    return adaptive_calibration_error(levels, 10)


def varied_of(statistic: Statistic, n: int, plan: Bootstrap, clusters: IntArray | None = None) -> FloatArray:
    return replicates({"it": statistic}, n, plan, clusters)["it"]


def test_rows_stand_in_an_order_of_their_own() -> None:
    confidence, labels, weight = np.array([0.5, 0.1, 0.5, 0.5]), np.array([True, True, False, True]), np.ones(4)
    weight[3] = 0.0
    rows = binary_rows(confidence, labels, weight)
    assert rows.order.tolist() == [1, 2, 0]
    assert (rows.confidence.tolist(), rows.frequency.tolist()) == ([0.1, 0.5, 0.5], [1.0, 0.0, 1.0])
    mixed = binary_rows(confidence[::-1], labels[::-1], weight[::-1])
    assert np.array_equal(mixed.frequency, rows.frequency)


def test_as_many_rows_are_drawn_as_there_are_and_each_as_often() -> None:
    counts = np.array(list(resamples(50, Bootstrap(n_resamples=4000))))
    assert set(counts.sum(axis=1).tolist()) == {50}
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=5 / np.sqrt(4000))
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.02)


def test_clusters_are_drawn_whole() -> None:
    clusters = np.array([7, 3, 7, 9, 3, 7])
    for counts in resamples(6, FEW, clusters):
        assert counts[0] == counts[2] == counts[5]
        assert counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] == 3


def test_rows_alike_stand_in_the_order_of_their_marks() -> None:
    mark = np.array([3.0, 1.0, 2.0])
    assert binary_rows(np.full(3, 0.5), np.ones(3), None, mark).order.tolist() == [1, 2, 0]


def test_a_seed_says_everything() -> None:
    rows = rows_of(40, 0)
    statistic = level_statistic(rows, adaptive, 0)
    first = varied_of(statistic, len(rows), FEW)
    assert np.array_equal(first, varied_of(statistic, len(rows), FEW))
    assert not np.array_equal(first, varied_of(statistic, len(rows), Bootstrap(n_resamples=20, seed=1)))


def test_statistics_beside_each_other_see_the_resamples_that_each_would_see_alone() -> None:
    rows = rows_of(60, 7)
    statistics = {
        "levels": level_statistic(rows, adaptive, 0),
        "bins": expected_gap_statistic(rows, bin_index(rows.confidence, 15, "left")),
    }
    together = replicates(statistics, len(rows), FEW)
    assert all(np.array_equal(together[name], varied_of(one, len(rows), FEW)) for name, one in statistics.items())


@pytest.mark.parametrize("edge", ["left", "right"])
def test_sums_over_bins_are_the_errors_of_the_resampled_rows(edge: str) -> None:
    rows = rows_of(200, 1)
    bins = bin_index(rows.confidence, 15, edge)
    options = Options(bin_edges=edge)  # type: ignore[arg-type]
    statistics = expected_gap_statistic(rows, bins), largest_gap_statistic(rows, bins)
    for counts in resamples(len(rows), FEW):
        table = calibration_of(rows.confidence, rows.frequency, rows.weight * counts, options)
        assert tuple(statistic.of(counts) for statistic in statistics) == pytest.approx(gaps(table), rel=1e-12)


@pytest.mark.parametrize("decimals", [1, 17])
@pytest.mark.parametrize("n_bins", [3, 15, 1000])
def test_a_measure_of_levels_is_that_of_the_rows_written_out(decimals: int, n_bins: int) -> None:
    confidence, labels = forecasts(80, 2)
    rows = binary_rows(confidence.round(decimals), labels, None)
    measures: list[Callable[[Levels], Value]] = [
        lambda levels: adaptive_calibration_error(levels, n_bins),
        lambda levels: debiased_calibration_error(levels, n_bins),
        smooth_calibration_error,
    ]
    for measure in measures:
        statistic = level_statistic(rows, measure, 0)
        for counts in resamples(len(rows), FEW):
            drawn = np.repeat(np.arange(len(rows)), counts)
            wanted = measure(levels_of(rows.confidence[drawn], rows.frequency[drawn])).value
            assert statistic.of(counts) == (wanted if wanted is not None else pytest.approx(np.nan, nan_ok=True))


def test_a_measure_of_levels_knows_soft_targets_and_weights() -> None:
    rng = np.random.default_rng(6)
    rows = binary_rows(rng.random(50).round(1), rng.random(50), rng.exponential(size=50) + 1.0)
    statistic = level_statistic(rows, lambda levels: debiased_calibration_error(levels, 4), 0)
    for counts in resamples(len(rows), FEW):
        wanted = debiased_calibration_error(levels_of(rows.confidence, rows.frequency, rows.weight * counts), 4).value
        assert statistic.of(counts) == pytest.approx(wanted, rel=1e-10)


def test_interval_and_error_of_scipy() -> None:
    values = np.random.default_rng(3).random(100)
    mean = Statistic(lambda counts: float(counts @ values) / 100, steps_per_row=1.0, steps=0)
    varied = varied_of(mean, 100, Bootstrap(n_resamples=5000))
    found = with_interval(Value(value=float(values.mean())), varied, 0.9)
    theirs = scipy_bootstrap((values,), np.mean, n_resamples=5000, method="basic", confidence_level=0.9, rng=0)
    assert found.confidence_interval == pytest.approx(tuple(theirs.confidence_interval), abs=5e-3)
    assert found.standard_error == pytest.approx(theirs.standard_error, rel=0.05)
    assert found.standard_error == pytest.approx(values.std() / 10, rel=0.05)


def test_clusters_widen_the_error_by_what_their_rows_share() -> None:
    """Ten copies of each of 40 rows are 40 rows."""
    values = np.random.default_rng(4).random(40)
    clusters = np.repeat(np.arange(40), 10)

    def mean(counts: IntArray) -> float:
        return float(counts @ np.repeat(values, 10) / counts.sum())

    varied = varied_of(Statistic(mean, 1.0, 0), 400, Bootstrap(n_resamples=4000), clusters)
    assert varied.std(ddof=1) == pytest.approx(values.std() / np.sqrt(40), rel=0.05)


def test_intervals_stay_in_the_range_of_the_number() -> None:
    low = with_interval(Value(value=0.01), np.array([0.05, 0.1, 0.2]), 0.95).confidence_interval
    high = with_interval(Value(value=0.99), np.array([0.5, 0.6, 0.7]), 0.95).confidence_interval
    assert low == (0.0, 0.0)
    assert high == (1.0, 1.0)
    assert with_interval(Value(value=0.99), np.array([0.5, 0.6]), 0.5, np.inf).confidence_interval == (1.405, 1.455)


@pytest.mark.parametrize(
    ("value", "varied"),
    [
        (INFINITE, np.ones(3)),
        (undefined("one class only"), np.ones(3)),
        (Value(value=0.5), np.array([0.5, np.nan])),
        (Value(value=0.5), np.empty(0)),
    ],
)
def test_without_numbers_there_is_no_interval(value: Value, varied: FloatArray) -> None:
    assert with_interval(value, varied, 0.95) == value


def test_one_row_and_one_cluster_cannot_vary() -> None:
    assert varied_of(FREE, 1, FEW).size == 0
    assert varied_of(FREE, 3, FEW, np.array([4, 4, 4])).size == 0


@pytest.mark.parametrize("n_rows", [10, 20_000])
@pytest.mark.parametrize("n_metrics", [0, 1, 3])
def test_the_work_of_all_metrics_is_bounded_before_anything_is_drawn(n_rows: int, n_metrics: int) -> None:
    def drawn(_: IntArray) -> float:
        raise AssertionError("nothing is drawn")

    steep = Statistic(drawn, steps_per_row=2.0, steps=100_000)
    most = int(MAX_STEPS / (1_000 + n_rows + n_metrics * (100_000 + 2 * n_rows)))
    statistics = {f"{i}": steep for i in range(n_metrics)}
    check_work(statistics, n_rows, Bootstrap(n_resamples=most))
    with pytest.raises(InvalidInput) as refused:
        replicates(statistics, n_rows, Bootstrap(n_resamples=most + 1))
    (error,) = refused.value.errors
    assert (error.pointer, error.code) == ("/bootstrap/n_resamples", "out_of_range")
    told = f"must ask for at most {most} resamples of these {n_rows} rows for these {n_metrics} metrics"
    assert error.detail == f"{told}, found {most + 1}"


def test_the_interval_holds_the_error_of_the_population() -> None:
    """95 % intervals of a clear miscalibration; resampling adds noise, so the percentile interval lies too high."""
    truth = 0.1  # the mean of |c - (0.2 + 0.6 c)| over [0, 1], and no bin holds gaps of both signs
    rng = np.random.default_rng(5)
    held = np.zeros(2)
    for _ in range(200):
        confidence = rng.random(400)
        rows = binary_rows(confidence, rng.random(400) < 0.2 + 0.6 * confidence, None)
        statistic = expected_gap_statistic(rows, bin_index(rows.confidence, 10, "left"))
        varied = varied_of(statistic, 400, Bootstrap(n_resamples=200))
        found = with_interval(Value(value=statistic.of(np.ones(400, dtype=np.int64))), varied, 0.95)
        assert found.confidence_interval
        intervals = np.array([found.confidence_interval, tuple(np.quantile(varied, [0.025, 0.975]))])
        held += (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    basic, percentile = held / 200
    assert basic >= 0.88
    assert percentile < basic
