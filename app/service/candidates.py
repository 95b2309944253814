"""A request to compare candidates, and their rows, which must be the same for all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of, with_prediction
from app.core.columns import BoolArray, Column, IntArray, Ragged, kind_of, marked_rows
from app.core.compare.comparison import MIN_SAMPLES
from app.core.compare.verdicts import Family
from app.core.tasks import ALL, LABELLED, TASKS, TaskName
from app.errors import InvalidInput, pointer
from app.service.requiring import Rules
from app.service.scoring import ScoreRequest
from app.service.units import Per

COMPARED: tuple[TaskName, ...] = ALL
"""The tasks whose candidates can be compared."""

ComparedMetric: TypeAlias = Literal["cross_entropy", "brier_score", "accuracy"]
COMPARED_METRICS: dict[TaskName, tuple[ComparedMetric, ...]] = {
    task: get_args(ComparedMetric) if task in LABELLED else ("cross_entropy",) for task in ALL
}
"""The means of rows that candidates of each task can be compared on, the default first."""

OWN_OPTIONS = ("metric", "margin", "min_samples", "family")
"""The options of every task that scoring lacks."""


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


def batch_of_candidate(request: CompareRequest, name: str, baseline: Batch | None = None) -> Batch:
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
