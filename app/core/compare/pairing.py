"""The losses of several candidates on the same rows, side by side: a batch whose sums tell how they differ."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checks import off_rows
from app.core.batch.predictions import NORMALIZED
from app.core.columns import FloatArray
from app.core.kernels.verdicts import are_sound
from app.core.rows.blocks import blocks
from app.core.sums.layout import Family, Mean, Needs
from app.core.sums.paired import FINITE, difference_name, loss_name, product_name, rounding_name

ROUNDING = 1e-12
"""The largest distance from 1 of the sum of a row that rounding in double precision explains."""


@lru_cache(maxsize=256)
def paired_needs(n_pairs: int, family: Family) -> Needs:
    """The sums that comparisons are made of; `family` says what a row counts for."""
    means = [Mean(loss_name(0), loss_name(0), family)]
    for pair in range(n_pairs):
        ours = loss_name(pair + 1)
        means += [Mean(name, name, family) for name in (ours, difference_name(pair), rounding_name(pair))]
        means.append(Mean(product_name(pair), ours, family, over=FINITE))
    return Needs(tuple(means), ("outcomes",), n_pairs)


def paired(batch: Batch, losses: FloatArray) -> Batch:
    """The rows of a batch with the losses (c, n) of all candidates, those of the baseline first.

    Losses are in nats, summed over the tokens of a document, and infinite where the candidate gave probability 0 to
    what was observed. Or they are values of another metric, so summed.
    """
    return Batch(
        batch.task,
        batch.options,
        batch.form,
        batch.prediction,
        batch.n_classes,
        batch.scored,
        batch.labels,
        batch.targets,
        batch.sample_weight,
        batch.sizes,
        batch.clusters,
        batch.slices,
        losses=losses,
    )


def normalized_values(batch: Batch, values: FloatArray, metric: str) -> FloatArray | None:
    """The metric (n,) of rows divided by their sums; a row that sums to 1, or to 0, keeps the value it has.

    What `tolerance` allows is divided too: if every row of one candidate sums to a little too much, it seems better
    by as much, however small that is.

    Returns:
        None where all rows sum to 1, or are divided already.
    """
    if batch.task not in NORMALIZED or batch.form == "logits" or batch.options.normalization == "renormalize":
        return None
    tolerance = min(batch.options.tolerance, ROUNDING)
    if batch.scored is None and are_sound(batch.prediction, batch.form, tolerance):  # type: ignore[arg-type]
        return None
    divided = replace(batch, options=replace(batch.options, normalization="renormalize"))
    off = off_rows(batch.prediction, batch.scored, tolerance, logarithmic=batch.form == "log_probabilities")  # type: ignore[arg-type]
    rows = np.array([row for some, _ in off for row in some], np.int64)
    if not len(rows):
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        parts = [np.float64(1.0) * getattr(block, metric) for block in blocks(divided, rows)]
    found = values.copy()
    found[rows] = np.concatenate(parts)
    return np.where(np.isnan(found), values, found)
