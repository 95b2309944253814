"""Heuristics for likely mistakes of a sender, such as shuffled columns or repeated rows. They change no number."""

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.inspected import InspectedRows
from app.core.columns import FloatArray
from app.core.formulas.weights import leveled
from app.core.kernels.compiled import n_repeats
from app.core.rows.blocks import rows_of
from app.core.rows.tokens import TokenRows

MIN_ROWS = 10
"""The number of scored rows without which repetitions are not reported: fewer repeat by chance."""


def n_duplicates(inspected: InspectedRows) -> tuple[int, int]:
    """The number of repeated rows, truth included, among the first `MAX_INSPECTED_ROWS`, and of rows looked at.

    It is 0 where at most half of them are repeated.
    """
    rows, n = inspected.first()
    if rows is None or n < MIN_ROWS or rows.prediction.ndim == 1:  # type: ignore[union-attr]
        return 0, 0  # single numbers, often rounded, repeat by chance
    truth = rows.labels if rows.targets is None else rows.targets
    scores = np.ascontiguousarray(rows.prediction[:n])  # type: ignore[index]
    return n_repeats(scores, scores if truth is None else np.ascontiguousarray(truth[:n]), n), n


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def repairing_order(inspected: InspectedRows, limit: float, shares: FloatArray) -> list[int] | None:
    """The order of columns with the least loss, if that loss is at most `limit` nats.

    Entry c is the column that predicts class c. The order is the assignment of columns to classes that maximises the
    mean log-probability of the truth, estimated from the first rows of each class. None with more than
    `MAX_REORDERED_CLASSES` classes.

    Args:
        shares: (k,) the share of each class in the weight of all rows.
    """
    batch = inspected.of_classes()
    if batch is None or not len(batch):
        return None
    # an assignment needs finite costs: so much for a probability of 0
    evidence = shares[:, None] * np.maximum(_log_probability_by_class(batch), -1e6)
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 slow to import and rarely needed

    classes, columns = linear_sum_assignment(evidence, maximize=True)
    repaired = -evidence[classes, columns].sum()
    order: list[int] = columns.tolist()
    return order if repaired <= limit and order != sorted(order) else None


def _log_probability_by_class(batch: Batch) -> FloatArray:
    """The mean log-probability that column j gave to rows of class c, (k, k); 0 for a class without rows."""
    rows = rows_of(batch, slice(0, len(batch)))
    if isinstance(rows, TokenRows):
        raise TypeError("tokens have no classes")
    weight = np.ones(len(batch)) if batch.sample_weight is None else leveled(batch.sample_weight)
    logs, means = rows.class_log_probabilities, []
    for label in range(batch.n_classes):
        own = weight * (rows.labels == label)
        means.append((logs * own).sum(axis=1, where=own > 0.0) / (own.sum() or 1.0))
    return np.array(means)
