"""States of parts, merged: to the last bit the answer of one request with all rows, in whatever parts they came."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.schemas.merge import merge_request
from app.core.tasks import COLUMN_NAMES
from app.service import INCLUDES, merge, score
from tests.bodies import TASKS, Body, random_body
from tests.requests import mergeable_on_request, request_of

NEED_ROWS = {"per_sample", "gradient"}


def rows_of(body: Body, rows: slice) -> Body:
    """The body with some of its rows."""
    cut = {name: values[rows] for name, values in body.items() if name in COLUMN_NAMES}
    slices = {name: values[rows] for name, values in body.get("slices", {}).items()}
    return body | cut | ({"slices": slices} if slices else {})


def asking_all(task: Any, rng: np.random.Generator) -> Body:
    """A random body that asks for every section and metric that merges, some of them with slices."""
    body = random_body(task, rng)
    n = len(next(values for name, values in body.items() if name in COLUMN_NAMES))
    body |= {"n_worst": int(rng.integers(1, 6)), "metrics": list(mergeable_on_request(task))}
    if rng.random() < 0.5:
        values = [bool(value) for value in rng.integers(0, 2, n)]
        body["slices"] = {"s": [f"v{value}" for value in rng.integers(0, 3, n)], "t/~": values}
    if rng.random() < 0.4:
        body["cluster_id"] = [int(value) for value in rng.integers(0, max(2, n // 2), n)]
    sections = set(INCLUDES[task]) - NEED_ROWS - (set() if "slices" in body else {"slices"})
    return body | {"include": sorted(sections)}


def answer_of(task: Any, body: Body) -> dict[str, Any]:
    return plain(score(request_of(task, body)))


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
    return found


def merged(states: Sequence[Any]) -> dict[str, Any]:
    sent, with_state = merge_request({"states": plain({"states": states})["states"], "include": ["state"]})
    return plain(merge(sent, with_state=with_state))


def check_split(task: Any, body: Body, cuts: Sequence[int]) -> None:
    n = len(next(values for name, values in body.items() if name in COLUMN_NAMES))
    edges = sorted({0, n, *(cut % n for cut in cuts)})
    parts = [rows_of(body, slice(start, stop)) for start, stop in pairwise(edges)]
    states = [answer_of(task, part)["state"] for part in parts]
    whole = answer_of(task, body)
    assert merged(states) == whole
    halves = [merged(states[:1])["state"], *([merged(states[1:])["state"]] if states[1:] else [])]
    assert merged(halves) == whole


@pytest.mark.parametrize("task", TASKS)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 100), max_size=3))
@settings(max_examples=25, deadline=None)
def test_any_split_merges_to_the_whole(task: str, seed: int, cuts: list[int]) -> None:
    check_split(task, asking_all(task, np.random.default_rng(seed)), cuts)


N = 1_400
RNG = np.random.default_rng(5)
ROWS = RNG.dirichlet(np.full(4, 0.3), N)
LABELS = np.array([RNG.choice(4, p=row) for row in ROWS])
HALF = np.arange(N) % 2
BETTER_LATE = np.where(np.arange(N) < 700, 0.5, 0.75)
NOTICED: dict[str, tuple[str, Body]] = {
    "class_order": ("multiclass", {"labels": LABELS, "probabilities": ROWS[:, [1, 2, 3, 0]]}),
    "class_order_of_sorted_rows": (
        "multiclass",
        {"labels": np.sort(LABELS), "logits": ROWS[np.argsort(LABELS)][:, ::-1]},
    ),
    "weights": ("multiclass", {"labels": LABELS, "probabilities": ROWS[:, ::-1], "sample_weight": HALF * 1.0}),
    "soft": ("multiclass", {"targets": ROWS[:, ::-1], "probabilities": ROWS}),
    "swapped": ("binary", {"labels": HALF, "probabilities": np.where(HALF, 0.2, 0.7)}),
    "swapped_targets": ("binary", {"targets": HALF * 0.9, "probabilities": np.where(HALF, 0.2, 0.7)}),
    "duplicated_rows": ("multiclass", {"labels": LABELS[np.arange(N) % 20], "probabilities": ROWS[np.arange(N) % 20]}),
    "duplicated_labels": (
        "multilabel",
        {"labels": np.eye(4, dtype=int)[LABELS], "probabilities": ROWS[np.arange(N) % 9]},
    ),
    "constant": ("multiclass", {"labels": LABELS, "probabilities": np.full((N, 4), 0.25)}),
    "constant_binary": ("binary", {"labels": HALF, "probabilities": np.full(N, 0.3)}),
    "constant_but_one": ("binary", {"labels": HALF, "probabilities": np.append(np.full(N - 1, 0.3), 0.4)}),
    "lookalike": ("binary", {"labels": HALF, "logits": BETTER_LATE}),
    "lookalike_but_one": (
        "multilabel",
        {"labels": np.eye(4, dtype=int)[LABELS], "logits": ROWS * (1 + (ROWS.max() == ROWS))},
    ),
    "sentinel": ("binary", {"labels": np.ones(N, int), "logits": np.where(np.arange(N) == 1000, -9999.0, BETTER_LATE)}),
    "off": ("multiclass", {"labels": LABELS, "probabilities": ROWS * np.where(np.arange(N) > 900, 0.9, 1.0)[:, None]}),
    "rounded": ("binary", {"labels": HALF, "probabilities": np.where(np.arange(N) % 300 == 299, -1e-9, BETTER_LATE)}),
    "clipped": (
        "binary",
        {"labels": HALF, "probabilities": np.where(np.arange(N) % 99 == 1, 0.0, 0.4), "epsilon": 0.01},
    ),
    "infinite": ("binary", {"labels": HALF, "probabilities": np.where(np.arange(N) % 99 == 1, 0.0, 0.4)}),
    "clusters": ("binary", {"labels": HALF, "probabilities": BETTER_LATE, "cluster_id": np.arange(N) % 37}),
    "sentinel_token": ("tokens", {"log_probabilities": [[-1.5, -2.0]] * 30 + [[-9999.0]] * 3 + [[-0.1]] * 30}),
}


@pytest.mark.parametrize("cuts", [[1], [250, 700], [499, 501, 999, 1000]])
@pytest.mark.parametrize("case", NOTICED)
def test_what_is_noticed_of_many_rows_does_not_depend_on_parts(case: str, cuts: list[int]) -> None:
    task, columns = NOTICED[case]
    body = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in columns.items()}
    check_split(task, body | {"include": ["state", "worst"]}, cuts)
