"""A formula that gives 0/0 in a row is undefined with its own reason; infinite is said of infinite rows only."""

from dataclasses import replace

import numpy as np

from app.core.batch.checked import batch_of
from app.core.columns import FloatArray
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.metric import Metric, average
from app.core.metrics.plan import plan_of, step_of
from app.core.metrics.registry import METRICS
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.rows.classes import ClassRows
from app.core.sums.layout import Mean, Needs
from app.core.sums.state import State
from app.core.sums.summary import summarize
from app.core.values import Value

LABELS = {"labels": np.array([0, 1, 0])}


def quotient(rows: ClassRows) -> FloatArray:
    """The truth's probability over the root of the sum of squares, as a spherical score has it: 0/0 where all are 0."""
    p = rows.probabilities
    return np.asarray(rows.label_probabilities / np.sqrt((p * p).sum(axis=0)))


SPHERICAL = Mean("spherical", quotient, "score")
METRIC = replace(
    METRICS[0], name="spherical", means=(SPHERICAL,), compute=average(SPHERICAL), undefined="a row is all 0"
)


def state_of(probabilities: list[list[float]], weight: list[float]) -> State:
    columns = {**LABELS, "probabilities": np.array(probabilities), "sample_weight": np.array(weight)}
    return summarize(batch_of("multiclass", columns, Options(tolerance=1.0)), Needs((CROSS_ENTROPY, SPHERICAL))).state


def value_of(state: State) -> Value:
    return value_by(METRIC, state)


def value_by(metric: Metric, state: State) -> Value:
    plan = replace(plan_of("multiclass", Options()), steps=(step_of(metric, 1.0),))
    return plan.values(StateView(state, 0.95))[metric.name]


def test_zero_by_zero_is_undefined_with_the_reason_of_the_metric() -> None:
    state = state_of([[0.5, 0.5], [0.0, 0.0], [1.0, 0.0]], [1.0, 1.0, 1.0])
    assert state.moments["spherical"].n_undefined == 1
    assert state.moments["spherical"].n_infinite == 0
    assert value_of(state) == Value(status="undefined", reason="a row is all 0")
    loss = value_by(METRICS[0], state)
    assert (loss.status, "probability 0" in str(loss.reason)) == ("infinite", True)


def test_without_weight_it_does_no_harm() -> None:
    state = state_of([[0.5, 0.5], [0.0, 0.0], [1.0, 0.0]], [1.0, 0.0, 1.0])
    assert state.moments["spherical"].n_undefined == 0
    assert value_of(state).status == "ok"


def test_it_adds_and_is_written_down() -> None:
    state = state_of([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], [1.0, 2.0, 1.0])
    total = state + state
    assert total.moments["spherical"].n_undefined == 4
    assert total.with_lines(total.lines()) == total
    clustered = {**LABELS, "probabilities": np.zeros((3, 2)), "cluster_id": np.array([0, 0, 1])}
    batch = batch_of("multiclass", clustered, Options(tolerance=1.0))
    assert summarize(batch, Needs((CROSS_ENTROPY, SPHERICAL))).state.moments["spherical"].n_undefined == 3
