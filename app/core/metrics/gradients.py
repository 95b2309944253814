"""The derivative of the reported cross-entropy by the prediction that was sent, element by element."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import FloatArray, Ragged
from app.core.formulas.losses import log_bounds
from app.core.formulas.weights import places_of
from app.core.rows.blocks import blocks, chunks
from app.core.rows.tokens import TokenRows
from app.core.sums.exact import Exact
from app.core.sums.state import State
from app.errors import InvalidInput

_Rows = TypeVar("_Rows", FloatArray, list[FloatArray])


def gradient(batch: Batch, state: State) -> Any:
    """The derivative of cross_entropy by the prediction, in the unit asked for; 0 where unscored or clipped by epsilon.

    Returns:
        An array of the shape of the prediction; for tokens one a document.

    Raises:
        InvalidInput: The cross-entropy has no finite value, so it has no derivative; or a derivative overflows.
    """
    moments = state.moments["cross_entropy"]
    if moments.n_infinite or not moments.v:
        raise _refusal(f"a cross_entropy that is {'infinite' if moments.n_infinite else 'undefined'}")
    batch, total = _leveled(batch, Exact(moments.v, moments.place))
    scale = 1.0 / float(total) / batch.options.nats_per_unit
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if isinstance(batch.prediction, Ragged):
            slopes = _token_gradient(batch, batch.prediction, scale)
            sent = batch.prediction
            if batch.kept is not None:
                sent, scored = batch.kept, slopes
                slopes = np.zeros(len(sent.values))
                slopes[sent.values] = scored
            return _finite(slopes, np.split(slopes, sent.offsets[1:-1]))
        derivatives = np.zeros(batch.prediction.shape)
        for rows in chunks(batch):
            parts = [block.slope for block in blocks(batch, rows) if not isinstance(block, TokenRows)]
            derivatives[rows] = _weighted(np.concatenate(parts), batch, rows)
        derivatives *= scale
    return _finite(derivatives, derivatives)


def _leveled(batch: Batch, total: Exact) -> tuple[Batch, Exact]:
    """The batch with weights scaled to near 1, and its denominator scaled alike."""
    weight = batch.sample_weight
    if weight is None or batch.options.denominator == "count":
        return batch, total
    counted = weight if batch.scored_rows is None else np.where(batch.scored_rows, weight, 0.0)
    places = places_of(counted)
    return (
        (replace(batch, sample_weight=np.ldexp(counted, -places)), total.shifted(-places)) if places else (batch, total)
    )


def _refusal(found: str) -> InvalidInput:
    return InvalidInput.at("/include", "undefined", f"must leave gradient out, found {found}")


def _finite(derivatives: FloatArray, rows: _Rows) -> _Rows:
    """The rows, checked to have finite derivatives only."""
    if not np.isfinite(derivatives).all():
        row = next(number for number, values in enumerate(rows) if not np.isfinite(values).all())
        raise _refusal(f"a derivative beyond all doubles in row {row}")
    return rows


def _weighted(slopes: FloatArray, batch: Batch, rows: Any) -> FloatArray:
    if batch.sample_weight is None:
        return slopes
    weight = batch.sample_weight[rows]
    spread = weight if slopes.ndim == 1 else weight[:, None]
    return np.where(spread > 0.0, slopes * spread, 0.0)


def _token_gradient(batch: Batch, documents: Ragged, scale: float) -> FloatArray:
    low, high = -np.inf, 0.0
    if batch.options.epsilon:
        low, high = log_bounds(batch.options.epsilon)
    slopes = np.where((documents.values < low) | (documents.values > high), 0.0, -scale)
    if batch.sample_weight is not None:
        slopes = slopes * np.repeat(batch.sample_weight, np.diff(documents.offsets))
    return slopes
