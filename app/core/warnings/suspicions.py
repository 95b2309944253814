"""Heuristics for likely mistakes of a sender, such as shuffled columns or repeated rows. They change no number."""

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.inspected import InspectedRows
from app.core.columns import FloatArray
from app.core.formulas import losses
from app.core.formulas.weights import leveled
from app.core.kernels.compiled import n_repeats
from app.core.rows.blocks import rows_of
from app.core.rows.tokens import TokenRows

MAX_REORDERED_CLASSES = 10
"""The most classes for which a better order of columns is looked for."""
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
def repairing_order(inspected: InspectedRows, limit: float) -> list[int] | None:
    """The order of columns with the least loss, if that loss is at most `limit` nats.

    Entry c is the column that predicts class c. The order is the assignment of columns to classes that maximises the
    mean log-probability of the truth over a spread of the rows. None with more than `MAX_REORDERED_CLASSES` classes.
    """
    batch = inspected.spread()
    if batch is None or not len(batch) or batch.n_classes > MAX_REORDERED_CLASSES:
        return None
    evidence, weight = _log_probability_by_class(batch)
    if not weight:
        return None
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 slow to import and rarely needed

    floor = -1e6 * weight  # an assignment needs finite costs: so much for each probability of 0
    classes, columns = linear_sum_assignment(np.maximum(evidence, floor), maximize=True)
    repaired = -evidence[classes, columns].sum() / weight
    order: list[int] = columns.tolist()
    return order if repaired <= limit and order != sorted(order) else None


def _log_probability_by_class(batch: Batch) -> tuple[FloatArray, float]:
    """The summed log-probability that column j gave to rows of class c, (k, k), and the summed weight."""
    rows = rows_of(batch, slice(0, len(batch)))
    if isinstance(rows, TokenRows):
        raise TypeError("tokens have no classes")
    weight = np.ones(len(batch)) if batch.sample_weight is None else leveled(batch.sample_weight)
    logs = losses.product(np.where(weight > 0.0, 1.0, 0.0), rows.class_log_probabilities) * weight
    sums = [logs[:, rows.labels == label].sum(axis=1) for label in range(batch.n_classes)]
    return np.array(sums), float(weight.sum())
