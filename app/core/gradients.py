"""The derivative of the reported cross-entropy by the prediction that was sent, element by element."""

from typing import Any

import numpy as np

from app.core.batches import Batch
from app.core.columns import FloatArray, Ragged
from app.core.losses import NATS_PER_UNIT
from app.core.rows import blocks, chunks
from app.core.rows.tokens import TokenRows
from app.core.state import State
from app.core.sums import to_float
from app.errors import InvalidInput


def gradient(batch: Batch, state: State) -> Any:
    """d cross_entropy / d prediction, in the unit asked for; 0 where nothing is scored or epsilon clips.

    Returns:
        An array of the shape of the prediction; for tokens one a document.

    Raises:
        InvalidInput: The cross-entropy has no finite value, so it has no derivative.
    """
    moments = state.moments["cross_entropy"]
    if moments.n_infinite or not moments.v:
        why = "infinite" if moments.n_infinite else "undefined"
        raise InvalidInput.at("/include", "undefined", f"must leave gradient out, found a cross_entropy that is {why}")
    scale = 1.0 / to_float(moments.v) / NATS_PER_UNIT[batch.options.unit]
    if isinstance(batch.prediction, Ragged):
        return _token_gradient(batch, batch.prediction, scale)
    derivatives = np.zeros(batch.prediction.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for rows in chunks(batch):
            slopes = [block.slope for block in blocks(batch, rows) if not isinstance(block, TokenRows)]
            derivatives[rows] = _weighted(np.concatenate(slopes), batch, rows)
    derivatives *= scale
    return derivatives


def _weighted(slopes: FloatArray, batch: Batch, rows: Any) -> FloatArray:
    if batch.sample_weight is None:
        return slopes
    weight = batch.sample_weight[rows]
    spread = weight if slopes.ndim == 1 else weight[:, None]
    return np.where(spread > 0.0, slopes * spread, 0.0)


def _token_gradient(batch: Batch, documents: Ragged, scale: float) -> list[FloatArray]:
    low, high = -np.inf, 0.0
    if batch.options.epsilon:
        low, high = np.log(batch.options.epsilon), np.log1p(-batch.options.epsilon)
    slopes = np.where((documents.values < low) | (documents.values > high), 0.0, -scale)
    if batch.sample_weight is not None:
        slopes = slopes * np.repeat(batch.sample_weight, np.diff(documents.offsets))
    return np.split(slopes, documents.offsets[1:-1])
