"""Looking for mistakes in a payload that its numbers betray; nothing here changes a number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import losses
from app.core.batches import Batch
from app.core.columns import FloatArray, Ragged
from app.core.rows import rows_of
from app.core.rows.tokens import TokenRows

MAX_REORDERED_CLASSES = 10
MAX_SAMPLE_ROWS = 500
MIN_ROWS = 10
MAX_COMPARED_COLUMNS = 100


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
    if not weight:
        return None
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


def is_constant(batch: Batch) -> bool:
    """Whether at least `MIN_ROWS` scored rows all carry the same prediction."""
    sample = _first_rows(batch)
    if sample is None or (sample != sample[0]).any():
        return False
    scored = batch.scored_rows
    rows = batch.prediction if scored is None else batch.prediction[scored]  # type: ignore[index]
    return bool((rows == sample[0]).all())


def n_duplicates(batch: Batch) -> tuple[int, int]:
    """How many of the first `MAX_SAMPLE_ROWS` scored rows repeat an earlier one, truth included, and of how many."""
    sample = _first_rows(batch)
    if sample is None:
        return 0, 0
    truth = batch.labels if batch.targets is None else batch.targets
    truths = _first(batch, truth) if truth is not None else sample
    whole = np.column_stack([sample.reshape(len(sample), -1), truths.reshape(len(sample), -1)])
    return len(whole) - len({row.tobytes() for row in whole}), len(whole)


def _first_rows(batch: Batch) -> NDArray[Any] | None:
    """The first scored predictions; None for too few to judge, for documents, and where single elements are masked."""
    elementwise = batch.scored is not None and batch.scored.ndim == 2
    wide = batch.n_classes > MAX_COMPARED_COLUMNS
    if batch.n_scored < MIN_ROWS or wide or elementwise or isinstance(batch.prediction, Ragged):
        return None
    return _first(batch, batch.prediction)


def _first(batch: Batch, values: NDArray[Any]) -> NDArray[Any]:
    if batch.scored is None:
        return values[:MAX_SAMPLE_ROWS]
    return values[np.flatnonzero(batch.scored)[:MAX_SAMPLE_ROWS]]
