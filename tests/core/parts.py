"""Bodies cut into rows, and states made of bodies: what the laws are stated with."""

from dataclasses import replace
from typing import Any

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.metrics.plan import plan_of
from app.core.metrics.state_view import StateView
from app.core.sums.state import State
from app.core.sums.summary import summarize
from app.core.tasks import COLUMN_NAMES, TaskName
from app.core.values import Value
from tests.requests import mergeable_on_request, request_of

Body = dict[str, Any]


def batch(task: TaskName, body: Body) -> Batch:
    request = request_of(task, body)
    return batch_of(task, request.columns, request.options, request.slices)


def state(task: TaskName, body: Body) -> State:
    """The state of a batch with the sums of every metric and section of the task."""
    return state_of(batch(task, body))


def state_of(whole: Batch) -> State:
    tables = frozenset({"per_class"} if whole.task in ("binary", "multiclass", "multilabel") else ())
    plan = plan_of(whole.task, whole.options, tuple(whole.sizes), mergeable_on_request(whole.task), tables)
    return summarize(whole, plan.needs).state


def values(task: TaskName, body: Body) -> dict[str, Value]:
    whole = batch(task, body)
    plan = plan_of(whole.task, replace(whole.options, unit="nats"), tuple(whole.sizes), mergeable_on_request(task))
    return plan.values(StateView(state_of(whole), 0.95))


def numbers(task: TaskName, body: Body) -> dict[str, tuple[str, float | None]]:
    """The status and value of every metric, without its uncertainty."""
    return {name: (value.status, value.value) for name, value in values(task, body).items()}


def n_rows(body: Body) -> int:
    return next(len(body[name]) for name in ("probabilities", "log_probabilities", "logits") if name in body)


def rows(body: Body, chosen: list[int]) -> Body:
    """The same request about some of its rows, in the order given."""
    picked = {name: [body[name][row] for row in chosen] for name in COLUMN_NAMES if name in body}
    return {**body, **picked}
