"""The use case of scoring: from columns, at once or part by part, to the answer of the contract."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of, groupings_of
from app.core.batch.texts import in_order
from app.core.batch.unjudged import LEAST_ROWS, unjudged
from app.core.checkpoints import at_checkpoints
from app.core.columns import Column, IntArray, owned
from app.core.kernels.entries import entries
from app.core.metrics.all_rows import AllRows
from app.core.metrics.bootstrap import Bootstrap, with_interval
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.gradients import gradient
from app.core.metrics.plan import Plan
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.paying import hold
from app.core.sums.at_once import summary_at_once
from app.core.sums.summary import Summary, places, summarize
from app.core.tasks import TaskName
from app.core.values import Value
from app.core.warnings.notices import warnings_of
from app.errors import InvalidInput
from app.service.questions import Question
from app.service.requiring import judged_scores
from app.service.sections import SECTIONS, Include, Part, check_sections, clusters_by_slice, worst_rows
from app.service.states import state_of

LOSS_BYTES = 48
"""The memory that a row takes where its loss is asked for: two sums, the loss, and what is made of it at the end."""


class ScoreRequest(NamedTuple):
    """A question with the columns that it is asked of; their names are checked, their values not yet."""

    question: Question
    columns: Mapping[str, Column]
    slices: Mapping[str, Column] = MappingProxyType({})

    @property
    def task(self) -> TaskName:
        """The task of the question."""
        return self.question.task

    @property
    def options(self) -> Options:
        """The options of the question."""
        return self.question.options

    @property
    def include(self) -> frozenset[Include]:
        """The sections that the question asks for."""
        return self.question.include

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the question asks for by name."""
        return self.question.metrics

    @property
    def bootstrap(self) -> Bootstrap | None:
        """The resampling that the question asks for."""
        return self.question.bootstrap

    def with_columns(self, columns: Mapping[str, Any]) -> "ScoreRequest":
        """The same question of other columns, those of slices among them as one entry."""
        names = self.question.columns
        if tuple(columns) == names:
            return ScoreRequest(self.question, columns)
        return ScoreRequest(self.question, {name: columns[name] for name in names}, columns.get("slices", {}))

    def owned(self) -> "ScoreRequest":
        """The same request with columns of its own, which keep no larger object alive, such as a record batch."""
        return ScoreRequest(self.question, owned_columns(self.columns), owned_columns(self.slices))


def owned_columns(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns by name, as copies where they are views of memory that holds more."""
    return {name: owned(column) for name, column in columns.items()}


def score(request: ScoreRequest, n_threads: int = 1) -> dict[str, Any]:
    """Score one batch.

    Args:
        n_threads: The number of threads that share the rows of a large one.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    question = request.question
    if part := part_at_once(request, 0, n_threads):
        return answer_of(question, part)
    batch = batch_of(question.task, request.columns, question.options, request.slices)
    part = part_of(batch, question.plan, question.include, n_threads)
    return answer_of(question, part, batch)


def part_at_once(request: ScoreRequest, first_row: int, n_threads: int) -> Part | None:
    """A part of a body that is checked as it is summed up; None where checks come first, as with few rows."""
    question, labels = request.question, request.columns.get("labels")
    if labels is None or len(labels) < LEAST_ROWS or question.task != "multiclass":
        return None
    if question.include or question.bootstrap or question.plan.needs_rows:
        return None
    try:
        batch = unjudged(request.columns, question.options, first_row)
        if batch is None:
            return None
        if request.slices:
            batch = replace(batch, slices=groupings_of(request.slices, len(batch)))
            check_sections(batch, question.include)
        summary = summary_at_once(batch, question.plan.needs, n_threads)
    except InvalidInput:  # an error of the rows, if there is one, comes first
        return None
    return None if summary is None else Part(batch.form, summary)


def part_of(batch: Batch, plan: Plan, include: frozenset[Include], n_threads: int = 1) -> Part:
    """Sum up one part of a body, for the metrics and sections of an answer."""
    if include or batch.slices:
        check_sections(batch, include)
    if include & {"per_sample", "worst"}:
        n_rows = len(batch) + (batch.first_row if "per_sample" in include else 0)
        hold("held", n_rows * LOSS_BYTES)
    kept = places(batch, "cross_entropy", "size") if include & {"per_sample", "worst"} else {}
    summary = summarize(batch, plan.needs, kept=kept, n_threads=n_threads, inspected=True)
    clusters = clusters_by_slice(batch, plan.needs) if "state" in include else {}
    if not kept:
        return Part(batch.form, summary, clusters=clusters)
    losses = kept["cross_entropy"] / kept["size"]
    return Part(
        batch.form,
        summary,
        worst_rows(batch, losses) if "worst" in include else [],
        [losses] if "per_sample" in include else [],
        clusters,
    )


def answer_of(question: Question, part: Part, batch: Batch | None = None) -> dict[str, Any]:
    """The answer that parts added up give; `batch` is all of them, for metrics that need all rows at once."""
    summary, plan = part.summary, question.plan
    state, options = summary.state, plan.options
    view = StateView(state, options.confidence_level)
    answer: dict[str, Any] = {
        "task": plan.task,
        "unit": options.unit,
        "n_samples": state.n_samples,
        "n_scored": state.n_scored,
        "n_ignored": state.n_samples - state.n_scored,
        "n_classes": state.n_classes,
        "weight_sum": float(state.weight_sum),
        "metrics": entries(_values(view, plan, batch, question.bootstrap)),
        "warnings": warnings_of(summary, view.means[CROSS_ENTROPY.name]),
        "options": question.echo,
    }
    if plan.task == "tokens":
        del answer["n_classes"]
    if question.include:
        answer |= {name: SECTIONS[name](part) for name in SECTIONS if name in question.include}
    if summary.slices:
        answer["slices"] = _slices(summary, plan, batch)
    if batch is not None and "gradient" in question.include:
        answer["gradient"] = {batch.form: gradient(batch, state)}
    if "state" in question.include:
        answer["state"] = state_of(question, part)
    if question.require:
        answer |= judged_scores(question.require, answer["metrics"])
    return answer


def _values(view: StateView, plan: Plan, batch: Batch | None, bootstrap: Bootstrap | None = None) -> dict[str, Value]:
    """The metrics of a state; if all rows are at hand, also the metrics that need them, and intervals by resampling."""
    if batch is None or not (plan.needs_rows or bootstrap):
        return plan.values(view)
    all_rows = AllRows(batch)
    values = plan.values(view, all_rows)
    if bootstrap:
        statistics = {
            metric.name: metric.resampled(all_rows)
            for metric in plan.metrics
            if metric.resampled and values[metric.name].value is not None
        }
        for name, varied in all_rows.replicates(statistics, bootstrap).items():
            values[name] = with_interval(values[name], varied, plan.options.confidence_level)
    return values


def _slices(summary: Summary, plan: Plan, batch: Batch | None) -> dict[str, Any]:
    """The metrics of each slice, by its name and value; each has a state of its own."""
    rows: dict[str, dict[str, IntArray]] = {}
    if batch and plan.needs_rows:
        rows = {name: dict(grouping.rows()) for name, grouping in batch.slices.items()}
    level = plan.options.confidence_level
    return {
        name: {
            value: {
                "n_scored": state.n_scored,
                "metrics": entries(
                    _values(StateView(state, level), plan, batch.take(rows[name][value]) if batch and rows else None)
                ),
            }
            for value, state in at_checkpoints((name, values[name]) for name in in_order(values))
        }
        for name, values in summary.slices.items()
    }
