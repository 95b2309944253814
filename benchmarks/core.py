"""The core beside the libraries a user would pick instead, in one process and one run, as ratios of medians.

Usage: python -m benchmarks.core [rounds]. One BLAS thread; the works take turns, so that a machine drifts for all.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported

import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from app.core.options import Options
from app.service import ScoreRequest, score

SHAPES = ((100_000, 10), (10_000, 1_000))


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(n: int, k: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    columns = {"probabilities": rng.dirichlet(np.ones(k), n), "labels": rng.integers(0, k, n)}
    request = ScoreRequest("multiclass", columns, Options(), frozenset())
    works: dict[str, Callable[[], Any]] = {
        "score, all default metrics": lambda: score(request),
        "sklearn log_loss": lambda: log_loss(columns["labels"], columns["probabilities"], labels=np.arange(k)),
        "np.sum": columns["probabilities"].sum,
    }
    times = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    medians = {name: median(each[name] for each in times) for name in works}
    ours = medians["score, all default metrics"]
    print(f"({n}, {k}), medians of {rounds} rounds; extra memory {extra_memory(request):.1%} of the input")
    for name, value in medians.items():
        print(f"  {name:28} {1e3 * value:8.2f} ms   ours / this {ours / value:7.2f}")


def extra_memory(request: ScoreRequest) -> float:
    """The peak of what scoring allocates, as a share of the prediction."""
    tracemalloc.start()
    score(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    prediction = request.columns["probabilities"]
    return peak / prediction.nbytes if isinstance(prediction, np.ndarray) else float("nan")


if __name__ == "__main__":
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    for shape in SHAPES:
        compare(*shape, rounds=int(sys.argv[1]) if len(sys.argv) > 1 else 15)
