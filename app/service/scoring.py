"""Scoring one batch: from checked columns to the answer of the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from app.core.batches import Batch, batch_of
from app.core.bootstrap import Bootstrap, replicates, with_interval
from app.core.columns import Column
from app.core.metric import Metric
from app.core.observed import Observed
from app.core.options import Options
from app.core.registry import CROSS_ENTROPY, metrics_for
from app.core.summary import Summary, summarize
from app.core.sums import to_float
from app.core.tasks import TaskName
from app.core.uncertainty import mean
from app.core.warnings import warnings_of
from app.service.sections import SECTIONS, TABLES, Include, check_sections


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A checked shape: known column names, one truth and one prediction; the values are not yet checked."""

    task: TaskName
    columns: Mapping[str, Column]
    options: Options
    include: frozenset[Include]
    slices: Mapping[str, Column] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    bootstrap: Bootstrap | None = None


def score(request: ScoreRequest) -> dict[str, Any]:
    """Score one batch.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    batch = batch_of(request.task, request.columns, request.options, request.slices)
    check_sections(batch, request.include)
    metrics = metrics_for(batch, request.metrics)
    summary = _summary(batch, metrics, request.include)
    answer = {
        **_head(batch, summary),
        "metrics": _values(batch, summary, metrics, request.bootstrap),
        "warnings": warnings_of(batch, summary, mean(summary.state.moments[CROSS_ENTROPY.name], 0.95)),
        "options": _options(request),
    }
    answer |= {name: SECTIONS[name](batch, summary) for name in SECTIONS if name in request.include}
    if batch.slices:
        answer["slices"] = _slices(batch, metrics)
    return answer


def _summary(batch: Batch, metrics: Sequence[Metric], include: frozenset[Include]) -> Summary:
    means = {of.name: of for metric in metrics for of in metric.means}
    tables = {table for metric in metrics for table in metric.tables} | {
        TABLES[name] for name in TABLES if name in include
    }
    return summarize(batch, list(means.values()), sorted(tables), per_sample=bool(include & {"per_sample", "worst"}))


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


def _options(request: ScoreRequest) -> dict[str, Any]:
    options = request.options.for_task(request.task)
    if request.metrics:
        options["metrics"] = request.metrics
    if request.bootstrap:
        options["bootstrap"] = asdict(request.bootstrap)
    return options


def _values(
    batch: Batch, summary: Summary, metrics: Sequence[Metric], bootstrap: Bootstrap | None = None
) -> dict[str, Any]:
    options, observed = batch.options, Observed(batch)
    values = {}
    for metric in metrics:
        value = metric.value(summary.state, options.unit, options.confidence_level, observed)
        if bootstrap and metric.resampled and value.value is not None:
            statistic = metric.resampled(observed)
            varied = replicates(statistic, len(observed.rows), bootstrap, observed.clusters)
            value = with_interval(value, varied, options.confidence_level)
        values[metric.name] = value.to_json()
    return values


def _slices(batch: Batch, metrics: Sequence[Metric]) -> dict[str, Any]:
    """By name and value of each slice, the metrics of its rows: of a state of its own."""
    return {
        name: {
            value: _slice(batch.take(np.flatnonzero(grouping.codes == code)), metrics)
            for code, value in enumerate(grouping.names)
        }
        for name, grouping in batch.slices.items()
    }


def _slice(part: Batch, metrics: Sequence[Metric]) -> dict[str, Any]:
    summary = _summary(part, metrics, frozenset())
    return {"n_scored": summary.state.n_scored, "metrics": _values(part, summary, metrics)}
