"""Batches: the columns of one request, checked once, on construction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.checks import check_interval
from app.core.batch.class_counts import check_class_counts
from app.core.batch.findings import Finding
from app.core.batch.grouping import Grouping, grouping_of
from app.core.batch.predictions import (
    checked_prediction,
    checked_tokens,
    is_lookalike,
    is_plainly_sound,
    noted_row_sums,
)
from app.core.batch.sentinels import Sentinels, sentinels_among
from app.core.batch.truth import labels_of, mask_of, refuse_booleans, rowwise, shaped, targets_of
from app.core.columns import BoolArray, Column, FloatArray, IntArray, Ragged, sound
from app.core.options import MAX_WEIGHT, Options
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import FieldError, InvalidInput, pointer

MAX_SLICES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n samples with their truth and one prediction each, known to be sound where they are scored.

    Attributes:
        form: The field the prediction came in: probabilities, log_probabilities or logits.
        prediction: (n,) for binary, (n, k) for the other classifying tasks, a list a document for tokens.
        labels: (n,) class indices, or (n, l) of 0 and 1; None where the truth is soft or there is none.
        targets: Soft truth of the shape of `prediction`; None where there are labels.
        sample_weight: (n,) or None for all ones.
        scored: (n,), or (n, l) where single labels are masked; None scores all.
        n_classes: Columns; 2 for binary, 0 for tokens.
        sizes: (n,) `n_bytes` and `n_words` of documents.
        clusters: Which rows are dependent; None for none.
        slices: By name, the parts a batch is looked at in.
        first_row: The number of the first row, where a batch is a part of a longer body.
        not_normalized: Rows whose probabilities do not sum to 1.
        rounded: By field, the rows in which a number outside [0, 1] by rounding was taken as the bound.
        sentinels: Numbers of the prediction that may stand for none.
        looks_like_probabilities: Whether all scored logits could be rows of probabilities.
    """

    task: TaskName
    options: Options
    form: str
    prediction: NDArray[Any] | Ragged
    n_classes: int
    scored: BoolArray | None = None
    labels: IntArray | None = None
    targets: NDArray[Any] | None = None
    sample_weight: FloatArray | None = None
    sizes: Mapping[str, IntArray] = field(default_factory=dict)
    clusters: Grouping | None = None
    slices: Mapping[str, Grouping] = field(default_factory=dict)
    first_row: int = 0
    not_normalized: Finding = field(default_factory=Finding)
    rounded: Mapping[str, Finding] = field(default_factory=dict)
    sentinels: Sentinels = field(default_factory=Sentinels)
    looks_like_probabilities: bool = False

    def __len__(self) -> int:
        return len(self.prediction)

    @property
    def scored_rows(self) -> BoolArray | None:
        """(n,) rows of which anything is scored; None for all."""
        return rowwise(self.scored)

    @property
    def n_scored(self) -> int:
        """How many rows are scored, at least in part."""
        rows = self.scored_rows
        return len(self) if rows is None else int(np.count_nonzero(rows))

    def take(self, rows: IntArray | slice) -> "Batch":
        """The same request about some of its rows, of a slice as views; what was noticed of the others is forgotten."""
        prediction = self.prediction
        return replace(
            self,
            prediction=prediction.take(rows) if isinstance(prediction, Ragged) else prediction[rows],
            labels=_taken(self.labels, rows),
            targets=_taken(self.targets, rows),
            sample_weight=_taken(self.sample_weight, rows),
            scored=_taken(self.scored, rows),
            sizes={name: values[rows] for name, values in self.sizes.items()},
            clusters=None if self.clusters is None else self.clusters.take(rows),
            slices={},
            not_normalized=Finding(),
            rounded={},
            sentinels=Sentinels(),
            looks_like_probabilities=False,
        )


def _taken(values: NDArray[Any] | None, rows: IntArray | slice) -> NDArray[Any] | None:
    return None if values is None else values[rows]


def joined(first: Batch, second: Batch) -> Batch:
    """The rows of two batches of one request, scored in full and without documents; their groups are left out."""
    return replace(
        first,
        prediction=np.concatenate([first.prediction, second.prediction]),
        labels=_joined(first.labels, second.labels),
        targets=_joined(first.targets, second.targets),
        sample_weight=_joined(first.sample_weight, second.sample_weight),
        clusters=None,
        slices={},
    )


def _joined(first: NDArray[Any] | None, second: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if first is None or second is None else np.concatenate([first, second])


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
        return replace(batch, first_row=first_row) if first_row else batch
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
