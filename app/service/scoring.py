"""Scoring one batch: from checked columns to the answer of the contract."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batches import Batch, batch_of
from app.core.calibration import reliability
from app.core.columns import Column
from app.core.losses import NATS_PER_UNIT
from app.core.metric import Metric
from app.core.options import Options
from app.core.registry import CROSS_ENTROPY, metrics_for
from app.core.summary import Summary, summarize
from app.core.sums import to_float
from app.core.tables import class_scores
from app.core.tasks import TaskName
from app.core.uncertainty import mean
from app.core.warnings import warnings_of
from app.errors import InvalidInput

Include: TypeAlias = Literal["per_sample", "per_class", "calibration"]

INCLUDES: dict[TaskName, tuple[Include, ...]] = {
    "binary": ("per_sample", "per_class", "calibration"),
    "multiclass": ("per_sample", "per_class", "calibration"),
    "multilabel": ("per_sample", "per_class"),
    "distributions": ("per_sample",),
    "tokens": ("per_sample",),
}
"""The sections each task can add to an answer."""

MAX_LISTED_CLASSES = 10_000


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A checked shape: known column names, one truth and one prediction; the values are not yet checked."""

    task: TaskName
    columns: Mapping[str, Column]
    options: Options
    include: frozenset[Include]


def score(request: ScoreRequest) -> dict[str, Any]:
    """Score one batch.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    batch = batch_of(request.task, request.columns, request.options)
    if "per_class" in request.include and batch.n_classes > MAX_LISTED_CLASSES:
        rule = f"must have at most {MAX_LISTED_CLASSES} classes for per_class, found {batch.n_classes}"
        raise InvalidInput.at("/include", "out_of_range", rule)
    metrics = metrics_for(batch)
    means = {of.name: of for metric in metrics for of in metric.means}
    tables = {table for metric in metrics for table in metric.tables} | (request.include & {"per_class"})
    summary = summarize(batch, list(means.values()), sorted(tables), per_sample="per_sample" in request.include)
    return {
        **_head(batch, summary),
        "metrics": _values(batch, summary, metrics),
        "warnings": warnings_of(batch, summary, mean(summary.state.moments[CROSS_ENTROPY.name], 0.95)),
        "options": batch.options.for_task(batch.task),
        **{section: _SECTIONS[section](batch, summary) for section in sorted(request.include)},
    }


def _head(batch: Batch, summary: Summary) -> dict[str, Any]:
    state = summary.state
    head: dict[str, Any] = {
        "task": batch.task,
        "unit": batch.options.unit,
        "n_samples": state.n_samples,
        "n_scored": state.n_scored,
        "n_ignored": state.n_samples - state.n_scored,
        "n_classes": state.n_classes,
        "weight_sum": to_float(state.weight_sum),
    }
    if batch.task == "tokens":
        del head["n_classes"]
    return head


def _values(batch: Batch, summary: Summary, metrics: Sequence[Metric]) -> dict[str, Any]:
    options = batch.options
    return {
        metric.name: metric.value(summary.state, options.unit, options.confidence_level).to_json() for metric in metrics
    }


def _per_sample(batch: Batch, summary: Summary) -> dict[str, Any]:
    losses = np.where(np.isinf(summary.per_sample), np.nan, summary.per_sample)
    return {"cross_entropy": losses / NATS_PER_UNIT[batch.options.unit]}


def _per_class(batch: Batch, summary: Summary) -> list[dict[str, Any]]:
    return class_scores(summary.state.groups["per_class"], batch.options)


def _calibration(batch: Batch, summary: Summary) -> dict[str, Any]:
    return {"bins": reliability(summary.state.groups["calibration"], batch.options.confidence_level)}


_SECTIONS: dict[Include, Callable[[Batch, Summary], Any]] = {
    "per_sample": _per_sample,
    "per_class": _per_class,
    "calibration": _calibration,
}
