"""The use case of calibrating a batch: a fit, the scores before and after it, and its gain on other rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, TypeAlias

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.columns import Column, FloatArray, Ragged
from app.core.fits.crossfit import (
    Evidence,
    cross_fitted_gain,
    evidence_of,
    fitted,
    folds_of,
    held_out_losses,
)
from app.core.fits.platt_isotonic import Calibrator, Method
from app.core.fits.temperature import Temperature
from app.core.kernels.entries import entry
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.options import Options
from app.core.paying import hold
from app.core.sums.layout import Needs
from app.core.sums.summary import summarize
from app.core.sums.uncertainty import mean
from app.core.tasks import TaskName
from app.core.values import Value, undefined
from app.core.warnings.notices import warnings_of
from app.errors import InvalidInput
from app.service.applying import calibrated_probabilities, floored_warning
from app.service.maps import CalibrationMap
from app.service.questions import Question
from app.service.row_parts import AllAtOnce, n_bytes_of_rows, rows_together
from app.service.scoring import ScoreRequest

CalibrateInclude: TypeAlias = Literal["probabilities", "map"]

CALIBRATING_OPTIONS = (
    "unit",
    "normalization",
    "tolerance",
    "classes",
    "class_weight",
    "pos_weight",
    "label_smoothing",
    "ignore_index",
    "n_bins",
    "bin_edges",
    "confidence_level",
)
"""The options of scoring that bear on a fit; all others are refused."""

_REWORDED = {"single_class": {"detail": "only one class occurs in the truth: the fit has seen no other"}}


_NEEDS = Needs((CROSS_ENTROPY,), ("class_frequencies",))
"""The sums that warnings come from."""


SCORE_BYTES, ROW_BYTES = 8, 200
"""The memory of a fit for each number of the prediction, and for each row."""
FITTED_AT_ONCE = AllAtOnce("a fit needs", lambda rows: 2 * n_bytes_of_rows(rows) + _work_bytes(rows.columns))


@dataclass(frozen=True, slots=True)
class CalibrateRequest:
    """A request to calibrate: known columns, with one truth and one prediction, whose values are not yet checked."""

    task: TaskName
    columns: Mapping[str, Column]
    options: Options
    method: Method = "temperature"
    n_folds: int = 5
    seed: int = 0
    include: frozenset[CalibrateInclude] = frozenset()

    @property
    def rows(self) -> ScoreRequest:
        """The rows alone, as those of any request."""
        return ScoreRequest(Question(self.task, tuple(self.columns), self.options), self.columns)

    def with_columns(self, columns: Mapping[str, Any]) -> "CalibrateRequest":
        """The same question of other columns."""
        return replace(self, columns={name: columns[name] for name in self.columns})


def calibrate(request: CalibrateRequest, n_held: int = 0) -> dict[str, Any]:
    """Fit one batch.

    Args:
        n_held: The bytes that are held for the columns.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it, whose NaN stands for null.

    Raises:
        InvalidInput: A value breaks a rule, the pointer names field and index; or no row can be fitted.
    """
    hold("held", n_held + _work_bytes(request.columns))
    batch = batch_of(request.task, request.columns, replace(request.options, normalization=_normalization(request)))
    evidence = evidence_of(batch)
    before = evidence.losses(Temperature())
    fit = fitted(evidence, request.method, before)
    answer: dict[str, Any] = {
        "task": batch.task,
        "unit": batch.options.unit,
        "method": request.method,
        "n_samples": len(batch),
        "n_scored": batch.n_scored,
        **fit.to_json(),
        **_losses(evidence, fit, before),
        "cross_fitted_gain": entry(_gain(evidence, request, before)),
        "converged": fit.converged,
        "at_bound": fit.at_bound,
        **_calibration_errors(evidence, fit),
        "warnings": _warnings(batch, evidence),
        "options": _options(request, batch),
    }
    if "map" in request.include:
        fitted_map = CalibrationMap(batch.task, request.method, batch.n_classes, fit, batch.options.classes)
        answer["map"] = fitted_map.to_json()
    if "probabilities" in request.include:
        answer["probabilities"] = calibrated_probabilities(batch, fit)
    return answer


def calibrate_parts(parts: Iterable[CalibrateRequest], max_held_bytes: int) -> dict[str, Any]:
    """Fit the rows of all parts as one batch: the same numbers, to the last bit, as of all rows at once.

    Args:
        parts: Requests that differ in their rows only.
        max_held_bytes: The bytes of columns that may be kept until the last row has come.

    Raises:
        InvalidInput: As for `calibrate`; pointers count rows from the first part. Or the parts hold no row at all.
        TooLarge: There are more rows than may be kept.
    """
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        raise InvalidInput.at("", "empty", "must hold at least one sample, found none")
    question, rows = replace(first, columns={}), (part.rows for part in chain(iter([first]), parts))
    del first  # or its columns would be held to the end
    together = rows_together(rows, FITTED_AT_ONCE, max_held_bytes)
    return calibrate(replace(question, columns=together.columns), 2 * n_bytes_of_rows(together))


def _work_bytes(columns: Mapping[str, Column]) -> int:
    """The memory that a fit takes besides its columns: a double for each score, and what is made of each row."""
    n_values = max(len(column.values) if isinstance(column, Ragged) else column.size for column in columns.values())
    return SCORE_BYTES * n_values + ROW_BYTES * max(map(len, columns.values()))


def _normalization(request: CalibrateRequest) -> Literal["error", "renormalize"]:
    """The normalization in force: softmax always divides by the sum of a row, whatever the options say."""
    return "error" if request.options.normalization == "error" else "renormalize"


def _losses(evidence: Evidence, fit: Calibrator, before: FloatArray) -> dict[str, float]:
    scale = evidence.batch.options.nats_per_unit
    losses = {"cross_entropy_before": before, "cross_entropy_after": evidence.losses(fit)}
    return {name: evidence.mean_loss(values) / scale for name, values in losses.items()}


def _gain(evidence: Evidence, request: CalibrateRequest, before: FloatArray) -> Value:
    if evidence.n_units < 2:
        units = "rows" if evidence.clusters is None else "clusters"
        return undefined(f"fewer than 2 {units} of positive weight: none can be held out")
    options = evidence.batch.options
    fold = folds_of(evidence, request.n_folds, request.seed)
    after = held_out_losses(evidence, request.method, before, fold)
    gain = cross_fitted_gain(evidence, before, after, options.confidence_level)
    return gain.scaled(options.nats_per_unit)


def _calibration_errors(evidence: Evidence, fit: Calibrator) -> dict[str, float | None]:
    names = "expected_calibration_error", "maximum_calibration_error"
    errors = {"before": evidence.calibration_errors(Temperature()), "after": evidence.calibration_errors(fit)}
    return {f"{name}_{when}": pair[place] for place, name in enumerate(names) for when, pair in errors.items()}


def _warnings(batch: Batch, evidence: Evidence) -> list[dict[str, Any]]:
    """The warnings of scoring the batch, but for that of infinite losses, which a fit does not know."""
    summary = summarize(batch, _NEEDS, inspected=True)
    loss = mean(summary.state.moments[CROSS_ENTROPY.name], 0.95)
    known = [entry for entry in warnings_of(summary, loss) if entry["code"] != "zero_probability"]
    return [*floored_warning(batch, evidence.rows), *(entry | _REWORDED.get(entry["code"], {}) for entry in known)]


def _options(request: CalibrateRequest, batch: Batch) -> dict[str, Any]:
    in_force = batch.options.for_task(batch.task)
    own = {"method": request.method, "n_folds": request.n_folds, "seed": request.seed}
    return {name: in_force[name] for name in CALIBRATING_OPTIONS if name in in_force} | own
