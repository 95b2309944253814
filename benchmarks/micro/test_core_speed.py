"""The core against `np.sum` of the same array in the same run, with room for noise: `pytest benchmarks/micro`.

The bounds here only guard; docs/performance.md has the figures that are reached.
"""

import timeit
from typing import Any

import pytest

from benchmarks import predictions
from benchmarks.scoring import ALL, LOSS, works

SHAPES = [(100_000, 10), (10_000, 100)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("work", "most"), [(LOSS, 12), (ALL, 45)])
def test_scoring_takes_a_few_times_as_long_as_a_sum(
    benchmark: Any, shape: tuple[int, int], work: str, most: float
) -> None:
    columns = predictions.columns(*shape)
    benchmark.pedantic(works(columns)[work], rounds=30, warmup_rounds=2)
    least = min(timeit.repeat(columns["probabilities"].sum, number=1, repeat=30))
    benchmark.extra_info["times np.sum"] = ratio = benchmark.stats.stats.min / least
    assert ratio <= most


def test_a_small_request_takes_less_than_a_millisecond(benchmark: Any) -> None:
    benchmark.pedantic(works(predictions.columns(10, 3))[ALL], rounds=200, warmup_rounds=10)
    assert benchmark.stats.stats.min < 1e-3
