"""The prediction of a batch: what its form allows, and what its rows sum to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.checks import (
    check_interval,
    check_logits,
    check_not_only_minus_infinity,
    check_probabilities,
    check_row_sums,
    looks_like_probabilities,
    off_rows,
)
from app.core.columns import BoolArray, Ragged
from app.core.findings import Finding
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import FieldError, InvalidInput

MIN_LOOKALIKES = 20
NORMALIZED: tuple[TaskName, ...] = ("multiclass", "distributions")
_PROBABILITY_RULE = "must lie in [0, 1]; if these are scores of any size, send them as `logits`"


def is_lookalike(task: TaskName, logits: NDArray[Any], scored: BoolArray | None, options: Options) -> bool:
    """Whether logits could be probabilities; without row sums to tell it takes some rows to say so."""
    if task in NORMALIZED:
        return looks_like_probabilities(logits, scored, options.tolerance)
    chosen = logits if scored is None else logits[scored]
    return len(chosen) >= MIN_LOOKALIKES and bool(chosen.min() >= 0.0 and chosen.max() <= 1.0)


def is_plainly_sound(
    task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> bool:
    """Whether all is well with a prediction (n, k), row sums included, as one pass tells; False where none can."""
    if scored is not None or task not in NORMALIZED or form == "log_probabilities":
        return False
    return kernels.is_bounded(prediction) if form == "logits" else kernels.is_normalized(prediction, options.tolerance)


def check_prediction(task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None) -> None:
    """Refuse scored values that the form of the prediction (n,) or (n, k) cannot hold."""
    if form == "probabilities":
        check_probabilities(form, prediction, scored, _PROBABILITY_RULE)
    elif form == "log_probabilities":
        rule = "must be at most 0; if these are scores of any size, send them as `logits`"
        check_interval(form, prediction, scored, (-np.inf, 0.0), rule)
    else:
        check_logits(form, prediction, scored)
        if task in NORMALIZED:
            check_not_only_minus_infinity(form, prediction, scored)


def noted_row_sums(
    task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> Finding:
    """Note the rows that do not sum to 1; refuse them where the options or the arithmetic ask for it."""
    finding = Finding()
    if task not in NORMALIZED or form == "logits":
        return finding
    logarithmic = form == "log_probabilities"
    if options.normalization == "error":
        check_row_sums(form, prediction, scored, options.tolerance, logarithmic=logarithmic)
    nothing = -np.inf if logarithmic else 0.0
    for rows, sums in off_rows(prediction, scored, options.tolerance, logarithmic=logarithmic):
        if options.normalization == "renormalize" and nothing in sums:
            row = rows[sums.index(nothing)]
            raise InvalidInput.at(f"/{form}/{row}", "not_normalized", "must have a positive sum to divide by, found 0")
        finding.add(np.array(rows), max(abs(total - (not logarithmic)) for total in sums))
    return finding


def check_tokens(form: str, documents: Ragged) -> None:
    """Refuse log-probabilities above 0; pointers name document and token."""
    try:
        check_interval(form, documents.values, None, (-np.inf, 0.0), "must be at most 0")
    except InvalidInput as error:
        raise InvalidInput(
            (
                FieldError(documents.pointer(form, int(flat.pointer.rpartition("/")[2])), flat.code, flat.detail)
                for flat in error.errors
            ),
            error.n_errors,
        ) from None
