"""Checks of the prediction of a batch: the bounds of its form, and the sums of its rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.checks import (
    Interval,
    check_logits,
    check_not_only_minus_infinity,
    check_row_sums,
    looks_like_probabilities,
    off_rows,
    within_bounds,
)
from app.core.batch.findings import NO_FINDING, Finding
from app.core.columns import BoolArray
from app.core.kernels.verdicts import are_sound
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput

MIN_LOOKALIKES = 20
"""The number of logits in [0, 1] without which none are taken for probabilities: fewer lie there by chance."""
NORMALIZED: tuple[TaskName, ...] = ("multiclass", "distributions")
_PROBABILITY_RULE = "must lie in [0, 1]; if these are scores of any size, send them as `logits`"
_PERCENT_RULE = "must lie in [0, 1]; if these are percent, divide them by 100"
MIN_PERCENT = 10.0
"""The number from which probabilities look like percent, if none is negative; logits of that size mostly have some."""

LOSS_HINT = "if these are losses, send minus the loss"
"""The advice about log-probabilities above 0."""


def is_lookalike(task: TaskName, logits: NDArray[Any], scored: BoolArray | None, options: Options) -> bool:
    """Tell whether logits could be probabilities. Without row sums as a sign `MIN_LOOKALIKES` of them tell it."""
    if task in NORMALIZED:
        return looks_like_probabilities(logits, scored, options.tolerance)
    chosen = logits if scored is None else logits[scored]
    low, high = -options.tolerance, 1.0 + options.tolerance
    return len(chosen) > 0 and bool(chosen.min() >= low and chosen.max() <= high)


def is_plainly_sound(
    task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> bool:
    """Tell whether one pass of a kernel finds a prediction (n, k) and its row sums sound; False also where none can."""
    if scored is not None or task not in NORMALIZED or form == "log_probabilities":
        return False
    return are_sound(prediction, form, options.tolerance)


def checked_prediction(
    task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> tuple[NDArray[Any], Finding]:
    """The prediction, moved to its bounds where it lies outside by rounding, and the rows concerned.

    Raises:
        InvalidInput: The form of the prediction (n,) or (n, k) cannot hold a scored value.
    """
    if form == "probabilities":
        return _probabilities(prediction, scored, options)
    if form == "log_probabilities":
        rule = f"must be at most 0; {LOSS_HINT}; if scores of any size, send them as `logits`"
        return within_bounds(form, prediction, scored, Interval(-np.inf, 0.0, options.tolerance, rule))
    check_logits(form, prediction, scored)
    if task in NORMALIZED:
        check_not_only_minus_infinity(form, prediction, scored)
    return prediction, NO_FINDING


def _probabilities(
    prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> tuple[NDArray[Any], Finding]:
    interval = Interval(0.0, 1.0, options.tolerance, _PROBABILITY_RULE)
    try:
        return within_bounds("probabilities", prediction, scored, interval)
    except InvalidInput:
        chosen = prediction if scored is None else prediction[scored]
        if chosen.min() >= 0.0 and MIN_PERCENT < chosen.max() <= 100.0:
            within_bounds("probabilities", prediction, scored, interval._replace(rule=_PERCENT_RULE))
        raise


def noted_row_sums(
    task: TaskName, form: str, prediction: NDArray[Any], scored: BoolArray | None, options: Options
) -> Finding:
    """Note the rows that do not sum to 1, or refuse them where the options say so or no number could follow."""
    finding = NO_FINDING
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
        finding = finding.with_rows(np.array(rows), max(abs(total - (not logarithmic)) for total in sums))
    return finding
