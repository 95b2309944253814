"""The losses of several candidates on the same rows, side by side: a batch whose sums tell how they differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.checks import off_rows
from app.core.batch.predictions import NORMALIZED
from app.core.columns import FloatArray
from app.core.kernels import compiled
from app.core.rows.blocks import blocks
from app.core.sums.layout import Family, Mean, Needs
from app.core.sums.outcomes import difference_name

ROUNDING = 1e-12
"""The largest distance from 1 of the sum of a row that rounding in double precision explains."""
FINITE = "finite loss"
"""The column of the baseline's losses with 0 in place of infinite ones."""


def loss_name(candidate: int) -> str:
    """The name of the mean loss of a candidate by its number; that of the baseline is 0."""
    return f"loss {candidate}"


def rounding_name(pair: int) -> str:
    """The name of the mean of what rounding can make of the differences of a pair."""
    return f"rounding {pair}"


def product_name(pair: int) -> str:
    """The name of the sums of products of both losses of a pair."""
    return f"product {pair}"


@lru_cache(maxsize=256)
def paired_needs(n_pairs: int, family: Family) -> Needs:
    """The sums that comparisons are made of; `family` says what a row counts for."""

    def mean(name: str, column: str, over: str = "") -> Mean:
        return Mean(name, column, family, is_given=True, over=over)

    means = [mean(loss_name(0), loss_name(0))]
    made: list[tuple[Callable[..., None], tuple[str, ...]]] = [(_write_finite, (loss_name(0), FINITE))]
    for pair in range(n_pairs):
        ours, columns = loss_name(pair + 1), (difference_name(pair), rounding_name(pair))
        means += [*(mean(name, name) for name in (ours, *columns)), mean(product_name(pair), ours, FINITE)]
        made.append((compiled.pair_rows, (ours, loss_name(0), *columns)))
    return Needs(tuple(means), ("outcomes",), n_pairs, tuple(made))


def _write_finite(losses: FloatArray, out: FloatArray) -> None:
    """Write losses (n,), and 0 in place of infinite ones."""
    np.copyto(out, losses)
    out[np.isinf(out)] = 0.0


def paired(batch: Batch, losses: Sequence[FloatArray]) -> Batch:
    """The rows of a batch with the losses (n,) of all candidates, those of the baseline first.

    Losses are in nats, summed over the tokens of a document, and infinite where the candidate gave probability 0 to
    what was observed. Or they are values of another metric, so summed.
    """
    return replace(batch, given={loss_name(number): values for number, values in enumerate(losses)})


def normalized_values(batch: Batch, values: FloatArray, metric: str) -> FloatArray | None:
    """The metric (n,) of rows divided by their sums; a row that sums to 1, or to 0, keeps the value it has.

    What `tolerance` allows is divided too: if every row of one candidate sums to a little too much, it seems better
    by as much, however small that is.

    Returns:
        None where all rows sum to 1, or are divided already.
    """
    if batch.task not in NORMALIZED or batch.form == "logits" or batch.options.normalization == "renormalize":
        return None
    divided = replace(batch, options=replace(batch.options, normalization="renormalize"))
    tolerance, is_logarithmic = min(batch.options.tolerance, ROUNDING), batch.form == "log_probabilities"
    off = off_rows(batch.prediction, batch.scored, tolerance, logarithmic=is_logarithmic)  # type: ignore[arg-type]
    rows = np.array([row for some, _ in off for row in some], np.int64)
    if not len(rows):
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        parts = [np.float64(1.0) * getattr(block, metric) for block in blocks(divided, rows)]
    found = values.copy()
    found[rows] = np.concatenate(parts)
    return np.where(np.isnan(found), values, found)
