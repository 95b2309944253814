"""Requests made of plain Python values, which hold the infinities that JSON cannot."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from app.core.columns import Column, Ragged
from app.core.metrics import registry
from app.core.metrics.bootstrap import Bootstrap
from app.core.options import Options
from app.core.tasks import COLUMN_NAMES, TaskName
from app.service import CompareQuestion, CompareRequest, Include, Question, ScoreRequest

DEFAULTS = Options()


def request_of(task: TaskName, body: Mapping[str, Any]) -> ScoreRequest:
    """The request that a body of plain lists makes."""
    columns = {
        name: column(body[name], bool if name == "mask" else float)
        for name in COLUMN_NAMES
        if body.get(name) is not None
    }
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in body.items()
        if name not in (*COLUMN_NAMES, "include", "metrics", "slices")
    }
    slices = {name: column(values) for name, values in body.get("slices", {}).items()}
    include, metrics = frozenset(body.get("include", ())), tuple(body.get("metrics", ()))
    return scoring(task, columns, Options(**options), include, slices, metrics)


OF_COMPARISONS = ("candidates", "baseline", "metric", "margin", "min_samples", "family", "per")


def comparing(task: TaskName, body: Mapping[str, Any]) -> CompareRequest:
    """The request to compare that a body of plain lists makes."""
    shared = request_of(task, {name: value for name, value in body.items() if name not in OF_COMPARISONS})
    own = {name: body[name] for name in OF_COMPARISONS[1:] if name in body}
    candidates = {
        name: {field: column(values, bool if field == "mask" else float) for field, values in sent.items()}
        for name, sent in body["candidates"].items()
    }
    question = CompareQuestion(shared.question, {name: tuple(sent) for name, sent in candidates.items()}, **own)
    columns = {**shared.columns, "slices": shared.slices, "candidates": candidates}
    return CompareRequest(question, {}).with_columns(columns)


def mergeable_on_request(task: str) -> tuple[str, ...]:
    """Names of the metrics of a task that are computed on request, and add."""
    return tuple(
        metric.name for metric in registry.METRICS if metric.on_request and metric.mergeable and task in metric.tasks
    )


def scoring(  # noqa: PLR0913 what a request is made of
    task: TaskName,
    columns: Mapping[str, Column],
    options: Options = DEFAULTS,
    include: frozenset[Include] = frozenset(),
    slices: Mapping[str, Column] | None = None,
    metrics: tuple[str, ...] = (),
    bootstrap: Bootstrap | None = None,
) -> ScoreRequest:
    """The request of columns, and of what is asked of them."""
    return ScoreRequest(Question(task, tuple(columns), options, include, metrics, bootstrap), columns, slices or {})


def asking(request: ScoreRequest, **changes: Any) -> ScoreRequest:
    """The same columns, of which something else is asked."""
    return request._replace(question=replace(request.question, **changes))


def column(values: list[Any], ragged: type = float) -> Column:
    if not values or not isinstance(values[0], list):
        return np.array(values, object if values and isinstance(values[0], str) else None)
    lengths = [len(row) for row in values]
    if len(set(lengths)) == 1 and lengths[0]:
        return np.array(values)
    return Ragged(np.array(list(chain.from_iterable(values)), ragged), np.cumsum([0, *lengths]))
