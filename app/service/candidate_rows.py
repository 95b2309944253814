"""The rows of candidates, checked: each has its own prediction, all else is that of the baseline."""

from dataclasses import replace

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of, counted_from, with_prediction
from app.core.columns import BoolArray, Column, IntArray, Ragged, kind_of, marked_rows
from app.core.tasks import TASKS
from app.errors import FieldError, InvalidInput, pointer
from app.service.candidates import CompareRequest

OTHER_UNITS = "candidates that are cut into other tokens are compared by `per`: byte, word or document"


def batch_of_candidate(request: CompareRequest, name: str, first_row: int, baseline: Batch | None = None) -> Batch:
    """The rows with the prediction of a candidate, not shifted; all else is checked with that of the baseline.

    Args:
        first_row: The number in the body of the first row, from which errors count.
    """
    shared, columns = request.question.shared, request.columns_of(name)
    try:
        _check_rows(request, name, first_row)
        if baseline is None:
            batch = batch_of(shared.task, columns, shared.options, request.slices)
        else:
            batch = with_prediction(baseline, columns)
            if _is_cut(request, name):
                _check_tokens(request, name, (batch, baseline), first_row)
    except InvalidInput as refusal:
        own = request.question.candidates[name]
        errors = (_placed(error, name, own) for error in counted_from(first_row, refusal).errors)
        raise InvalidInput(errors, refusal.n_errors) from None
    return batch


def _placed(error: FieldError, name: str, own: tuple[str, ...]) -> FieldError:
    """The error with the place of a candidate's own field."""
    is_own = any(error.pointer.split("/")[1:2] == [field] for field in own)
    return replace(error, pointer=pointer("candidates", name) + error.pointer) if is_own else error


def _is_cut(request: CompareRequest, name: str) -> bool:
    """Tell if a candidate or the baseline has a mask or sums of its own, which say what its tokens are."""
    candidates, baseline = request.question.candidates, request.question.baseline
    return len(candidates[name]) > 1 or len(candidates[baseline]) > 1


def _check_rows(request: CompareRequest, name: str, first_row: int) -> None:
    """Refuse a candidate whose rows are more, fewer, longer or shorter than those it is compared with."""
    form, baseline = request.question.candidates[name][0], request.question.baseline
    column, other = _prediction(request, name), _prediction(request, baseline)
    is_other = name != baseline  # which comes first
    if is_other and isinstance(column, np.ndarray) and column.shape == getattr(other, "shape", None):
        return
    truth, rows = _reference(request)
    if len(column) != len(rows):
        rule = f"must hold as many samples as {truth}, {len(rows)}, found {len(column)}"
        raise InvalidInput.at(f"/{form}", "wrong_length", rule)
    if not is_other or _is_cut(request, name):
        return
    ours, theirs = _row_lengths(column), _row_lengths(other)
    if ours is not None and theirs is not None:
        _check_lengths(request, form, (ours, theirs), _unmasked(request, len(ours)), first_row)


def _check_tokens(request: CompareRequest, name: str, batches: tuple[Batch, Batch], first_row: int) -> None:
    """Refuse a candidate whose documents have other tokens that are scored than those of the baseline."""
    ours, theirs = map(_n_tokens, batches)
    form = request.question.candidates[name][0]
    _check_lengths(request, form, (ours, theirs), np.ones(len(ours), np.bool_), first_row)


def _n_tokens(batch: Batch) -> IntArray:
    """The numbers (n,) of tokens of documents that are scored."""
    scored = np.diff(batch.prediction.offsets)  # type: ignore[union-attr]  # documents are uneven
    return np.where(scored > 0, batch.sizes.get("n_tokens", scored), 0)


def _check_lengths(
    request: CompareRequest, form: str, lengths: tuple[IntArray, IntArray], looked_at: BoolArray, first_row: int
) -> None:
    """Refuse rows of other lengths (n,) than those of the baseline, or only the lack of tokens by other units."""
    (ours, theirs), question = lengths, request.question
    are_uneven = ours != theirs if question.per == "token" else (ours > 0) != (theirs > 0)
    uneven = np.flatnonzero(are_uneven & looked_at)
    if not uneven.size:
        return
    row, word = int(uneven[0]), "document" if question.task == "tokens" else "row"
    number = row + first_row
    rule = f"must hold as many values as {word} {number} of {question.baseline}, {theirs[row]}, found {ours[row]}"
    if question.per != "token":
        rule = f"must have tokens in the same documents as {question.baseline}, found {ours[row]} in document {number}"
    elif question.task == "tokens":
        rule += f"; {OTHER_UNITS}"
    raise InvalidInput.at(f"/{form}/{row}", "wrong_length", rule)


def _unmasked(request: CompareRequest, n_rows: int) -> BoolArray:
    """The rows of which the mask, which is not checked yet, marks something, if it can be one; else all rows."""
    mask = request.columns.get("mask")
    if mask is None or len(mask) != n_rows or kind_of(mask) != "b":
        return np.ones(n_rows, np.bool_)
    is_of_rows = isinstance(mask, np.ndarray) and mask.ndim == 1
    return marked_rows(mask) if is_of_rows or request.task == "tokens" else np.ones(n_rows, np.bool_)


def _reference(request: CompareRequest) -> tuple[str, Column]:
    """The column whose rows every candidate must have, with its name: the truth, or else the baseline."""
    for name in TASKS[request.question.shared.task].truths:
        if name in request.columns:
            return name, request.columns[name]
    return request.question.baseline, _prediction(request, request.question.baseline)


def _prediction(request: CompareRequest, name: str) -> Column:
    """The prediction of a candidate."""
    return request.columns[request.question.places[name][0][1]]


def _row_lengths(column: Column) -> IntArray | None:
    """The lengths (n,) of the rows; None if each is a single value."""
    if isinstance(column, Ragged):
        return np.diff(column.offsets)
    return np.full(len(column), column.shape[1]) if column.ndim == 2 else None
