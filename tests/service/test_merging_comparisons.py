"""States of parts of a comparison, merged: to the last bit the answer of one request with all rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.tasks import TaskName
from app.service import COMPARED, compare
from tests.bodies import Body
from tests.comparisons import n_rows, random_comparison, rows_of
from tests.requests import comparing
from tests.service.test_merging import merged, plain


def answer_of(task: TaskName, body: Body) -> dict[str, Any]:
    return plain(compare(comparing(task, body)))


def check_split(task: TaskName, body: Body, cuts: Sequence[int]) -> dict[str, Any]:
    """The answer of all rows, which the states of parts must give too, and the states of their sums."""
    n = n_rows(body)
    edges = sorted({0, n, *(cut % n for cut in cuts)})
    states = [answer_of(task, rows_of(body, slice(*ends)))["state"] for ends in pairwise(edges)]
    whole = answer_of(task, body)
    assert merged(states) == whole
    halves = [merged(states[:1])["state"], *([merged(states[1:])["state"]] if states[1:] else [])]
    assert merged(halves) == whole
    return whole


def asking_state(task: TaskName, rng: np.random.Generator) -> Body:
    body = random_comparison(task, rng) | {"include": ["state"]}
    n = n_rows(body)
    if rng.random() < 0.4:
        body["slices"] = {"s": [f"v{value}" for value in rng.integers(0, 3, n)], "t/~": [i % 2 > 0 for i in range(n)]}
    return body


@pytest.mark.parametrize("task", COMPARED)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 100), max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_split_merges_to_the_whole(task: TaskName, seed: int, cuts: list[int]) -> None:
    check_split(task, asking_state(task, np.random.default_rng(seed)), cuts)


RNG = np.random.default_rng(7)
N = 60
LABELS = RNG.integers(0, 3, N)
SURE = np.where(np.eye(3)[LABELS] > 0, 0.8, 0.1)
VAGUE = np.where(np.eye(3)[LABELS] > 0, 0.5, 0.25) + RNG.uniform(0, 1e-9, (N, 1))
LATE = np.where(np.arange(N)[:, None] == 50, np.roll(np.eye(3)[LABELS], 1, axis=1), SURE)
EARLY = np.where(np.arange(N)[:, None] == 10, np.roll(np.eye(3)[LABELS], 1, axis=1), VAGUE)
POOR = np.where(np.arange(N)[:, None] % 3 == 0, np.roll(SURE, 1, axis=1), SURE)
OFF = SURE * np.where(np.arange(N)[:, None] > 40, 1.2, 1.0)


@pytest.mark.parametrize("cuts", [[1], [20, 41], [50, 51]])
@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "better"),
        ({"cluster_id": np.arange(N) % 23}, "better"),
        ({"candidates": {"old": VAGUE, "new": LATE}}, "worse"),
        ({"candidates": {"old": LATE, "new": VAGUE}}, "better"),
        ({"candidates": {"old": LATE, "new": EARLY}}, "inconclusive"),
        ({"candidates": {"old": SURE, "new": OFF}}, "inconclusive"),
        ({"candidates": {"old": OFF, "new": SURE}, "cluster_id": np.arange(N) % 23}, "inconclusive"),
        ({"candidates": {"old": SURE, "new": SURE + 1e-17}, "margin": 0.1}, "equivalent"),
        ({"min_samples": 61}, "inconclusive"),
        ({"metric": "accuracy", "candidates": {"old": POOR, "new": VAGUE}}, "better"),
        ({"sample_weight": np.where(np.arange(N) < 30, 1e90, 1.0)}, "better"),
        ({"sample_weight": np.where(np.arange(N) < 30, 0.0, 5e-324)}, "better"),
        ({"class_weight": np.array([0.0, 1.0, 2.0])}, "better"),
    ],
)
def test_verdicts_of_any_kind_do_not_depend_on_parts(change: Body, verdict: str, cuts: list[int]) -> None:
    columns: Body = {"labels": LABELS, "candidates": {"old": VAGUE, "new": SURE}} | change
    body = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in columns.items()}
    body["candidates"] = {name: {"probabilities": rows.tolist()} for name, rows in columns["candidates"].items()}
    asked = {"baseline": "old", "include": ["state"], "slices": {"half": [int(i > 29) for i in range(N)]}}
    (pair,) = check_split("multiclass", body | asked, cuts)["comparisons"]
    assert pair["verdict"] == verdict
