"""Heuristics for likely mistakes of a sender, such as shuffled columns or repeated rows. They change no number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.inspected import MAX_INSPECTED_ROWS, InspectedRows
from app.core.columns import FloatArray
from app.core.formulas import losses
from app.core.formulas.weights import leveled
from app.core.rows.blocks import rows_of
from app.core.rows.tokens import TokenRows

MAX_REORDERED_CLASSES = 10
MIN_ROWS = 10


def n_duplicates(inspected: InspectedRows) -> tuple[int, int]:
    """The number of repeated rows, truth included, among the first `MAX_INSPECTED_ROWS`, and of rows looked at."""
    n = int(inspected.numbers.searchsorted(MAX_INSPECTED_ROWS))
    if inspected.rows is None or n < MIN_ROWS or inspected.rows.prediction.ndim == 1:  # type: ignore[union-attr]
        return 0, 0  # single numbers, often rounded, repeat by chance
    rows = _row_bytes(inspected.rows.prediction[:n])  # type: ignore[index]
    if len(set(rows)) == n:
        return 0, n
    truth = inspected.rows.labels if inspected.rows.targets is None else inspected.rows.targets
    truths = [] if truth is None else _row_bytes(truth[:n])
    return n - len(set(zip(rows, truths, strict=True))), n


def _row_bytes(values: NDArray[Any]) -> list[Any]:
    """The rows (n,) or (n, k), each as its bytes in memory."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel().tolist()


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
