"""The weights of decisions: of rows by what they are, and by what they are predicted to be."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.sums.groups import GroupSums, group_sums

DECISIONS = ("weight", "true", "predicted", "hits")
"""The columns of the table."""


def decisions(marks: Mapping[str, IntArray], weight: FloatArray | None, batch: Batch) -> GroupSums:
    """The decisions about each class of `multiclass`, or about the positive one of `binary`."""
    labels, predicted = marks["labels"], marks["predicted"]
    if batch.task == "multiclass":
        return _class_decisions(labels, predicted, weight, batch.n_classes)
    truth = labels[None] > 0
    return label_decisions(truth, predicted[None] > 0, np.ones(truth.shape, bool), weight)


def _class_decisions(labels: IntArray, predicted: IntArray, weight: FloatArray | None, n_classes: int) -> GroupSums:
    """The weight of rows by class: of it or predicted to be, of it, predicted to be, and both."""
    rows, right = np.arange(len(labels)), np.flatnonzero(labels == predicted)
    members = [(labels, rows), (predicted, rows), (labels[right], right)]
    (true, found, hits), place = _sums_of_members(members, n_classes, weight)
    either = [t + p - h for t, p, h in zip(true, found, hits, strict=True)]
    return GroupSums(dict(zip(DECISIONS, (either, true, found, hits), strict=True)), place)


def label_decisions(truth: BoolArray, predicted: BoolArray, scored: BoolArray, weight: FloatArray | None) -> GroupSums:
    """The weight of elements (l, n) by label: scored, of those true, predicted to be, and both."""
    chosen = scored, truth & scored, predicted & scored, truth & predicted & scored
    sums, place = _sums_of_members([np.nonzero(elements) for elements in chosen], len(truth), weight)
    return GroupSums(dict(zip(DECISIONS, sums, strict=True)), place)


def _sums_of_members(
    members: Sequence[tuple[Any, ...]], n_groups: int, weight: FloatArray | None
) -> tuple[list[list[int]], int]:
    """The weight of each of several choices of rows by group, and the place of these sums.

    Args:
        members: Of each choice the groups (m,) and the row numbers (m,).
    """
    groups = np.concatenate([own + n_groups * at for at, (own, _) in enumerate(members)])
    rows = np.concatenate([own for _, own in members])
    weights = np.ones((1, len(rows))) if weight is None else weight[rows][None]
    _, (sums,), place = group_sums(groups, n_groups * len(members), weights, (0,))
    return [sums[start : start + n_groups] for start in range(0, len(sums), n_groups)], place
