"""Comparing candidates on the same rows: the scores of each, and its paired difference from a baseline."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.core.batches import Batch, batch_of
from app.core.columns import Column, IntArray, Ragged
from app.core.comparison import Terms, comparisons
from app.core.grouping import Grouping
from app.core.losses import NATS_PER_UNIT
from app.core.pairing import Sample, row_order, sample_of
from app.core.registry import metrics_for
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput, pointer
from app.service.scoring import ScoreRequest, answer_of, part_of

COMPARED: tuple[TaskName, ...] = ("binary", "multiclass", "tokens")
"""The tasks whose candidates can be compared."""

MAX_SLICED_COMPARISONS = 1_000

_OF_THE_TRUTH = {"all_ignored", "single_class", "few_samples"}


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """A checked shape: the values are not yet checked.

    Attributes:
        shared: What all candidates have in common: a request of scoring without a prediction.
        candidates: By name, the field of the prediction and its column.
        margin: The largest difference that does not matter, in the unit of the options.
    """

    shared: ScoreRequest
    candidates: Mapping[str, tuple[str, Column]]
    baseline: str
    margin: float = 0.0

    def place(self, name: str) -> str:
        """The JSON pointer of a candidate."""
        return pointer("candidates", name)


def compare(request: CompareRequest) -> dict[str, Any]:
    """Score candidates and hold each but the baseline against it.

    Returns:
        The answer of the contract, ready for JSON.

    Raises:
        InvalidInput: A value breaks a rule, or candidates differ in their rows; the pointer names the place.
    """
    baseline = _scored(request, request.baseline)
    _check_slices(baseline[0], len(request.candidates) - 1)
    scored = {
        name: baseline if name == request.baseline else _scored(request, name, baseline[0])
        for name in request.candidates
    }
    batches = {name: batch for name, (batch, _) in scored.items()}
    answers = {name: answer for name, (_, answer) in scored.items()}
    sample, first, terms = sample_of(batches), answers[request.baseline], _terms(request)
    answer: dict[str, Any] = {
        **{name: first[name] for name in ("task", "unit", "n_scored")},
        "candidates": {name: {"metrics": answers[name]["metrics"]} for name in answers},
        "comparisons": [pair.to_json() for pair in comparisons(sample, terms)],
        "warnings": list(_warnings(request.baseline, answers)),
        "options": {**first["options"], "margin": request.margin},
    }
    del answer["options"]["n_worst"]  # of a section, and a comparison has none
    if request.shared.slices:
        answer["slices"] = _slices(batches[request.baseline], sample, terms)
    return answer


def _terms(request: CompareRequest) -> Terms:
    options = request.shared.options
    return Terms(
        baseline=request.baseline,
        margin=request.margin,
        confidence_level=options.confidence_level,
        nats_per_unit=NATS_PER_UNIT[options.unit],
    )


def _scored(request: CompareRequest, name: str, baseline: Batch | None = None) -> tuple[Batch, dict[str, Any]]:
    """A candidate's batch, in the clusters of the baseline where that is known, and its answer to scoring."""
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
        metrics = metrics_for(batch)
        part = part_of(replace(batch, slices={}), metrics, shared.include)
        return batch, answer_of(shared, metrics, part)


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
    uneven = np.flatnonzero(ours != theirs)
    if uneven.size:
        row, word = int(uneven[0]), "document" if request.shared.task == "tokens" else "row"
        rule = f"must hold as many values as {word} {row} of {request.baseline}, {theirs[row]}, found {ours[row]}"
        raise InvalidInput.at(f"{place}/{row}", "wrong_length", rule)


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
    """Those of the truth once, those of predictions with the name of the candidate."""
    yield from (entry for entry in answers[baseline]["warnings"] if entry["code"] in _OF_THE_TRUTH)
    for name, answer in answers.items():
        for entry in answer["warnings"]:
            if entry["code"] not in _OF_THE_TRUTH:
                yield {**entry, "candidate": name}


def _check_slices(batch: Batch, n_pairs: int) -> None:
    n_comparisons = n_pairs * sum(len(grouping.names) for grouping in batch.slices.values())
    if n_comparisons > MAX_SLICED_COMPARISONS:
        rule = f"must ask for at most {MAX_SLICED_COMPARISONS} comparisons in all values, found {n_comparisons}"
        raise InvalidInput.at("/slices", "out_of_range", rule)


def _slices(batch: Batch, sample: Sample, terms: Terms) -> dict[str, Any]:
    """By name and value of each slice, the comparisons on its rows."""
    order = row_order(batch)
    return {name: _slice(grouping.take(order), sample, terms) for name, grouping in batch.slices.items()}


def _slice(grouping: Grouping, sample: Sample, terms: Terms) -> dict[str, Any]:
    return {
        value: {
            "n_scored": len(rows),
            "comparisons": [pair.to_json() for pair in comparisons(sample.take(rows), terms)],
        }
        for value, rows in grouping.rows()
    }
