"""Predictions as batches hold them: checked, and with what was noticed in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.class_counts import check_class_counts
from app.core.batch.findings import NO_FINDING, Finding
from app.core.batch.predictions import checked_prediction, is_lookalike, is_plainly_sound, noted_row_sums
from app.core.batch.sentinels import NO_SENTINELS, SMALLEST_SENTINEL, Sentinels, sentinels_among
from app.core.batch.truth import shaped
from app.core.columns import BoolArray, Column, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import NUMBER_OF
from app.core.kernels.verdicts import Verdict
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput


class Truth(NamedTuple):
    """The truth of a batch, and the rows or elements that are scored."""

    scored: BoolArray | None
    labels: IntArray | None
    targets: NDArray[Any] | None


def prediction_of(task: TaskName, form: str, columns: Mapping[str, Column]) -> NDArray[Any]:
    """The prediction as an array (n,) or (n, k) of unchecked numbers; rows left out by `mask` may have any length."""
    marks = columns.get("mask")
    scored = marks if isinstance(marks, np.ndarray) else None
    prediction = shaped(form, columns[form], 1 if task == "binary" else 2, scored)
    if task == "multiclass" and prediction.shape[1] == 1:
        rule = "must have a column for each class, at least 2, found 1; one number a row goes to the task binary"
        raise InvalidInput.at(f"/{form}", "wrong_shape", rule)
    return prediction


def predicted(task: TaskName, form: str, prediction: NDArray[Any], truth: Truth, options: Options) -> dict[str, Any]:
    """Check a prediction (n,) or (n, k) and return the fields of a batch that follow from it.

    Raises:
        InvalidInput: The prediction breaks a rule; the pointer names field and index.
    """
    rounded, not_normalized = NO_FINDING, NO_FINDING
    if not is_plainly_sound(task, form, prediction, truth.scored, options):
        prediction, rounded = checked_prediction(task, form, prediction, truth.scored, options)
        not_normalized = noted_row_sums(task, form, prediction, truth.scored, options)
    observed = None if task in ("binary", "multilabel") else truth.targets if truth.labels is None else truth.labels
    return {
        "form": form,
        "prediction": prediction,
        "not_normalized": not_normalized,
        "rounded": noted({form: rounded}),
        "sentinels": NO_SENTINELS if form == "probabilities" else sentinels_among(prediction, observed, truth.scored),
        "looks_like_probabilities": form == "logits" and is_lookalike(task, prediction, truth.scored, options),
    }


def noted(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """The findings that concern at least one row."""
    return {name: finding for name, finding in findings.items() if finding.count}


def judged(
    task: TaskName, form: str, prediction: Column | None, labels: Column | None, options: Options
) -> Batch | None:
    """The batch of class indices and a prediction, all scored, if one call finds both sound; else None."""
    if not isinstance(prediction, np.ndarray) or not isinstance(labels, np.ndarray):
        return None
    judge = compiled.class_verdict if task == "multiclass" else compiled.element_verdict
    try:
        verdict = judge(prediction, labels, NUMBER_OF[form], options.tolerance)
    except (TypeError, ValueError):  # kernels take doubles and integers of 64 bits in the order of C
        return None
    shape = prediction.shape
    if verdict[0] != shape[0] or not are_alike(task, shape, labels.shape):
        return None
    n_classes = 2 if task == "binary" else shape[1]
    check_class_counts(task, options, n_classes)
    if form == "probabilities":
        return Batch(task, options, form, prediction, n_classes, None, labels)
    fields = noticed(Verdict(*verdict))
    return None if fields is None else Batch(task, options, form, prediction, n_classes, None, labels, **fields)


def noticed(verdict: Verdict) -> dict[str, Any] | None:
    """The fields that the verdict on sound logits or logarithms gives a batch; None if there may be sentinels."""
    if verdict.least <= SMALLEST_SENTINEL:
        return None
    sentinels = Sentinels({}, {}, max(verdict.largest, -verdict.least), True, verdict.has_fractions)
    return {"sentinels": sentinels, "looks_like_probabilities": verdict.is_lookalike}


def are_alike(task: TaskName, shape: tuple[int, ...], truth_shape: tuple[int, ...]) -> bool:
    """Tell whether predictions and labels have the shapes of the task, and at least one row."""
    if task == "multiclass":
        return truth_shape == shape[:1] != (0,) and shape[1] > 1
    return truth_shape == shape != (0,) and len(shape) == (1 if task == "binary" else 2)
