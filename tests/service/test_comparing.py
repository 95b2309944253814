"""Comparing against the plain reference, over random bodies; weights of any size; memory."""

import math
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest

from app.api.schemas.compare import compare_request
from app.core.tasks import TaskName
from app.service import COMPARED, compare
from tests.bodies import Body
from tests.comparisons import random_comparison
from tests.reference_compare import compare as reference
from tests.requests import comparing

ROWWISE = ("binary", "multiclass", "distributions")
"""The tasks whose mean loss is one over rows, not over tokens or labels."""


def asked(task: TaskName, body: Body) -> dict[str, Any]:
    return compare(comparing(task, body))


def differing(told: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The members of a comparison that are not what the reference has; words of reasons are the service's own."""
    left_out = {"correlation", "reason"}
    others = sorted((told.keys() ^ found.keys()) - left_out)
    return others + [name for name in (told.keys() & found.keys()) - left_out if not near(told[name], found[name])]


def near(told: Any, found: Any) -> bool:
    """Equal, but for the rounding of sums in which numbers near 1 may cancel."""
    if isinstance(told, dict):
        return not differing(told, found)
    if isinstance(told, list | tuple):
        size = max(map(abs, told))
        return all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-6 * size) for x, y in zip(told, found, strict=True))
    if isinstance(told, float):
        return math.isclose(told, found, rel_tol=1e-6, abs_tol=1e-13)  # differences of 1e-10 have six digits
    return bool(told == found)


@pytest.mark.parametrize("task", COMPARED)
def test_comparisons_are_those_of_the_reference(task: TaskName) -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(200):
        body = random_comparison(task, np.random.default_rng(seed))
        found = asked(task, body)["comparisons"]
        for entry, told in zip(found, reference(task, body), strict=True):
            verdicts[entry["verdict"]] += 1
            assert differing(told, entry) == [], (seed, told, entry)
    assert min(verdicts[name] for name in ("better", "worse", "equivalent", "inconclusive")) > 1, verdicts


@pytest.mark.parametrize("task", COMPARED)
def test_differences_of_slices_add_up_to_that_of_all_rows(task: TaskName) -> None:
    n_added = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        body = random_comparison(task, rng) | {"denominator": "count"}
        n = len(next(iter(body["candidates"]["base"].values())))
        answer = asked(task, body | {"slices": {"part": rng.integers(0, 3, n).tolist()}})
        for place, whole in enumerate(answer["comparisons"]):
            parts = [(part["comparisons"][place], part) for part in answer["slices"]["part"].values()]
            assert whole["wins"] == sum(entry["wins"] for entry, _ in parts)
            if task in ROWWISE and all(entry["difference"]["status"] == "ok" for entry, _ in parts):
                total = sum(entry["difference"]["value"] * part["n_scored"] for entry, part in parts)
                assert near(whole["difference"]["value"], total / answer["n_scored"])
                n_added += 1
    assert n_added > 10 or task not in ROWWISE


@pytest.mark.parametrize("task", COMPARED)
@pytest.mark.parametrize("size", [5e-324, 2.0**-1040, 2.0**300])
def test_weights_of_any_size_give_the_differences_of_weights_of_one(task: TaskName, size: float) -> None:
    """Bit for bit: a power of two cancels."""
    for seed in range(15):
        body = random_comparison(task, np.random.default_rng(seed)) | {"denominator": "weights"}
        sent = [rows for candidate in body["candidates"].values() for rows in candidate.values()]
        n = len(sent[0])
        if task == "tokens" and any(-math.inf < x < -500.0 for rows in sent for row in rows for x in row):
            continue  # a weight times such a perplexity is beyond doubles, and refused
        one, other = (asked(task, body | {"sample_weight": [weight] * n})["comparisons"] for weight in (1.0, size))
        assert one == other


def test_a_weight_beside_huge_ones_still_counts_as_a_row() -> None:
    rng = np.random.default_rng(3)
    old = rng.uniform(0.4, 0.6, 20).tolist()
    new = [p + 0.2 + 0.01 * rng.random() for p in old]
    body = {"labels": [1] * 20, "candidates": {"old": {"probabilities": old}, "new": {"probabilities": new}}}
    body |= {"baseline": "old", "sample_weight": [5e-324, *[1e100] * 19]}
    (pair,) = asked("binary", body)["comparisons"]
    assert (pair["verdict"], pair["wins"]) == ("better", 20)


@pytest.mark.parametrize(("n_slices", "columns"), [(0, 4), (10, 6)])
def test_comparing_takes_some_columns_for_each_candidate(n_slices: int, columns: int) -> None:
    """A loss a row, and of the rows that are added up at once three columns more; those of one slice once more."""
    rng = np.random.default_rng(0)
    n, names = 10_000, [f"c{i}" for i in range(20)]
    slices = {f"s{i}": rng.integers(0, 2, n) for i in range(n_slices)}
    candidates = {name: {"probabilities": rng.uniform(0.01, 0.99, n)} for name in names}
    body = {"labels": rng.integers(0, 2, n), "candidates": candidates, "slices": slices}
    request = compare_request("binary", body | {"baseline": "c0"})
    compare(request)
    tracemalloc.start()
    compare(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * (columns * len(names) + 30)
