import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from app.core.binning import adaptive_calibration_error
from app.core.bootstrap import (
    MAX_DRAWS,
    BinaryRows,
    Bootstrap,
    binary_rows,
    expected_gap_statistic,
    largest_gap_statistic,
    level_statistic,
    replicates,
    resamples,
    with_interval,
)
from app.core.calibration import bin_index, expected_gap, largest_gap
from app.core.columns import FloatArray, IntArray
from app.core.levels import Levels, levels_of
from app.core.options import Options
from app.core.tables import calibration
from app.core.values import INFINITE, Value, undefined
from app.errors import InvalidInput
from tests.core.test_binning import forecasts

FEW = Bootstrap(n_resamples=20)


def rows_of(n: int, seed: int) -> BinaryRows:
    confidence, labels = forecasts(n, seed)
    return binary_rows(confidence, labels, np.random.default_rng(seed).integers(0, 4, n).astype(float))


def adaptive(levels: Levels) -> Value:
    return adaptive_calibration_error(levels, 10)


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


def test_a_seed_says_everything() -> None:
    statistic = level_statistic(rows_of(40, 0), adaptive)
    n = len(rows_of(40, 0))
    first = replicates(statistic, n, FEW)
    assert np.array_equal(first, replicates(statistic, n, FEW))
    assert not np.array_equal(first, replicates(statistic, n, Bootstrap(n_resamples=20, seed=1)))


@pytest.mark.parametrize("edge", ["left", "right"])
def test_sums_over_bins_are_the_errors_of_the_resampled_rows(edge: str) -> None:
    rows = rows_of(200, 1)
    bins = bin_index(rows.confidence, 15, edge)
    options = Options(bin_edges=edge)  # type: ignore[arg-type]
    statistics = expected_gap_statistic(rows, bins), largest_gap_statistic(rows, bins)
    for counts in resamples(len(rows), FEW):
        columns = {"confidence": rows.confidence, "frequency": rows.frequency}
        table = calibration(columns, rows.weight * counts, options)
        wanted = expected_gap(table).value, largest_gap(table).value
        assert tuple(statistic(counts) for statistic in statistics) == pytest.approx(wanted, rel=1e-12)


def test_a_measure_of_levels_is_that_of_the_rows_written_out() -> None:
    rows = binary_rows(*forecasts(80, 2), None)
    statistic = level_statistic(rows, adaptive)
    for counts in resamples(len(rows), FEW):
        drawn = np.repeat(np.arange(len(rows)), counts)
        assert statistic(counts) == adaptive(levels_of(rows.confidence[drawn], rows.frequency[drawn])).value


def test_interval_and_error_of_scipy() -> None:
    values = np.random.default_rng(3).random(100)
    varied = replicates(lambda counts: float(counts @ values) / 100, 100, Bootstrap(n_resamples=5000))
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

    varied = replicates(mean, 400, Bootstrap(n_resamples=4000), clusters)
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
    assert replicates(lambda _: 0.5, 1, FEW).size == 0
    assert replicates(lambda _: 0.5, 3, FEW, np.array([4, 4, 4])).size == 0


def test_work_is_bounded() -> None:
    with pytest.raises(InvalidInput, match=r"^/bootstrap: must draw at most 200000000 rows in all, found") as refused:
        replicates(lambda _: 0.0, MAX_DRAWS // 1000 + 1, Bootstrap())
    assert refused.value.errors[0].code == "out_of_range"


def test_the_interval_holds_the_error_of_the_population() -> None:
    """95 % intervals of a clear miscalibration; resampling adds noise, so the percentile interval lies too high."""
    truth = 0.1  # the mean of |c - (0.2 + 0.6 c)| over [0, 1], and no bin holds gaps of both signs
    rng = np.random.default_rng(5)
    held = np.zeros(2)
    for _ in range(200):
        confidence = rng.random(400)
        rows = binary_rows(confidence, rng.random(400) < 0.2 + 0.6 * confidence, None)
        statistic = expected_gap_statistic(rows, bin_index(rows.confidence, 10, "left"))
        varied = replicates(statistic, 400, Bootstrap(n_resamples=200))
        found = with_interval(Value(value=statistic(np.ones(400, dtype=np.int64))), varied, 0.95)
        assert found.confidence_interval
        intervals = np.array([found.confidence_interval, tuple(np.quantile(varied, [0.025, 0.975]))])
        held += (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    basic, percentile = held / 200
    assert basic >= 0.88
    assert percentile < basic
