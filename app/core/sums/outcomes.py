"""The outcomes of pairs of candidates on the same rows: which has the smaller loss, row by row."""

from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import FloatArray
from app.core.sums.groups import GroupSums

OUTCOMES = ("n_wins", "n_losses", "n_ties")
"""The columns of the table, which has a group for each pair."""


def difference_name(pair: int) -> str:
    """The name of the column with the differences of one of several pairs, which are numbered."""
    return f"difference {pair}"


def outcomes(columns: Mapping[str, Any], weight: FloatArray | None, batch: Batch) -> GroupSums:  # noqa: ARG001 as others
    """Counts of rows that count: in which a candidate's loss is smaller, larger, or equal but for last bits."""
    counted: Any = np.True_ if weight is None else weight > 0.0
    if "share" in columns:
        counted = counted & (columns["share"] > 0.0)
    names = takewhile(columns.__contains__, map(difference_name, count()))
    wins, losses, ties = zip(*(_counts(columns[name], counted) for name in names), strict=True)
    return GroupSums(dict(zip(OUTCOMES, (list(wins), list(losses), list(ties)), strict=True)))


def _counts(differences: FloatArray, counted: Any) -> tuple[int, int, int]:
    wins, losses = (int(np.count_nonzero(sign & counted)) for sign in (differences < 0.0, differences > 0.0))
    return wins, losses, int(np.count_nonzero(np.broadcast_to(counted, differences.shape))) - wins - losses
