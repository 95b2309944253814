"""Paired losses: the columns of several candidates' losses on the same rows, and the counts of outcomes among them."""

from collections.abc import Iterator, Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import FloatArray
from app.core.sums.groups import GroupSums

OUTCOMES = ("n_wins", "n_losses", "n_ties")
"""The columns of the table of outcomes, which has a group for each pair."""
FINITE = "finite loss"
"""The column of the baseline's losses with 0 in place of infinite ones."""


def loss_name(candidate: int) -> str:
    """The name of the loss of a candidate by its number; that of the baseline is 0."""
    return f"loss {candidate}"


def difference_name(pair: int) -> str:
    """The name of the differences of one of several pairs, which are numbered."""
    return f"difference {pair}"


def rounding_name(pair: int) -> str:
    """The name of what rounding can make of the differences of a pair."""
    return f"rounding {pair}"


def product_name(pair: int) -> str:
    """The name of the sums of products of both losses of a pair."""
    return f"product {pair}"


def paired_columns(n_pairs: int) -> Iterator[str]:
    """The columns of paired losses in the order in which the kernel of `kernels/pairs.h` writes them."""
    yield from (loss_name(0), FINITE)
    for pair in range(n_pairs):
        yield from (loss_name(pair + 1), difference_name(pair), rounding_name(pair))


def outcomes(columns: Mapping[str, Any], weight: FloatArray | None, batch: Batch) -> GroupSums:  # noqa: ARG001 as others
    """Counts of rows that count: in which a candidate's loss is smaller, larger, or equal but for last bits."""
    counted: Any = np.True_ if weight is None else weight > 0.0
    if "share" in columns:
        counted = counted & (columns["share"] > 0.0)
    names = takewhile(columns.__contains__, map(difference_name, count()))
    wins, losses, ties = zip(*(_counts(columns[name], counted) for name in names), strict=True)
    return outcomes_of((list(wins), list(losses), list(ties)))


def outcomes_of(counts: tuple[list[int], ...] | list[list[int]]) -> GroupSums:
    """The table of outcomes of counts of wins, losses and ties, each by pair."""
    return GroupSums(dict(zip(OUTCOMES, counts, strict=True)))


def _counts(differences: FloatArray, counted: Any) -> tuple[int, int, int]:
    wins, losses = (int(np.count_nonzero(sign & counted)) for sign in (differences < 0.0, differences > 0.0))
    return wins, losses, int(np.count_nonzero(np.broadcast_to(counted, differences.shape))) - wins - losses
