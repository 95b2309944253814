"""The use case of applying a fitted map to predictions, which need no truth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.batch.findings import NO_FINDING, warning
from app.core.columns import Column, FloatArray, IntArray
from app.core.fits.crossfit import calibrated
from app.core.fits.platt_isotonic import UNCHANGED, Calibrator, Isotonic
from app.core.fits.temperature import FLOOR, floored, parts
from app.core.options import Options
from app.core.paying import hold
from app.core.rows.blocks import rows_of
from app.core.sums.layout import Needs
from app.core.sums.summary import Summary, empty_state
from app.core.tasks import TASKS
from app.core.warnings.notices import warnings_of_prediction
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput
from app.service.maps import CalibrationMap

APPLYING_OPTIONS = ("normalization", "tolerance")
"""The options of scoring that bear on calibrated probabilities."""
NUMBER_BYTES, ROW_BYTES = 8, 100
"""The memory of an answer for each number of the prediction, and for each row."""


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A request to apply a map: a prediction, perhaps with a mask, whose values are not yet checked."""

    fitted: CalibrationMap
    columns: Mapping[str, Column]
    options: Options

    def with_columns(self, columns: Mapping[str, Any]) -> "ApplyRequest":
        """The same map for other columns."""
        return replace(self, columns={name: columns[name] for name in self.columns})


def apply_map(request: ApplyRequest) -> dict[str, Any]:
    """Calibrate one batch of predictions.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule, the pointer names field and index; or the map is for other classes.
    """
    fitted = request.fitted
    n_rows = next(len(request.columns[name]) for name in TASKS[fitted.task].predictions if name in request.columns)
    truth = np.zeros(n_rows, np.int64)  # a batch has one, which nothing here reads
    batch = batch_of(fitted.task, {**request.columns, "labels": truth}, request.options)
    fitted.check_classes(batch.n_classes, batch.form)
    names = {} if fitted.classes is None else {"classes": fitted.classes}
    options = batch.options.for_task(batch.task)
    return {
        "task": fitted.task,
        "method": fitted.method,
        "n_samples": len(batch),
        "n_scored": batch.n_scored,
        "n_classes": fitted.n_classes,
        **names,
        "warnings": _warnings(batch, fitted.calibrator),
        "options": {name: options[name] for name in APPLYING_OPTIONS if name in options},
        "probabilities": calibrated_probabilities(batch, fitted.calibrator),
    }


def calibrated_probabilities(batch: Batch, calibrator: Calibrator) -> Any:
    """The calibrated probabilities, in the shape of the prediction; null where a row is not scored.

    Raises:
        InvalidInput: A score leaves the range of numbers when it is calibrated.
    """
    hold("held", NUMBER_BYTES * batch.prediction.size + ROW_BYTES * len(batch))  # type: ignore[union-attr]
    found = np.full((len(batch),) if batch.task == "binary" else (len(batch), batch.n_classes), np.nan)
    for part in parts(batch, scored_rows(batch)):
        with np.errstate(over="ignore", invalid="ignore"):
            rows = rows_of(calibrated(batch, part, calibrator), slice(0, len(part)))
            values: FloatArray = rows.probabilities.T.reshape(len(part), *found.shape[1:])  # type: ignore[union-attr]
        if not np.isfinite(values).all():
            raise _overflow(batch.form, part[~np.isfinite(values).reshape(len(part), -1).all(axis=1)])
        found[part] = values
    if found.ndim == 1 or batch.scored is None:
        return found
    return [row if known else None for row, known in zip(found, batch.scored.tolist(), strict=True)]


def scored_rows(batch: Batch) -> IntArray:
    """The numbers of the rows that are scored."""
    return np.arange(len(batch)) if batch.scored is None else np.flatnonzero(batch.scored)


def _overflow(form: str, rows: IntArray) -> InvalidInput:
    rule = "must stay a number when it is calibrated, found an overflow"
    return InvalidInput(
        (FieldError(f"/{form}/{row}", "out_of_range", rule) for row in rows[:MAX_LISTED_ERRORS].tolist()), len(rows)
    )


def floored_warning(batch: Batch, rows: IntArray) -> list[dict[str, Any]]:
    """The warning about rows with probabilities that count as `FLOOR`, if there are any."""
    finding = NO_FINDING
    for part in parts(batch, rows):
        finding = finding.with_rows(part[floored(batch, part)])
    if not finding.count:
        return []
    detail = f"{finding.count} rows hold probabilities below {FLOOR:g}, which count as {FLOOR:g}"
    return [warning("clipped", detail, count=finding.count, rows=finding.rows)]


def _warnings(batch: Batch, calibrator: Calibrator) -> list[dict[str, Any]]:
    """The warnings of scoring the batch that concern the prediction alone."""
    state = empty_state(batch.task, batch.options, batch.n_classes, Needs((), ()))
    state = replace(state, n_samples=len(batch), n_scored=batch.n_scored)
    like = batch.looks_like_probabilities
    summary = Summary(batch.task, batch.options, state, batch.not_normalized, like, rounded=batch.rounded)
    is_exact = isinstance(calibrator, Isotonic) and calibrator.thresholds is not UNCHANGED
    return [*([] if is_exact else floored_warning(batch, scored_rows(batch))), *warnings_of_prediction(summary)]
