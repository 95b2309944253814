"""Batches from the columns of a request, which are checked here."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checks import check_interval
from app.core.batch.class_counts import check_class_counts
from app.core.batch.documents import judged_documents, predicted_tokens
from app.core.batch.findings import Finding
from app.core.batch.grouping import Grouping, grouping_of
from app.core.batch.predicted import Truth, judged, noted, predicted, prediction_of
from app.core.batch.truth import labels_of, mask_of, refuse_booleans, rowwise, shaped, targets_of
from app.core.columns import BoolArray, Column, FloatArray, IntArray, checked_column
from app.core.options import MAX_WEIGHT, Options
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName, candidate_fields
from app.errors import FieldError, InvalidInput, pointer

MAX_SLICES = 1_000
"""The most slices of a request, over all its columns of slices. Each adds a state to the memory of an answer."""


def batch_of(
    task: TaskName,
    columns: Mapping[str, Column],
    options: Options,
    slices: Mapping[str, Column] | None = None,
    first_row: int = 0,
) -> Batch:
    """Check columns and make a batch of them.

    Args:
        columns: The columns by field, with one truth and one prediction that the task knows.
        slices: The column, by name of the slice, of the part that each row belongs to.
        first_row: The number of rows of the body before these; errors and findings count from there.

    Raises:
        InvalidInput: A shape or a value breaks a rule; the pointer names field and index.
    """
    if first_row:
        try:
            return batch_of(task, columns, options, slices).shifted(first_row)
        except InvalidInput as refusal:
            raise counted_from(first_row, refusal) from None
    batch = None
    if "labels" in columns and len(columns) == 2 and options.ignore_index is None and options.classes is None:
        first, second = columns
        form = second if first == "labels" else first
        batch = judged(task, form, columns[form], columns["labels"], options)
    elif task == "tokens" and len(columns) == 1:
        ((form, column),) = columns.items()
        batch = judged_documents(task, form, column, options)
    if batch is None:
        batch = _checked(task, columns, options)
    return replace(batch, slices=groupings_of(slices, len(batch))) if slices else batch


def counted_from(first_row: int, refusal: InvalidInput) -> InvalidInput:
    """The errors about rows of a part, with the numbers that these have in the body."""
    return InvalidInput((_shifted(error, first_row) for error in refusal.errors), refusal.n_errors)


def with_prediction(batch: Batch, columns: Mapping[str, Column]) -> Batch:
    """The batch with another prediction for the same rows; all other columns are not checked again.

    Args:
        batch: A batch that is no part of a longer body. Its prediction has as many values in each scored row, or, of
            documents, any where the other has any.
        columns: The columns that the batch was made of, by field, with the other prediction; of documents also with
            other columns that follow its tokens.

    Raises:
        InvalidInput: The prediction breaks a rule; the pointer names field and index.
    """
    task, options = batch.task, batch.options
    form = _form_of(task, columns)
    if batch.scored is None and (plain := judged(task, form, columns[form], batch.labels, options)):
        weight, clusters = batch.sample_weight, batch.clusters
        return plain if weight is None and clusters is None else replace(plain, sample_weight=weight, clusters=clusters)
    own = {name: columns[name] for name in candidate_fields(task) if name in columns}
    checked = {**columns, **_checked_columns(form, own)}
    if task == "tokens":
        fields = {"kept": None, **predicted_tokens(form, checked, options)}
        sizes = {name: values for name, values in batch.sizes.items() if name != "n_tokens"}
        sizes |= _sizes(checked, ("n_tokens",), np.diff(fields["prediction"].offsets) > 0)
        return replace(batch, slices={}, **fields, sizes=sizes)
    prediction = prediction_of(task, form, checked)
    if prediction.shape != batch.prediction.shape:  # type: ignore[union-attr]  # of no scored row
        return _checked(task, columns, options)
    truth = Truth(batch.scored, batch.labels, batch.targets)
    return replace(batch, slices={}, **predicted(task, form, prediction, truth, options))


def _form_of(task: TaskName, columns: Mapping[str, Column]) -> str:
    """The field of the prediction, which a request has exactly one of."""
    for name in TASKS[task].predictions:
        if name in columns:
            return name
    raise KeyError(task)


_ROW = re.compile(rf"^(/(?:slices/[^/]+|{'|'.join(COLUMN_NAMES)})/)([0-9]+)")


def _shifted(error: FieldError, rows: int) -> FieldError:
    """The error with the row number in its pointer shifted by `rows`."""
    return replace(error, pointer=_ROW.sub(lambda at: f"{at[1]}{int(at[2]) + rows}", error.pointer, count=1))


def _checked(task: TaskName, columns: Mapping[str, Column], options: Options) -> Batch:
    form = _form_of(task, columns)
    columns = _checked_columns(form, columns)
    if not len(columns[form]):
        raise InvalidInput.at(f"/{form}", "empty", "must hold at least one sample, found none")
    return (_tokens_batch if task == "tokens" else _classes_batch)(task, form, columns, options)


def _checked_columns(form: str, columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns with values of their kinds; all must be as long as that of the prediction."""
    checked = {name: checked_column(name, column, f"/{name}") for name, column in columns.items()}
    for name, column in checked.items():
        if len(column) != len(checked[form]):
            rule = f"must hold as many samples as {form}, {len(checked[form])}, found {len(column)}"
            raise InvalidInput.at(f"/{name}", "wrong_length", rule)
    return checked


def groupings_of(slices: Mapping[str, Column], n_rows: int) -> dict[str, Grouping]:
    """The groupings of n rows by columns of slices.

    Raises:
        InvalidInput: A column is of another length or kind, or there are more than `MAX_SLICES` slices.
    """
    groupings: dict[str, Grouping] = {}
    n_slices = 0
    for name, values in slices.items():
        place = pointer("slices", name)
        if len(values) != n_rows:
            rule = f"must hold as many values as there are samples, {n_rows}, found {len(values)}"
            raise InvalidInput.at(place, "wrong_length", rule)
        groupings[name] = grouping_of(shaped(place[1:], checked_column("slices", values, place), 1))
        n_slices += len(groupings[name].names)
        if n_slices > MAX_SLICES:
            rule = f"must have at most {MAX_SLICES} different values in all, found {n_slices} or more"
            raise InvalidInput.at("/slices", "out_of_range", rule)
    return groupings


def _classes_batch(task: TaskName, form: str, columns: Mapping[str, Column], options: Options) -> Batch:
    _check_ignore_index(columns, options)
    prediction = prediction_of(task, form, columns)
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
    fields = predicted(task, form, prediction, Truth(scored, labels, targets), options)
    return Batch(
        task=task,
        options=options,
        n_classes=n_classes,
        scored=scored,
        labels=labels,
        targets=targets,
        sample_weight=_sample_weight(columns, scored),
        clusters=_clusters(columns),
        **fields | {"rounded": noted(rounded | fields["rounded"])},
    )


def _check_ignore_index(columns: Mapping[str, Column], options: Options) -> None:
    if options.ignore_index is not None and not isinstance(
        getattr(columns.get("labels"), "dtype", object), np.dtypes.Int64DType
    ):
        raise InvalidInput.at("/ignore_index", "wrong_type", "must go with labels that are integers, found other truth")


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
    fields = predicted_tokens(form, columns, options)
    scored = np.diff(fields["prediction"].offsets) > 0
    sizes = _sizes(columns, ("n_tokens", "n_bytes", "n_words"), scored)
    return Batch(
        task=task,
        options=options,
        n_classes=0,
        scored=None if scored.all() else scored,
        sample_weight=_sample_weight(columns, scored),
        sizes=sizes,
        clusters=_clusters(columns),
        **fields,
    )


def _sizes(columns: Mapping[str, Column], names: tuple[str, ...], scored: BoolArray) -> dict[str, IntArray]:
    """The columns of sizes of documents among some names; those of documents that are scored are positive."""
    sizes = {name: shaped(name, columns[name], 1) for name in names if name in columns}
    for name, values in sizes.items():
        check_interval(name, values, scored, (1, np.inf), "must be a positive integer")
    return sizes
