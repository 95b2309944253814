"""The laws that hold of every metric, whatever it computes."""

import math
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.batch.checked import batch_of
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from tests.bodies import bodies, random_body
from tests.core.parts import Body, batch, n_rows, numbers, rows, state, state_of

TASKS: tuple[TaskName, ...] = get_args(TaskName)
every_task = pytest.mark.parametrize("task", TASKS)
LABELLED: tuple[TaskName, ...] = ("binary", "multiclass", "multilabel")


@every_task
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_parts_add_up_to_the_whole_bit_for_bit(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task))
    n = n_rows(body)
    if n < 2:
        return
    cut = data.draw(st.integers(1, n - 1))
    parts = [state(task, rows(body, chosen)) for chosen in (list(range(cut)), list(range(cut, n)))]
    assert parts[0] + parts[1] == state(task, body)


@every_task
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_order_does_not_matter(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task))
    order = data.draw(st.permutations(range(n_rows(body))))
    assert state(task, rows(body, list(order))) == state(task, body)


@every_task
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_weight_of_two_is_the_row_sent_twice(task: TaskName, data: st.DataObject) -> None:
    body = {**data.draw(bodies(task)), "denominator": "weights"}
    n = n_rows(body)
    row = data.draw(st.integers(0, n - 1))
    weight = body.get("sample_weight", [1.0] * n)
    doubled = {**body, "sample_weight": [2 * w if i == row else w for i, w in enumerate(weight)]}
    copied = rows({**body, "sample_weight": weight}, [*range(n), row])
    assert numbers(task, doubled) == numbers(task, copied)


@every_task
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_weight_of_zero_is_the_row_left_out(task: TaskName, data: st.DataObject) -> None:
    body = {**data.draw(bodies(task)), "denominator": "weights"}
    n = n_rows(body)
    if n < 2:
        return
    row = data.draw(st.integers(0, n - 1))
    weight = body.get("sample_weight", [1.0] * n)
    without = rows({**body, "sample_weight": weight}, [i for i in range(n) if i != row])
    weightless = numbers(task, {**body, "sample_weight": [0.0 if i == row else w for i, w in enumerate(weight)]})
    left_out = numbers(task, without)
    if any(status == "undefined" for status, _ in left_out.values()):
        assert {s for s, _ in weightless.values()} == {s for s, _ in left_out.values()}
    else:
        assert weightless == left_out


@pytest.mark.parametrize("task", ["multiclass"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_labels_and_one_hot_targets_have_the_same_state(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task).filter(lambda body: "labels" in body and "ignore_index" not in body))
    whole = batch(task, body)
    assert whole.labels is not None
    targets = np.eye(whole.n_classes)[whole.labels].tolist()
    assert state(task, {**{k: v for k, v in body.items() if k != "labels"}, "targets": targets}) == state(task, body)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_labels_and_targets_of_zero_and_one_have_the_same_state(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task).filter(lambda body: "labels" in body and "ignore_index" not in body))
    whole = batch(task, body)
    assert whole.labels is not None
    targets = whole.labels.astype(float).tolist()
    plain = {k: v for k, v in body.items() if k not in ("labels", "classes")}
    assert state(task, {**plain, "targets": targets}).moments == state(task, body).moments


@pytest.mark.parametrize("task", [task for task in TASKS if task != "tokens"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_not_scored_is_not_looked_at(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task))
    n = n_rows(body)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    masked = {**body, "mask": mask}
    spoiled = {**masked}
    for name in ("probabilities", "log_probabilities", "logits", "targets"):
        if name in body:
            spoiled[name] = [
                row if mask[i] else ([math.nan] * len(row) if isinstance(row, list) else math.nan)
                for i, row in enumerate(body[name])
            ]
    assert state(task, spoiled) == state(task, masked)


@pytest.mark.parametrize("n_classes", [2, 10, 300])
def test_blocks_and_chunks_leave_no_trace(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    n = 20_000 if n_classes < 100 else 1_500
    columns = {
        "probabilities": rng.dirichlet(np.full(n_classes, 0.3), n),
        "labels": rng.integers(0, n_classes, n),
        "sample_weight": rng.exponential(size=n),
    }
    whole = state_of(batch_of("multiclass", columns, Options()))
    cuts = [0, 1, 2, 9, 700, n // 2 + 1, n]
    parts = [
        state_of(batch_of("multiclass", {name: column[a:b] for name, column in columns.items()}, Options()))
        for a, b in pairwise(cuts)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total == whole


def test_a_single_column_sums_like_many() -> None:
    """NumPy sums one column pairwise and several in order, which would make a row's loss depend on its company."""
    rng = np.random.default_rng(0)
    targets, logits = rng.dirichlet(np.ones(50), 40), rng.normal(size=(40, 50)) * 5
    together = state_of(batch_of("distributions", {"targets": targets, "logits": logits}, Options()))
    alone = [
        state_of(batch_of("distributions", {"targets": targets[i : i + 1], "logits": logits[i : i + 1]}, Options()))
        for i in range(40)
    ]
    total = alone[0]
    for one in alone[1:]:
        total = total + one
    assert total == together


@pytest.mark.parametrize("task", LABELLED)
def test_every_generated_body_is_sound(task: TaskName) -> None:
    """The laws above would hold of nothing if the generator made bodies that are refused."""

    def accepted(body: Body) -> bool:
        try:
            batch(task, body)
        except InvalidInput:
            return False
        return True

    assert all(accepted(random_body(task, np.random.default_rng(seed))) for seed in range(200))
