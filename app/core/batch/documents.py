"""Documents of tokens as batches hold them: the log-probabilities that are scored, checked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.checks import Interval, within_bounds
from app.core.batch.findings import NO_FINDING, Finding
from app.core.batch.predictions import LOSS_HINT
from app.core.batch.sentinels import SMALLEST_SENTINEL, Sentinels, sentinels_among
from app.core.columns import BoolArray, Column, Ragged, marked_rows
from app.core.kernels.verdicts import element_verdict
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import FieldError, InvalidInput


def predicted_tokens(form: str, columns: Mapping[str, Column], options: Options) -> dict[str, Any]:
    """Check the tokens that are scored, and return the fields of a batch that follow from them.

    Raises:
        InvalidInput: A token or the mask breaks a rule; the pointer names document and token as they were sent.
    """
    is_summed = "n_tokens" in columns
    documents = _documents(form, columns[form], is_summed=is_summed)
    kept = _kept(documents, columns)
    if is_summed:
        _check_sums(form, documents, kept, options)
    scored = documents if kept is None else _only(documents, kept)
    fields: dict[str, Any] = {"form": form, "prediction": scored}
    if kept is not None:
        fields["kept"] = Ragged(kept, documents.offsets)
    sentinels = _sentinels_of_sound(scored.values)
    if sentinels is not None:
        return {**fields, "sentinels": sentinels}
    documents, rounded = _checked(form, documents, kept, options)
    scored = documents if kept is None else _only(documents, kept)
    return {
        **fields,
        "prediction": scored,
        "rounded": {form: rounded} if rounded.count else {},
        "sentinels": sentinels_among(scored, None, None),
    }


def judged_documents(task: TaskName, form: str, column: Column, options: Options) -> Batch | None:
    """The batch of documents of a token or more, all scored, if one call finds every token sound; else None."""
    if isinstance(column, Ragged):
        are_filled = bool((np.diff(column.offsets) > 0).all())
    else:
        are_filled = column.ndim == 2 and column.size > 0
    if not are_filled:
        return None
    documents = _documents(form, column, is_summed=False)
    sentinels = _sentinels_of_sound(documents.values)
    return None if sentinels is None else Batch(task, options, form, documents, 0, sentinels=sentinels)


def _documents(name: str, column: Column, *, is_summed: bool) -> Ragged:
    """The column as one list a document; of documents that come as sums single values will do."""
    if isinstance(column, Ragged):
        return column
    if column.ndim != 2 and not (is_summed and column.ndim == 1):
        hint = "" if name == "mask" else "; sums over documents go with `n_tokens`"
        rule = f"must hold one list a document, found single values{hint}"
        raise InvalidInput.at(f"/{name}", "wrong_shape", rule)
    n_rows, n_tokens = len(column), column[:1].size
    return Ragged(column.ravel(), np.arange(n_rows + 1, dtype=np.int64) * n_tokens)


def _check_sums(form: str, documents: Ragged, kept: BoolArray | None, options: Options) -> None:
    """Refuse documents of more or fewer values than their sum, and what would look at single tokens."""
    if options.epsilon:
        rule = "must be 0 with n_tokens, for the sum over a document cannot be clipped token by token"
        raise InvalidInput.at("/epsilon", "exclusive", f"{rule}, found {options.epsilon:g}")
    lengths = np.diff(documents.offsets)
    odd = lengths != 1
    if kept is not None:
        odd &= marked_rows(Ragged(kept, documents.offsets))
    wrong = np.flatnonzero(odd).tolist()
    if wrong:
        rule = "must hold one value with n_tokens, the sum over the document, found"
        errors = (FieldError(f"/{form}/{row}", "wrong_length", f"{rule} {lengths[row]}") for row in wrong)
        raise InvalidInput(errors, len(wrong))


def _kept(documents: Ragged, columns: Mapping[str, Column]) -> BoolArray | None:
    """The marks of the values of documents that are scored; None for all.

    A document of which nothing is scored may be of any length.
    """
    if "mask" not in columns:
        return None
    mask = _documents("mask", columns["mask"], is_summed="n_tokens" in columns)
    lengths, marks = np.diff(documents.offsets), np.diff(mask.offsets)
    uneven = lengths != marks
    if not uneven.any():
        return None if mask.values.all() else mask.values
    wrong = np.flatnonzero(uneven & marked_rows(mask)).tolist()
    if wrong:
        rule = "must hold a value for each token of its document"
        errors = (
            FieldError(f"/mask/{row}", "wrong_length", f"{rule}, {lengths[row]}, found {marks[row]}") for row in wrong
        )
        raise InvalidInput(errors, len(wrong))
    kept = np.zeros(len(documents.values), np.bool_)
    kept[np.repeat(~uneven, lengths)] = mask.values[np.repeat(~uneven, marks)]
    return kept


def _only(documents: Ragged, kept: BoolArray) -> Ragged:
    """The documents with the values alone that are marked."""
    places = np.flatnonzero(kept)
    return Ragged(documents.values[places], places.searchsorted(documents.offsets))


def _sentinels_of_sound(values: NDArray[Any]) -> Sentinels | None:
    """The sentinels among log-probabilities (n,), which are none, if one call finds all of them sound; else None."""
    try:
        verdict = element_verdict(values, None, "logits", 0.0)
    except (TypeError, ValueError):
        return None
    if verdict.row < len(values) or not SMALLEST_SENTINEL < verdict.least <= verdict.largest <= 0.0:
        return None
    return Sentinels({}, {}, 0.0 - verdict.least, True, verdict.has_fractions)


def _checked(form: str, documents: Ragged, kept: BoolArray | None, options: Options) -> tuple[Ragged, Finding]:
    """The documents, with log-probabilities above 0 by rounding taken as 0, and those concerned.

    Raises:
        InvalidInput: A log-probability that is scored is above 0 by more.
    """
    interval = Interval(-np.inf, 0.0, options.tolerance, f"must be at most 0; {LOSS_HINT}")
    try:
        values, finding = within_bounds(form, documents.values, kept, interval)
    except InvalidInput as error:
        raise InvalidInput(
            (
                _token_error(documents, flat, documents.pointer(form, int(flat.pointer.rpartition("/")[2])))
                for flat in error.errors
            ),
            error.n_errors,
        ) from None
    if not finding.count:
        return documents, finding
    is_above = documents.values > 0.0
    above = np.flatnonzero(is_above if kept is None else is_above & kept)
    rows = np.unique(np.searchsorted(documents.offsets, above, side="right") - 1)
    return replace(documents, values=values), NO_FINDING.with_rows(rows, finding.max_deviation)


def _token_error(documents: Ragged, flat: FieldError, pointer: str) -> FieldError:
    """The error for a value among all tokens, pointing at its document."""
    absent = np.isnan(documents.values[int(flat.pointer.rpartition("/")[2])])
    hint = "; leave a token without one out, or mask it" if absent else ""
    return FieldError(pointer, flat.code, flat.detail + hint)
