"""The use case of comparing candidates on the same rows: their scores, and their paired differences from a baseline."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.findings import warning
from app.core.checkpoints import at_checkpoints
from app.core.columns import IntArray
from app.core.compare.comparison import Pair, Terms, comparisons, confirmed, judged, pairs
from app.core.compare.pairing import PairedLosses, normalized_values, observations_of, row_order
from app.core.kernels.entries import entries as metrics_shown
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.plan import Plan
from app.core.metrics.state_view import StateView
from app.core.sums.layout import layout_of
from app.core.sums.summary import Summary, places, summarize
from app.core.warnings.notices import warnings_of
from app.errors import InvalidInput
from app.service.candidates import CompareRequest, batch_of_candidate, own_options
from app.service.requiring import judged_comparison
from app.service.units import SIZES, check_unit

MAX_SLICED_COMPARISONS = 1_000
"""The most pairs times slices of a comparison."""

_OF_THE_TRUTH = {"all_ignored", "single_class"}


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
    baseline, terms = batch_of_candidate(request, request.baseline), _terms(request)
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
        batch = baseline if is_baseline else batch_of_candidate(request, name, baseline)
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
