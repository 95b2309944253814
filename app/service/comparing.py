"""Comparing candidates on the same rows: the scores of each, and its paired difference from a baseline."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.batch.findings import warning
from app.core.columns import BoolArray, Column, FloatArray, IntArray, Ragged
from app.core.compare.comparison import MIN_SAMPLES, Pair, Terms, comparisons, confirmed, judged, pairs
from app.core.compare.pairing import Sample, normalized_losses, row_order, sample_of
from app.core.compare.verdicts import Family
from app.core.metrics.plan import plan_of
from app.core.sums.summary import places, summarize
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput, pointer
from app.service.scoring import ScoreRequest, answer_of
from app.service.sections import Part

COMPARED: tuple[TaskName, ...] = ("binary", "multiclass", "tokens")
"""The tasks whose candidates can be compared."""

OWN_OPTIONS = ("margin", "min_samples", "family")
"""The options that scoring lacks."""

MAX_SLICED_COMPARISONS = 1_000

_OF_THE_TRUTH = {"all_ignored", "single_class"}


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """A checked shape: the values are not yet checked.

    Attributes:
        shared: What all candidates have in common: a request of scoring without a prediction.
        candidates: By name, the field of the prediction and its column.
        margin: The largest difference that does not matter, in the unit of the options.
        min_samples: Rows, or clusters, of positive weight below which nothing is decided.
        family: The comparisons whose intervals hold together.
    """

    shared: ScoreRequest
    candidates: Mapping[str, tuple[str, Column]]
    baseline: str
    margin: float = 0.0
    min_samples: int = MIN_SAMPLES
    family: Family = "pairs"

    def with_columns(self, columns: Mapping[str, Any]) -> "CompareRequest":
        """The same question of other columns, those of candidates among them as one entry."""
        sent = columns["candidates"]
        candidates = {name: (form, sent[name][form]) for name, (form, _) in self.candidates.items()}
        return replace(self, shared=self.shared.with_columns(columns), candidates=candidates)

    def place(self, name: str) -> str:
        """The JSON pointer of a candidate."""
        return pointer("candidates", name)


class _Slice(NamedTuple):
    """The rows of one slice, and the evidence of each pair in them."""

    n_scored: int
    pairs: list[Pair]


Losses: TypeAlias = dict[str, FloatArray]
Slices: TypeAlias = Mapping[str, Mapping[str, _Slice]]
"""The slices by name and value."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A candidate: its batch, what was kept of the rows, and its answer to scoring."""

    batch: Batch
    columns: Mapping[str, FloatArray]
    answer: dict[str, Any]


def compare(request: CompareRequest) -> dict[str, Any]:
    """Score candidates and hold each but the baseline against it.

    Returns:
        The answer of the contract, ready for JSON.

    Raises:
        InvalidInput: A value breaks a rule, or candidates differ in their rows; the pointer names the place.
    """
    baseline = _scored(request, request.baseline)
    _check_slices(baseline.batch, len(request.candidates) - 1)
    losses, normalized, answers = _all_scored(request, baseline)
    sample = sample_of(baseline.batch, baseline.columns, losses)
    other = replace(sample, losses=losses | normalized) if normalized else None
    terms, first = _terms(request), answers[request.baseline]
    slices = _slices(baseline.batch, sample, terms)
    entries = comparisons(sample, terms)
    if other is not None:
        entries = confirmed(entries, comparisons(other, terms))
    answer: dict[str, Any] = {
        "comparisons": [entry.to_json() for entry in entries],
        **{name: first[name] for name in ("task", "unit", "n_scored")},
        "candidates": {name: {"metrics": answers[name]["metrics"]} for name in answers},
        "warnings": [*_few_samples(sample, slices, terms), *_warnings(request.baseline, answers)],
        "options": {**first["options"], **{name: getattr(terms, name) for name in OWN_OPTIONS}},
    }
    del answer["options"]["n_worst"]  # of a section, and a comparison has none
    if slices:
        answer["slices"] = _judged(slices, terms, None if other is None else _slices(baseline.batch, other, terms))
    return answer


def _all_scored(request: CompareRequest, baseline: _Scored) -> tuple[Losses, Losses, dict[str, dict[str, Any]]]:
    """The losses of candidates in `row_order`, those of rows divided by their sums if they differ, and the answers."""
    order = row_order(baseline.batch)
    losses, normalized, answers = {}, {}, {}
    for name in request.candidates:
        scored = baseline if name == request.baseline else _scored(request, name, baseline.batch)
        losses[name], answers[name] = scored.columns["cross_entropy"][order], scored.answer
        if scored.batch.not_normalized.count and request.shared.options.normalization == "warn":
            normalized[name] = normalized_losses(scored.batch, order, losses[name])
    return losses, normalized, answers


def _terms(request: CompareRequest) -> Terms:
    options = request.shared.options
    return Terms(
        baseline=request.baseline,
        margin=request.margin,
        min_samples=request.min_samples,
        family=request.family,
        confidence_level=options.confidence_level,
        nats_per_unit=options.nats_per_unit,
    )


def _scored(request: CompareRequest, name: str, baseline: Batch | None = None) -> _Scored:
    """A candidate, in the clusters of the baseline where that is known."""
    _check_rows(request, name)
    form, column = request.candidates[name]
    shared = request.shared
    columns = {**shared.columns, form: column}
    with _pointing_into(request.place(name), form):
        if baseline is None:
            batch = batch_of(shared.task, columns, shared.options, shared.slices)
        else:
            columns.pop("cluster_id", None)
            batch = replace(batch_of(shared.task, columns, shared.options), clusters=baseline.clusters)
        plan = plan_of(shared.task, shared.options, tuple(columns))
        kept = places(batch, *(("cross_entropy", "size", "share") if baseline is None else ("cross_entropy",)))
        part = Part(form, summarize(batch, plan.needs, kept=kept, inspected=True))
        return _Scored(batch, kept, answer_of(shared, plan, part))


@contextmanager
def _pointing_into(place: str, form: str) -> Iterator[None]:
    """Errors of a prediction point to where the candidate holds it."""
    try:
        yield
    except InvalidInput as refusal:
        errors = (
            replace(error, pointer=place + error.pointer) if error.pointer.split("/")[1:2] == [form] else error
            for error in refusal.errors
        )
        raise InvalidInput(errors, refusal.n_errors) from None


def _check_rows(request: CompareRequest, name: str) -> None:
    """Refuse a candidate whose rows are more, fewer, longer or shorter than those it is compared with."""
    form, column = request.candidates[name]
    place = f"{request.place(name)}/{form}"
    truth, rows = _reference(request)
    if len(column) != len(rows):
        rule = f"must hold as many samples as {truth}, {len(rows)}, found {len(column)}"
        raise InvalidInput.at(place, "wrong_length", rule)
    ours, theirs = _row_lengths(column), _row_lengths(request.candidates[request.baseline][1])
    if ours is None or theirs is None:
        return
    uneven = np.flatnonzero((ours != theirs) & _unmasked(request, len(ours)))
    if uneven.size:
        row, word = int(uneven[0]), "document" if request.shared.task == "tokens" else "row"
        rule = f"must hold as many values as {word} {row} of {request.baseline}, {theirs[row]}, found {ours[row]}"
        raise InvalidInput.at(f"{place}/{row}", "wrong_length", rule)


def _unmasked(request: CompareRequest, n_rows: int) -> BoolArray:
    """(n,) rows that are looked at, as far as the mask, which is not checked yet, can tell."""
    mask = request.shared.columns.get("mask")
    if isinstance(mask, np.ndarray) and mask.shape == (n_rows,) and mask.dtype.kind == "b":
        return mask
    return np.ones(n_rows, np.bool_)


def _reference(request: CompareRequest) -> tuple[str, Column]:
    """What has the number of rows that every candidate must have: the truth, or else the baseline."""
    columns = request.shared.columns
    for name in TASKS[request.shared.task].truths:
        if name in columns:
            return name, columns[name]
    return request.baseline, request.candidates[request.baseline][1]


def _row_lengths(column: Column) -> IntArray | None:
    """(n,) values in each row; None of single values."""
    if isinstance(column, Ragged):
        return np.diff(column.offsets)
    return np.full(len(column), column.shape[1]) if column.ndim == 2 else None


def _warnings(baseline: str, answers: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Warnings of the truth once, those of predictions with the name of the candidate."""
    yield from filter(_is_of_the_truth, answers[baseline]["warnings"])
    for name, answer in answers.items():
        for entry in answer["warnings"]:
            if not _is_of_the_truth(entry) and entry["code"] != "few_samples":
                yield {**entry, "candidate": name}


def _is_of_the_truth(entry: Mapping[str, Any]) -> bool:
    return entry["code"] in _OF_THE_TRUTH or entry.get("field") == "targets"


def _few_samples(sample: Sample, slices: Slices, terms: Terms) -> Iterator[dict[str, Any]]:
    """The warning in place of that of scoring, which asks for two rows only."""
    shortage = sample.shortage(terms.min_samples)
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


def _slices(batch: Batch, sample: Sample, terms: Terms) -> Slices:
    order = row_order(batch)
    return {
        name: {value: _Slice(len(rows), pairs(sample.take(rows), terms)) for value, rows in grouping.take(order).rows()}
        for name, grouping in batch.slices.items()
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
