"""Checks the columns of a request and makes a batch of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.checks import check_interval
from app.core.batch.class_counts import check_class_counts
from app.core.batch.findings import Finding
from app.core.batch.grouping import Grouping, grouping_of
from app.core.batch.predictions import (
    MIN_LOOKALIKES,
    checked_prediction,
    checked_tokens,
    is_lookalike,
    is_plainly_sound,
    noted_row_sums,
)
from app.core.batch.sentinels import SMALLEST_SENTINEL, Sentinels, sentinels_among
from app.core.batch.truth import labels_of, mask_of, refuse_booleans, rowwise, shaped, targets_of
from app.core.columns import BoolArray, Column, FloatArray, Ragged, sound
from app.core.kernels import class_verdict, element_verdict
from app.core.options import LABELLED, MAX_WEIGHT, Options
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import FieldError, InvalidInput, pointer

MAX_SLICES = 1_000


def batch_of(
    task: TaskName,
    columns: Mapping[str, Column],
    options: Options,
    slices: Mapping[str, Column] | None = None,
    first_row: int = 0,
) -> Batch:
    """Check columns and make a batch of them.

    Args:
        columns: By field name; one truth and one prediction of those the task knows.
        slices: By name of the slice, the part each row belongs to.
        first_row: How many rows of the body came before these; errors and findings count from there.

    Raises:
        InvalidInput: A shape or a value breaks a rule; the pointer names field and index.
    """
    try:
        batch = _checked(task, columns, options, slices)
        return batch.further(first_row) if first_row else batch
    except InvalidInput as refusal:
        if not first_row:
            raise
        raise InvalidInput((_further(error, first_row) for error in refusal.errors), refusal.n_errors) from None


_ROW = re.compile(rf"^(/(?:slices/[^/]+|{'|'.join(COLUMN_NAMES)})/)([0-9]+)")


def _further(error: FieldError, rows: int) -> FieldError:
    """The same error so many rows further down in its column."""
    return replace(error, pointer=_ROW.sub(lambda at: f"{at[1]}{int(at[2]) + rows}", error.pointer, count=1))


def _checked(
    task: TaskName, columns: Mapping[str, Column], options: Options, slices: Mapping[str, Column] | None
) -> Batch:
    if task in LABELLED and (plain := _plain_batch(task, columns, options)):
        return replace(plain, slices=_slices(slices, len(plain))) if slices else plain
    columns = {name: sound(name, column, f"/{name}") for name, column in columns.items()}
    form = next(name for name in TASKS[task].predictions if name in columns)
    for name, column in columns.items():
        if len(column) != len(columns[form]):
            rule = f"must hold as many samples as {form}, {len(columns[form])}, found {len(column)}"
            raise InvalidInput.at(f"/{name}", "wrong_length", rule)
    if not len(columns[form]):
        raise InvalidInput.at(f"/{form}", "empty", "must hold at least one sample, found none")
    batch = (_tokens_batch if task == "tokens" else _classes_batch)(task, form, columns, options)
    return replace(batch, slices=_slices(slices, len(batch))) if slices else batch


def _plain_batch(task: TaskName, columns: Mapping[str, Column], options: Options) -> Batch | None:
    """The batch of labels and of probabilities or logits of which one call tells that all is well; None of others."""
    form = "probabilities" if "probabilities" in columns else "logits"
    prediction, labels = columns.get(form), columns.get("labels")
    if len(columns) != 2 or not isinstance(prediction, np.ndarray) or not isinstance(labels, np.ndarray):
        return None
    if options.ignore_index is not None or options.classes is not None or not _are_plain(task, prediction, labels):
        return None
    judge = class_verdict if task == "multiclass" else element_verdict
    verdict = judge(prediction, labels, form, options.tolerance)
    is_logit = form == "logits"
    if verdict.row < len(labels) or (is_logit and verdict.least <= SMALLEST_SENTINEL):
        return None
    n_classes = 2 if task == "binary" else prediction.shape[1]
    check_class_counts(task, options, n_classes)
    sentinels, is_lookalike = Sentinels(), False
    if is_logit:
        sentinels = Sentinels({}, {}, max(verdict.largest, -verdict.least), True, verdict.has_fractions)
        is_lookalike = verdict.is_lookalike and (task == "multiclass" or len(labels) >= MIN_LOOKALIKES)
    return Batch(
        task,
        options,
        form,
        prediction,
        n_classes,
        labels=labels,
        sentinels=sentinels,
        looks_like_probabilities=is_lookalike,
    )


def _are_plain(task: TaskName, prediction: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Tell whether arrays have the types, the shapes and the order in memory that kernels take."""
    shape = prediction.shape
    return (
        prediction.dtype == np.float64
        and labels.dtype == np.int64
        and labels.shape == (shape[:1] if task == "multiclass" else shape)
        and len(shape) == (1 if task == "binary" else 2)
        and shape[0] > 0
        and shape[-1] > (task == "multiclass")
        and all(array.flags.c_contiguous and array.flags.aligned for array in (prediction, labels))
    )


def _slices(slices: Mapping[str, Column], n_rows: int) -> dict[str, Grouping]:
    groupings = {}
    for name, values in slices.items():
        place = pointer("slices", name)
        if len(values) != n_rows:
            rule = f"must hold as many values as there are samples, {n_rows}, found {len(values)}"
            raise InvalidInput.at(place, "wrong_length", rule)
        groupings[name] = grouping_of(shaped(place[1:], sound("slices", values, place), 1))
    n_slices = sum(len(grouping.names) for grouping in groupings.values())
    if n_slices > MAX_SLICES:
        rule = f"must have at most {MAX_SLICES} different values in all, found {n_slices}"
        raise InvalidInput.at("/slices", "out_of_range", rule)
    return groupings


def _classes_batch(task: TaskName, form: str, columns: Mapping[str, Column], options: Options) -> Batch:
    _check_ignore_index(columns, options)
    prediction = _prediction(task, form, columns)
    shape, n_classes = prediction.shape, 2 if task == "binary" else prediction.shape[1]
    check_class_counts(task, options, n_classes)
    scored = mask_of(columns, shape, task)
    labels = targets = None
    rounded: dict[str, Finding] = {}
    if "labels" in columns:
        truth_shape = shape if task == "multilabel" else shape[:1]
        if task == "multiclass":
            refuse_booleans(columns["labels"])
        labels, scored = labels_of(columns["labels"], scored, truth_shape, n_classes, options)
    else:
        targets, rounded["targets"] = targets_of(task, columns["targets"], scored, shape, options)
    is_sound = is_plainly_sound(task, form, prediction, scored, options)
    if not is_sound:
        prediction, rounded[form] = checked_prediction(task, form, prediction, scored, options)
    observed = None if task in ("binary", "multilabel") else targets if labels is None else labels
    return Batch(
        task=task,
        options=options,
        form=form,
        prediction=prediction,
        n_classes=n_classes,
        scored=scored,
        labels=labels,
        targets=targets,
        sample_weight=_sample_weight(columns, scored),
        clusters=_clusters(columns),
        not_normalized=Finding() if is_sound else noted_row_sums(task, form, prediction, scored, options),
        rounded=_noted(rounded),
        sentinels=Sentinels() if form == "probabilities" else sentinels_among(prediction, observed, scored),
        looks_like_probabilities=form == "logits" and is_lookalike(task, prediction, scored, options),
    )


def _check_ignore_index(columns: Mapping[str, Column], options: Options) -> None:
    if options.ignore_index is not None and not isinstance(
        getattr(columns.get("labels"), "dtype", object), np.dtypes.Int64DType
    ):
        raise InvalidInput.at("/ignore_index", "wrong_type", "must go with labels that are integers, found other truth")


def _prediction(task: TaskName, form: str, columns: Mapping[str, Column]) -> NDArray[Any]:
    """The prediction (n,) or (n, k), its numbers unchecked; rows that `mask` leaves out may have any length."""
    marks = columns.get("mask")
    scored = marks if isinstance(marks, np.ndarray) else None
    prediction = shaped(form, columns[form], 1 if task == "binary" else 2, scored)
    if task == "multiclass" and prediction.shape[1] == 1:
        rule = "must have a column for each class, at least 2, found 1; one number a row goes to the task binary"
        raise InvalidInput.at(f"/{form}", "wrong_shape", rule)
    return prediction


def _noted(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    return {name: finding for name, finding in findings.items() if finding.count}


def _sample_weight(columns: Mapping[str, Column], scored: BoolArray | None) -> FloatArray | None:
    if "sample_weight" not in columns:
        return None
    weight = shaped("sample_weight", columns["sample_weight"], 1).astype(np.float64, copy=False)
    rule = f"must lie in [0, {MAX_WEIGHT:g}]"
    check_interval("sample_weight", weight, rowwise(scored), (0.0, MAX_WEIGHT), rule)
    return weight


def _clusters(columns: Mapping[str, Column]) -> Grouping | None:
    return grouping_of(shaped("cluster_id", columns["cluster_id"], 1)) if "cluster_id" in columns else None


def _tokens_batch(task: TaskName, form: str, columns: Mapping[str, Column], options: Options) -> Batch:
    documents = columns[form]
    if not isinstance(documents, Ragged):
        if documents.ndim != 2:
            raise InvalidInput.at(f"/{form}", "wrong_shape", "must hold one list a document, found single values")
        n_rows, n_tokens = documents.shape
        documents = Ragged(documents.ravel(), np.arange(n_rows + 1, dtype=np.int64) * n_tokens)
    documents, rounded = checked_tokens(form, documents, options)
    sizes = {name: shaped(name, columns[name], 1) for name in ("n_bytes", "n_words") if name in columns}
    scored = np.diff(documents.offsets) > 0
    for name, values in sizes.items():
        check_interval(name, values, scored, (1, np.inf), "must be a positive integer")
    return Batch(
        task=task,
        options=options,
        form=form,
        prediction=documents,
        n_classes=0,
        scored=None if scored.all() else scored,
        sample_weight=_sample_weight(columns, None),
        sizes=sizes,
        clusters=_clusters(columns),
        rounded=_noted({form: rounded}),
        sentinels=sentinels_among(documents, None, None),
    )
