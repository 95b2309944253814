"""Scoring: from checked columns, at once or part by part, to the answer of the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from app.core.batch.batches import Batch, batch_of
from app.core.batch.sample import sample_of
from app.core.columns import Column, FloatArray
from app.core.metrics.bootstrap import Bootstrap, with_interval
from app.core.metrics.gradients import gradient
from app.core.metrics.metric import Metric
from app.core.metrics.observed import Observed
from app.core.metrics.reading import Reading
from app.core.metrics.registry import CROSS_ENTROPY, metrics_for
from app.core.options import Options
from app.core.sums.exact import to_float
from app.core.sums.summary import NOTHING_KEPT, Summary, places, summarize
from app.core.tasks import TaskName
from app.core.warnings.notices import warnings_of
from app.service.sections import SECTIONS, TABLES, Include, Part, check_sections, worst_rows


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


def score(request: ScoreRequest, n_threads: int = 1) -> dict[str, Any]:
    """Score one batch.

    Args:
        n_threads: How many threads share the rows of a large one.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    batch = batch_of(request.task, request.columns, request.options, request.slices)
    metrics = metrics_for(batch, request.metrics)
    part = part_of(batch, metrics, request.include, n_threads)
    answer = answer_of(request, metrics, part, batch)
    if "gradient" in request.include:
        answer["gradient"] = {batch.form: gradient(batch, part.summary.state)}
    return answer


def part_of(batch: Batch, metrics: Sequence[Metric], include: frozenset[Include], n_threads: int = 1) -> Part:
    """Sum up one part of a body, for metrics and sections."""
    check_sections(batch, include)
    kept = places(batch, "cross_entropy", "size") if include & {"per_sample", "worst"} else {}
    summary = inspected_summary(batch, metrics, include, kept, n_threads)
    losses = kept["cross_entropy"] / kept["size"] if kept else np.empty(0)
    worst = worst_rows(batch, losses) if "worst" in include else []
    if "per_sample" in include:
        summary.losses.append(losses)
    slices = {
        name: {value: _summary(batch.take(rows), metrics) for value, rows in grouping.rows()}
        for name, grouping in batch.slices.items()
    }
    return Part(batch.form, summary, worst, slices)


def inspected_summary(
    batch: Batch,
    metrics: Sequence[Metric],
    include: frozenset[Include] = frozenset(),
    kept: Mapping[str, FloatArray] = NOTHING_KEPT,
    n_threads: int = 1,
) -> Summary:
    """The sums of a batch for metrics and sections, with the rows in which mistakes of a sender are looked for."""
    summary = _summary(batch, metrics, include, kept, n_threads)
    summary.sample = sample_of(batch)
    return summary


def _summary(
    batch: Batch,
    metrics: Sequence[Metric],
    include: frozenset[Include] = frozenset(),
    kept: Mapping[str, FloatArray] = NOTHING_KEPT,
    n_threads: int = 1,
) -> Summary:
    means = {of.name: of for metric in metrics for of in metric.means}
    tables = {table for metric in metrics for table in metric.tables} | {
        TABLES[name] for name in TABLES if name in include
    }
    return summarize(batch, list(means.values()), sorted(tables), kept=kept, n_threads=n_threads)


def answer_of(
    request: ScoreRequest, metrics: Sequence[Metric], part: Part, batch: Batch | None = None
) -> dict[str, Any]:
    """The answer that parts added up give; `batch` is all of them, for metrics that need all rows at once."""
    summary = part.summary
    reading = Reading(summary.state, summary.options.confidence_level)
    answer = {
        **_head(summary),
        "metrics": _values(reading, summary.options, metrics, batch, request.bootstrap),
        "warnings": warnings_of(summary, reading.mean(CROSS_ENTROPY.name)),
        "options": _options(request),
    }
    answer |= {name: SECTIONS[name](part) for name in SECTIONS if name in request.include}
    if part.slices:
        answer["slices"] = _slices(part, metrics, batch)
    return answer


def _head(summary: Summary) -> dict[str, Any]:
    state = summary.state
    head: dict[str, Any] = {
        "task": summary.task,
        "unit": summary.options.unit,
        "n_samples": state.n_samples,
        "n_scored": state.n_scored,
        "n_ignored": state.n_samples - state.n_scored,
        "n_classes": state.n_classes,
        "weight_sum": to_float(state.weight_sum),
    }
    if summary.task == "tokens":
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
    reading: Reading,
    options: Options,
    metrics: Sequence[Metric],
    batch: Batch | None,
    bootstrap: Bootstrap | None = None,
) -> dict[str, Any]:
    observed = None if batch is None else Observed(batch)
    values = {metric.name: metric.value(reading, options.unit, observed) for metric in metrics}
    if bootstrap and observed:
        statistics = {
            metric.name: metric.resampled(observed)
            for metric in metrics
            if metric.resampled and values[metric.name].value is not None
        }
        for name, varied in observed.replicates(statistics, bootstrap).items():
            values[name] = with_interval(values[name], varied, options.confidence_level)
    return {name: value.to_json() for name, value in values.items()}


def _slices(part: Part, metrics: Sequence[Metric], batch: Batch | None) -> dict[str, Any]:
    """By name and value of each slice, the metrics of its rows: of a state of its own."""
    rows = {} if batch is None else {name: dict(grouping.rows()) for name, grouping in batch.slices.items()}
    return {
        name: {
            value: {
                "n_scored": summary.state.n_scored,
                "metrics": _values(
                    Reading(summary.state, summary.options.confidence_level),
                    summary.options,
                    metrics,
                    batch and batch.take(rows[name][value]),
                ),
            }
            for value, summary in values.items()
        }
        for name, values in part.slices.items()
    }
