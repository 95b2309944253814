"""Tables of sums by group, for calibration bins and for classes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.columns import FloatArray, IntArray
from app.core.formulas.bins import bin_index
from app.core.formulas.weights import weighted
from app.core.options import Options
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows
from app.core.sums.decisions import DECISIONS, decisions, label_decisions
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums, group_sums
from app.core.sums.paired import OUTCOMES, outcomes
from app.core.sums.small import RAISED, Small, multiplied
from app.core.tasks import TaskName

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouped

Rows: TypeAlias = ClassRows | ElementRows | TokenRows
ClassedRows: TypeAlias = ClassRows | ElementRows


def calibration(by_bin: "Grouped") -> GroupSums:
    """The number of rows of positive weight, their weight, confidence and observed frequency by bin of confidence."""
    n, (weight, confidence, frequency), place = by_bin
    return GroupSums({"n": n, "weight": weight, "confidence": confidence, "frequency": frequency}, place)


def with_small_products(
    table: GroupSums, confidence: FloatArray, small: Iterable[Small | None], options: Options
) -> GroupSums:
    """The table of `calibration` with products that are too small for a matrix.

    Args:
        confidence: (n,) confidences before sample weights.
        small: The small products of each column of exact sums.
    """
    bins = bin_index(confidence, options.n_bins, options.bin_edges)
    return _with_small(table, bins, zip(TABLE_COLUMNS["calibration"][1:], small, strict=True))


def calibration_of(
    confidence: FloatArray, frequency: NDArray[Any], weight: FloatArray | None, options: Options
) -> GroupSums:
    """The table of `calibration`, for columns (n,) that stand in no matrix."""
    if weight is None:
        matrix, rows = np.array([confidence, frequency], np.float64), (-1, 0, 1)
    else:
        matrix = np.array([weight, weighted(weight, confidence), weighted(weight, frequency)])
        rows = (0, 1, 2)
    bins = bin_index(confidence, options.n_bins, options.bin_edges)
    return calibration(group_sums(bins, options.n_bins, matrix, rows, rows[0]))


def block_tables(rows: Rows, weight: FloatArray | None, names: Sequence[str]) -> dict[str, GroupSums]:
    """The tables, by name, that need all elements of a row at once."""
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
        if "decisions" in names:
            truth = rows.targets >= 0.5
            tables["decisions"] = label_decisions(truth, truth == rows.correct, rows.scored_elements, weight)
    return tables


def target_frequencies(rows: ClassedRows, weight: FloatArray | None) -> GroupSums:
    """The weight that soft targets give each class, class weights included."""
    if isinstance(rows, ElementRows):
        targets = np.concatenate([1.0 - rows.targets, rows.targets])
    else:
        targets = rows.weighted_targets
    k, n = targets.shape
    spread = None if weight is None else np.tile(weight, k)
    table = _table(np.repeat(np.arange(k), n), k, {"weight": targets.ravel()}, spread)
    return replace(table, columns={"weight": table["weight"]})


def per_class(columns: Mapping[str, Any], weight: FloatArray | None, batch: Batch) -> GroupSums:
    """Sums of loss, Brier score and accuracy over the rows of each true class."""
    return _scores_by_group(columns["labels"], batch.n_classes, columns, weight)


def confusion(columns: Mapping[str, Any], weight: FloatArray | None, batch: Batch) -> GroupSums:  # noqa: ARG001 as others
    """Counts of rows by true and predicted class, (k, k) flattened."""
    n_classes = batch.n_classes
    return GroupSums({"n": _counts(columns["labels"] * n_classes + columns["predicted"], n_classes**2)})


LISTED = {"confusion": confusion, "decisions": decisions, "outcomes": outcomes, "per_class": per_class}
"""The tables, by name, of sections and of metrics on request, made of columns (n,) of quantities and class numbers."""


def label_confusion(rows: ElementRows) -> GroupSums:
    """Counts of scored elements by label, truth and prediction, (l, 2, 2) flattened."""
    truth, predicted = rows.targets >= 0.5, (rows.targets >= 0.5) == rows.correct
    cells = 4 * np.arange(rows.n_elements)[:, None] + 2 * truth + predicted
    return GroupSums({"n": _counts(cells[rows.scored_elements], 4 * rows.n_elements)})


def per_label(rows: ElementRows, weight: FloatArray | None) -> GroupSums:
    """Sums of loss, Brier score and accuracy over the scored elements of each label."""
    scored = rows.scored_elements.ravel()
    groups = np.repeat(np.arange(rows.n_elements), rows.scored_elements.shape[1])[scored]
    spread = None if weight is None else np.tile(weight, rows.n_elements)[scored]
    values = {
        "cross_entropy": rows.element_losses.ravel()[scored],
        "brier_score": rows.element_brier_scores.ravel()[scored],
        "accuracy": rows.correct.ravel()[scored],
    }
    return _scores_by_group(groups, rows.n_elements, values, spread)


def _scores_by_group(
    groups: IntArray, n_groups: int, values: Mapping[str, Any], weight: FloatArray | None
) -> GroupSums:
    """Sums of scores and of what rows count for in the loss. Losses carry their class weights already."""
    loss = values["cross_entropy"]
    infinite = np.isinf(weighted(weight, loss))
    columns = {
        "weight": None,
        "share": values.get("share"),
        "cross_entropy": np.where(infinite, 0.0, loss),
        "brier_score": values["brier_score"],
        "accuracy": values["accuracy"],
    }
    table = _table(groups, n_groups, columns, weight)
    return replace(table, columns=table.columns | {"n_infinite": _counts(groups[infinite], n_groups)})


def class_scores(table: GroupSums, options: Options) -> list[dict[str, Any]]:
    """The section `per_class`: means by class; means that do not exist are left out."""
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


def _table(groups: IntArray, n_groups: int, columns: Mapping[str, Any], weight: FloatArray | None) -> GroupSums:
    """Counts and weighted sums of columns (n,) by group; None stands for a column of ones."""
    given = {name: values for name, values in columns.items() if values is not None}
    matrix = np.empty((len(given) + 1, len(groups)))
    small = {}
    for row, (name, values) in enumerate(given.items()):
        if weight is None:
            matrix[row] = values
        else:
            small[name] = multiplied(weight, np.ascontiguousarray(values, np.float64), matrix[row])
    matrix[-1] = 1.0 if weight is None else weight
    numbers = dict(zip(given, range(len(given)), strict=True))
    n, sums, place = group_sums(groups, n_groups, matrix, tuple(numbers.get(name, len(given)) for name in columns))
    return _with_small(GroupSums({"n": n, **dict(zip(columns, sums, strict=True))}, place), groups, small.items())


def _with_small(table: GroupSums, groups: IntArray, small: Iterable[tuple[str, Small | None]]) -> GroupSums:
    """Add to a table the small products that were left out of its columns."""
    nothing = [0] * len(table["n"])
    for column, own in small:
        if own is not None:
            _, (sums,), place = group_sums(groups[own.rows], len(nothing), own.raised[None], (0,))
            table += GroupSums(dict.fromkeys(table.columns, nothing) | {column: sums}, place - RAISED)
    return table


def _counts(groups: IntArray, n_groups: int) -> list[int]:
    counts: list[int] = np.bincount(groups, minlength=n_groups).tolist()
    return counts


def empty_table(name: str, task: TaskName, options: Options, n_classes: int) -> GroupSums:
    """A table of no rows, as a start to which other tables are added."""
    n_groups = options.n_bins if name == "calibration" else n_classes
    if name == "confusion":
        n_groups = 4 * n_classes if task == "multilabel" else n_classes**2
    if name == "decisions" and task == "binary":
        n_groups = 1
    return GroupSums({column: [0] * n_groups for column in TABLE_COLUMNS[name]})


TABLE_COLUMNS = {
    "calibration": ("n", "weight", "confidence", "frequency"),
    "class_frequencies": ("weight",),
    "confusion": ("n",),
    "decisions": DECISIONS,
    "outcomes": OUTCOMES,
    "per_class": ("n", "n_infinite", "weight", "share", "cross_entropy", "brier_score", "accuracy"),
}
