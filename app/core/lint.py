"""Looking for mistakes in a payload that its numbers betray; nothing here changes a number."""

import numpy as np

from app.core import losses
from app.core.batches import Batch
from app.core.columns import FloatArray
from app.core.rows import rows_of
from app.core.rows.tokens import TokenRows

MAX_REORDERED_CLASSES = 10
MAX_SAMPLE_ROWS = 500


def repairing_order(batch: Batch, limit: float) -> list[int] | None:
    """The order of columns with the least loss, if that loss is at most `limit` nats.

    Entry c is the column that predicts class c: the assignment of columns to classes that maximises the mean
    log-probability of the truth, over at most `MAX_SAMPLE_ROWS` rows spread evenly. Told for at most
    `MAX_REORDERED_CLASSES` classes.
    """
    if batch.n_classes > MAX_REORDERED_CLASSES:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence, weight = _log_probability_by_class(batch)
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 slow to import and rarely needed

    floor = -1e6 * weight  # an assignment needs finite costs: so much for each probability of 0
    classes, columns = linear_sum_assignment(np.maximum(evidence, floor), maximize=True)
    repaired = -evidence[classes, columns].sum() / weight
    order: list[int] = columns.tolist()
    return order if repaired <= limit and order != sorted(order) else None


def _log_probability_by_class(batch: Batch) -> tuple[FloatArray, float]:
    """(k, k) summed log-probability that column j gave to rows of class c, and the summed weight, over a sample."""
    step = -(-batch.n_scored // MAX_SAMPLE_ROWS)
    scored = batch.scored_rows
    sample = np.arange(0, len(batch), step) if scored is None else np.flatnonzero(scored)[::step]
    rows = rows_of(batch, sample)
    if isinstance(rows, TokenRows):
        raise TypeError("tokens have no classes")
    weight = np.ones(len(sample)) if batch.sample_weight is None else batch.sample_weight[sample]
    logs = losses.product(np.where(weight > 0.0, 1.0, 0.0), rows.class_log_probabilities) * weight
    sums = [logs[:, rows.labels == label].sum(axis=1) for label in range(batch.n_classes)]
    return np.array(sums), float(weight.sum())
