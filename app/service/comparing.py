"""The use case of comparing candidates on the same rows: their scores, and their paired differences from a baseline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of, with_prediction
from app.core.batch.findings import warning
from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, Column, IntArray, Ragged, kind_of, marked_rows
from app.core.compare.comparison import MIN_SAMPLES, Pair, Terms, comparisons, confirmed, judged, pairs
from app.core.compare.pairing import PairedLosses, normalized_values, observations_of, row_order
from app.core.compare.verdicts import Family
from app.core.kernels.entries import entries as metrics_shown
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.plan import Plan
from app.core.metrics.state_view import StateView
from app.core.sums.layout import layout_of
from app.core.sums.summary import Summary, places, summarize
from app.core.tasks import ALL, LABELLED, TASKS, TaskName
from app.core.warnings.notices import warnings_of
from app.errors import InvalidInput, pointer
from app.service.requiring import Rules, judged_comparison
from app.service.scoring import ScoreRequest
from app.service.units import SIZES, Per, check_unit

COMPARED: tuple[TaskName, ...] = ALL
"""The tasks whose candidates can be compared."""

ComparedMetric: TypeAlias = Literal["cross_entropy", "brier_score", "accuracy"]
COMPARED_METRICS: dict[TaskName, tuple[ComparedMetric, ...]] = {
    task: get_args(ComparedMetric) if task in LABELLED else ("cross_entropy",) for task in ALL
}
"""The means of rows that candidates of each task can be compared on, the default first."""

OWN_OPTIONS = ("metric", "margin", "min_samples", "family")
"""The options of every task that scoring lacks."""

MAX_SLICED_COMPARISONS = 1_000
"""The most pairs times slices of a comparison."""

_OF_THE_TRUTH = {"all_ignored", "single_class"}


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """A request to compare, whose values are not yet checked.

    Attributes:
        shared: A request of scoring without a prediction, which all candidates have in common.
        candidates: The field of the prediction and its column, by the name of the candidate.
        metric: The metric whose differences decide.
        margin: The largest difference that does not matter, in the unit of the metric.
        min_samples: Rows, or clusters, of positive weight below which nothing is decided.
        family: The comparisons whose intervals hold together.
        per: The unit of documents that a difference is of. Candidates have the same tokens only where it is the token.
        require: The rules that the answer must keep.
    """

    shared: ScoreRequest
    candidates: Mapping[str, tuple[str, Column]]
    baseline: str
    metric: ComparedMetric = "cross_entropy"
    margin: float = 0.0
    min_samples: int = MIN_SAMPLES
    family: Family = "pairs"
    per: Per = "token"
    require: Rules = ()

    def with_columns(self, columns: Mapping[str, Any]) -> "CompareRequest":
        """The same question of other columns, those of candidates among them as one entry."""
        sent = columns["candidates"]
        candidates = {name: (form, sent[name][form]) for name, (form, _) in self.candidates.items()}
        return replace(self, shared=self.shared.with_columns(columns), candidates=candidates)

    def place(self, name: str) -> str:
        """The JSON pointer of a candidate."""
        return pointer("candidates", name)


def own_options(task: TaskName) -> tuple[str, ...]:
    """The names of the options of a task that scoring lacks."""
    return (*OWN_OPTIONS, "per") if task == "tokens" else OWN_OPTIONS


class _Slice(NamedTuple):
    """The rows of one slice, and the evidence of each pair in them."""

    n_scored: int
    pairs: list[Pair]


Slices: TypeAlias = Mapping[str, Mapping[str, _Slice]]
"""The slices by name and value."""


class _Scored(NamedTuple):
    """The part of a candidate's scores that a comparison answers."""

    metrics: dict[str, Any]
    warnings: list[dict[str, Any]]


def compare(request: CompareRequest) -> dict[str, Any]:
    """Score candidates and hold each but the baseline against it.

    Returns:
        The answer of the contract, ready for JSON.

    Raises:
        InvalidInput: A value breaks a rule, or candidates differ in their rows; the pointer names the place.
    """
    check_unit(request.per, request.shared.columns)
    baseline, terms = _batch(request, request.baseline), _terms(request)
    _check_slices(baseline, len(request.candidates) - 1)
    order = row_order(baseline)
    sent, normalized, scored = _all_scored(request, baseline, order)
    slices, entries = _slices(baseline, order, sent, terms), comparisons(sent, terms)
    if normalized is not None:
        entries = confirmed(entries, comparisons(normalized, terms))
    answer: dict[str, Any] = {
        "comparisons": [entry.to_json() for entry in entries],
        "task": baseline.task,
        "unit": baseline.options.unit,
        "n_scored": baseline.n_scored,
        "candidates": {name: {"metrics": candidate.metrics} for name, candidate in scored.items()},
        "warnings": [*_few_samples(sent, slices, terms), *_warnings(request.baseline, scored)],
        "options": _echo(request),
    }
    if slices:
        others = None if normalized is None else _slices(baseline, order, normalized, terms)
        answer["slices"] = _judged(slices, terms, others)
    if request.require:
        answer |= judged_comparison(request.require, answer)
    return answer


def _echo(request: CompareRequest) -> dict[str, Any]:
    """The options in force; `n_worst` is of a section, and a comparison has none."""
    own = {name: getattr(request, name) for name in own_options(request.shared.task)}
    return {name: value for name, value in request.shared.question.echo.items() if name != "n_worst"} | own


def _all_scored(
    request: CompareRequest, baseline: Batch, order: IntArray | None
) -> tuple[PairedLosses, PairedLosses | None, dict[str, _Scored]]:
    """The losses as sent, those of rows divided by their sums if they differ, and the scores of all candidates."""
    plan = request.shared.question.plan
    is_loss = request.metric == "cross_entropy"
    factors = {"size", "share"} if is_loss else {"size"}  # class weights act on losses alone
    if request.per != "token":
        factors = set()
    counted = places(baseline, *layout_of(baseline, plan.needs).rows.keys() & factors)
    losses, normalized, scored = {}, {}, {}
    for name in at_checkpoints(request.candidates):
        is_baseline = name == request.baseline
        batch = baseline if is_baseline else _batch(request, name, baseline)
        kept = places(batch, request.metric) | (counted if is_baseline else {})
        unsliced = replace(batch, slices={}) if batch.slices else batch  # of slices only pairs are summed up
        summary = summarize(unsliced, plan.needs, kept=kept, inspected=True)
        scored[name] = _scored(plan, summary)
        losses[name] = kept[request.metric] if order is None else kept[request.metric][order]
        if batch.not_normalized.count and batch.options.normalization == "warn":
            normalized[name] = normalized_values(batch, order, losses[name], request.metric)
    if request.per in SIZES:
        counted["size"] = baseline.sizes[SIZES[request.per]].astype(np.float64)
    is_counted = is_loss and request.per == "token" and baseline.options.denominator == "count"
    rows = observations_of(baseline, order, counted, is_counted=is_counted)
    others = PairedLosses(losses | normalized, rows) if normalized else None
    return PairedLosses(losses, rows), others, scored


def _scored(plan: Plan, summary: Summary) -> _Scored:
    view = StateView(summary.state, plan.options.confidence_level)
    loss = view.means[CROSS_ENTROPY.name]
    return _Scored(metrics_shown(plan.values(view)), warnings_of(summary, loss))


def _terms(request: CompareRequest) -> Terms:
    options = request.shared.options
    return Terms(
        baseline=request.baseline,
        margin=request.margin,
        min_samples=request.min_samples,
        family=request.family,
        confidence_level=options.confidence_level,
        nats_per_unit=options.nats_per_unit if request.metric == "cross_entropy" else 1.0,
        higher_is_better=request.metric == "accuracy",
    )


def _batch(request: CompareRequest, name: str, baseline: Batch | None = None) -> Batch:
    """The rows with the prediction of a candidate; all else is checked with that of the baseline."""
    _check_rows(request, name)
    shared, (form, column) = request.shared, request.candidates[name]
    columns = {**shared.columns, form: column}
    try:
        if baseline is None:
            return batch_of(shared.task, columns, shared.options, shared.slices)
        return with_prediction(baseline, columns)
    except InvalidInput as refusal:
        errors = (
            replace(error, pointer=request.place(name) + error.pointer)
            if error.pointer.split("/")[1:2] == [form]
            else error
            for error in refusal.errors
        )
        raise InvalidInput(errors, refusal.n_errors) from None


def _check_rows(request: CompareRequest, name: str) -> None:
    """Refuse a candidate whose rows are more, fewer, longer or shorter than those it is compared with."""
    form, column = request.candidates[name]
    other = request.candidates[request.baseline][1]
    is_other = name != request.baseline  # which comes first
    if is_other and isinstance(column, np.ndarray) and column.shape == getattr(other, "shape", None):
        return
    truth, rows = _reference(request)
    if len(column) != len(rows):
        rule = f"must hold as many samples as {truth}, {len(rows)}, found {len(column)}"
        raise InvalidInput.at(f"{request.place(name)}/{form}", "wrong_length", rule)
    if not is_other:
        return
    ours, theirs = _row_lengths(column), _row_lengths(other)
    if ours is None or theirs is None:
        return
    are_uneven = ours != theirs if request.per == "token" else (ours > 0) != (theirs > 0)
    uneven = np.flatnonzero(are_uneven & _unmasked(request, len(ours)))
    if uneven.size:
        row, word = int(uneven[0]), "document" if request.shared.task == "tokens" else "row"
        rule = f"must hold as many values as {word} {row} of {request.baseline}, {theirs[row]}, found {ours[row]}"
        if request.per != "token":
            rule = f"must have tokens in the same documents as {request.baseline}, found {ours[row]} in document {row}"
        elif request.shared.task == "tokens":
            rule += "; candidates that are cut into other tokens are compared by `per`: byte, word or document"
        raise InvalidInput.at(f"{request.place(name)}/{form}/{row}", "wrong_length", rule)


def _unmasked(request: CompareRequest, n_rows: int) -> BoolArray:
    """The rows of which the mask, which is not checked yet, marks something, if it can be one; else all rows."""
    mask = request.shared.columns.get("mask")
    if mask is None or len(mask) != n_rows or kind_of(mask) != "b":
        return np.ones(n_rows, np.bool_)
    is_of_rows = isinstance(mask, np.ndarray) and mask.ndim == 1
    return marked_rows(mask) if is_of_rows or request.shared.task == "tokens" else np.ones(n_rows, np.bool_)


def _reference(request: CompareRequest) -> tuple[str, Column]:
    """The column whose rows every candidate must have, with its name: the truth, or else the baseline."""
    columns = request.shared.columns
    for name in TASKS[request.shared.task].truths:
        if name in columns:
            return name, columns[name]
    return request.baseline, request.candidates[request.baseline][1]


def _row_lengths(column: Column) -> IntArray | None:
    """The lengths (n,) of the rows; None if each is a single value."""
    if isinstance(column, Ragged):
        return np.diff(column.offsets)
    return np.full(len(column), column.shape[1]) if column.ndim == 2 else None


def _warnings(baseline: str, scored: Mapping[str, _Scored]) -> Iterator[dict[str, Any]]:
    """Warnings of the truth once, those of predictions with the name of the candidate."""
    yield from filter(_is_of_the_truth, scored[baseline].warnings)
    for name, candidate in scored.items():
        for entry in candidate.warnings:
            if not _is_of_the_truth(entry) and entry["code"] != "few_samples":
                yield {**entry, "candidate": name}


def _is_of_the_truth(entry: Mapping[str, Any]) -> bool:
    return entry["code"] in _OF_THE_TRUTH or entry.get("field") == "targets"


def _few_samples(sent: PairedLosses, slices: Slices, terms: Terms) -> Iterator[dict[str, Any]]:
    """The warning of few samples, in place of that of scoring, which demands two rows only."""
    shortage = sent.shortage(terms.min_samples)
    if shortage is not None:
        yield warning("few_samples", f"every verdict is inconclusive: {shortage}")
        return
    short = [part.pairs[0].shortage is not None for values in slices.values() for part in values.values()]
    if any(short):
        rule = f"the verdicts on {sum(short)} of {len(short)} slices are inconclusive"
        yield warning("few_samples", f"{rule}: too few rows or clusters, as the reason in each says")


def _check_slices(batch: Batch, n_pairs: int) -> None:
    n_comparisons = n_pairs * sum(len(grouping.names) for grouping in batch.slices.values())
    if n_comparisons > MAX_SLICED_COMPARISONS:
        rule = f"must ask for at most {MAX_SLICED_COMPARISONS} comparisons in all values, found {n_comparisons}"
        raise InvalidInput.at("/slices", "out_of_range", rule)


def _slices(batch: Batch, order: IntArray | None, paired: PairedLosses, terms: Terms) -> Slices:
    groupings = batch.slices if order is None else {name: own.take(order) for name, own in batch.slices.items()}
    return {
        name: {
            value: _Slice(len(rows), pairs(paired.take(rows), terms)) for value, rows in at_checkpoints(grouping.rows())
        }
        for name, grouping in groupings.items()
    }


def _judged(slices: Slices, terms: Terms, others: Slices | None) -> dict[str, Any]:
    """The comparisons on the rows of each slice, by its name and value: all of them are one family.

    Args:
        others: The same of rows that sum to 1, which must have the same verdicts; None where all do.
    """
    parts = [part for values in slices.values() for part in values.values()]
    groups = judged([part.pairs for part in parts], terms)
    if others is not None:
        normalized = judged([part.pairs for values in others.values() for part in values.values()], terms)
        groups = [confirmed(entries, others) for entries, others in zip(groups, normalized, strict=True)]
    entries = iter(groups)
    return {
        name: {
            value: {"n_scored": part.n_scored, "comparisons": [entry.to_json() for entry in next(entries)]}
            for value, part in values.items()
        }
        for name, values in slices.items()
    }
