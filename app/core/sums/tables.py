"""Sums by group: by calibration bin and by class."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import FloatArray, IntArray
from app.core.formulas.bins import bin_index
from app.core.formulas.weights import times, weighted
from app.core.options import Options
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums, group_sums

Rows: TypeAlias = ClassRows | ElementRows | TokenRows
ClassedRows: TypeAlias = ClassRows | ElementRows


def calibration(confidence: FloatArray, matrix: FloatArray, rows: tuple[int, ...], options: Options) -> GroupSums:
    """Rows of positive weight, their weight, confidence and observed frequency by bin of confidence.

    Args:
        confidence: (n,) confidences before sample weights.
        rows: Of the matrix (m, n): the weights, -1 for ones, the weighted confidences and the weighted frequencies.
    """
    bins = bin_index(confidence, options.n_bins, options.bin_edges)
    n, sums, place = group_sums(bins, options.n_bins, matrix, rows, rows[0])
    return GroupSums({"n": n, "weight": sums[0], "confidence": sums[1], "frequency": sums[2]}, place)


def class_frequencies(labels: IntArray, n_classes: int, matrix: FloatArray, rows: tuple[int, ...]) -> GroupSums:
    """The weight of the labels of each class, class weights included; `rows` is the row of what each label counts."""
    _, sums, place = group_sums(labels, n_classes, matrix, rows)
    return GroupSums({"weight": sums[0]}, place)


def block_tables(rows: Rows, weight: FloatArray | None, names: Sequence[str]) -> dict[str, GroupSums]:
    """The tables that need all elements of a row at once, by name."""
    tables: dict[str, GroupSums] = {}
    if isinstance(rows, TokenRows):
        return tables
    if "class_frequencies" in names and not rows.has_labels:
        tables["class_frequencies"] = target_frequencies(rows, weight)
    if isinstance(rows, ElementRows) and rows.is_multilabel:
        if "confusion" in names:
            tables["confusion"] = label_confusion(rows)
        if "per_class" in names:
            tables["per_class"] = per_label(rows, weight)
    return tables


def target_frequencies(rows: ClassedRows, weight: FloatArray | None) -> GroupSums:
    """The weight that soft targets put on each class, class weights included."""
    if isinstance(rows, ElementRows):
        targets = np.concatenate([1.0 - rows.targets, rows.targets])
    else:
        targets = rows.weighted_targets
    shares = targets if weight is None else targets * weight
    groups = np.repeat(np.arange(len(shares)), shares.shape[1])
    table = _table(groups, len(shares), {"weight": shares.ravel()})
    return replace(table, columns={"weight": table["weight"]})


def per_class(columns: Mapping[str, Any], weight: FloatArray | None, n_classes: int) -> GroupSums:
    """Loss, Brier score and accuracy of the rows of each true class."""
    share = times(weight, columns.get("share"))
    return _scores_by_group(columns["labels"], n_classes, weight, share, columns)


def confusion(columns: Mapping[str, Any], n_classes: int) -> GroupSums:
    """Rows by true and predicted class, (k, k) flattened."""
    return GroupSums({"n": _counts(columns["labels"] * n_classes + columns["predicted"], n_classes**2)})


def label_confusion(rows: ElementRows) -> GroupSums:
    """Scored elements of each label by truth and prediction, (l, 2, 2) flattened."""
    truth, predicted = rows.targets >= 0.5, (rows.targets >= 0.5) == rows.correct
    cells = 4 * np.arange(rows.n_elements)[:, None] + 2 * truth + predicted
    return GroupSums({"n": _counts(cells[rows.scored_elements], 4 * rows.n_elements)})


def per_label(rows: ElementRows, weight: FloatArray | None) -> GroupSums:
    """Loss, Brier score and accuracy of the scored elements of each label."""
    scored = rows.scored_elements.ravel()
    groups = np.repeat(np.arange(rows.n_elements), rows.scored_elements.shape[1])[scored]
    spread = None if weight is None else np.tile(weight, rows.n_elements)[scored]
    values = {
        "cross_entropy": rows.element_losses.ravel()[scored],
        "brier_score": rows.element_brier_scores.ravel()[scored],
        "accuracy": rows.correct.ravel()[scored],
    }
    return _scores_by_group(groups, rows.n_elements, spread, spread, values)


def _scores_by_group(
    groups: IntArray,
    n_groups: int,
    weight: FloatArray | None,
    share: FloatArray | None,
    values: Mapping[str, Any],
) -> GroupSums:
    """`share` is what a row counts for in the loss; the numerators of the loss carry class weights already."""
    numerator = weighted(weight, values["cross_entropy"])
    infinite = np.isinf(numerator)
    table = _table(
        groups,
        n_groups,
        {
            "weight": weight,
            "share": share,
            "cross_entropy": np.where(infinite, 0.0, numerator),
            "brier_score": times(weight, values["brier_score"]),
            "accuracy": times(weight, values["accuracy"]),
        },
    )
    return replace(table, columns=table.columns | {"n_infinite": _counts(groups[infinite], n_groups)})


def class_scores(table: GroupSums, options: Options) -> list[dict[str, Any]]:
    """The section `per_class`: means by class, without those that do not exist."""
    columns = {column: table.exact(column) for column in TABLE_COLUMNS["per_class"]}
    names: Sequence[str | int] = options.classes or range(len(table["n"]))
    return [
        {"class": name, **_class_entry(dict(zip(columns, sums, strict=True)), options)}
        for name, *sums in zip(names, *columns.values(), strict=True)
    ]


def _class_entry(sums: dict[str, Exact], options: Options) -> dict[str, Any]:
    entry: dict[str, Any] = {"n": sums["n"].digits, "weight": float(sums["weight"])}
    if not sums["weight"]:
        return {**entry, "status": "undefined"}
    for name in ("brier_score", "accuracy"):
        entry[name] = sums[name] / sums["weight"]
    divisor = sums["n" if options.denominator == "count" else "share"]
    if not divisor:
        return {**entry, "status": "undefined"}
    if sums["n_infinite"]:
        return {**entry, "status": "infinite", "cross_entropy": None}
    return {**entry, "status": "ok", "cross_entropy": sums["cross_entropy"] / divisor / options.nats_per_unit}


def _table(groups: IntArray, n_groups: int, columns: Mapping[str, Any]) -> GroupSums:
    """Rows and sums of columns (n,) by group; None stands for ones."""
    given = [column for column in columns.values() if column is not None]
    matrix = np.array(given, np.float64).reshape(len(given), len(groups))
    numbers = iter(range(len(given)))
    rows = tuple(-1 if column is None else next(numbers) for column in columns.values())
    n, sums, place = group_sums(groups, n_groups, matrix, rows)
    return GroupSums({"n": n, **dict(zip(columns, sums, strict=True))}, place)


def _counts(groups: IntArray, n_groups: int) -> list[int]:
    counts: list[int] = np.bincount(groups, minlength=n_groups).tolist()
    return counts


def empty_table(name: str, batch: Batch) -> GroupSums:
    """A table of no rows, to which others add."""
    n_groups = batch.options.n_bins if name == "calibration" else batch.n_classes
    if name == "confusion":
        n_groups = 4 * batch.n_classes if batch.task == "multilabel" else batch.n_classes**2
    return GroupSums({column: [0] * n_groups for column in TABLE_COLUMNS[name]})


TABLE_COLUMNS = {
    "calibration": ("n", "weight", "confidence", "frequency"),
    "class_frequencies": ("weight",),
    "confusion": ("n",),
    "per_class": ("n", "n_infinite", "weight", "share", "cross_entropy", "brier_score", "accuracy"),
}
