"""The numbers of each row of a batch, from which all sums are made."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from app.core.batches import Batch
from app.core.checks import pieces
from app.core.columns import IntArray
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows

Rows: TypeAlias = ClassRows | ElementRows | TokenRows

CHUNK_ROWS = 8192
"""Rows summed at once: enough to hide NumPy's cost a call, few enough for the second-level cache."""


def rows_of(batch: Batch, rows: slice | IntArray) -> Rows:
    """Some scored rows of a batch, as its task sees them."""
    if batch.task == "tokens":
        return TokenRows(batch, rows)
    if batch.task in ("binary", "multilabel"):
        return ElementRows(batch, rows)
    return ClassRows(batch, rows)


def chunks(batch: Batch) -> Iterator[slice | IntArray]:
    """The scored rows, `CHUNK_ROWS` at a time."""
    scored = batch.scored_rows
    kept = None if scored is None else np.flatnonzero(scored)
    n_rows = len(batch) if kept is None else len(kept)
    for start in range(0, n_rows, CHUNK_ROWS):
        part = slice(start, min(start + CHUNK_ROWS, n_rows))
        yield part if kept is None else kept[part]


def blocks(batch: Batch, chunk: slice | IntArray) -> Iterator[Rows]:
    """A chunk in pieces whose numbers over all classes stay in the cache."""
    start = chunk.start if isinstance(chunk, slice) else 0
    n_rows = chunk.stop - start if isinstance(chunk, slice) else len(chunk)
    for piece in pieces(n_rows, max(1, batch.n_classes)):
        if isinstance(chunk, slice):
            yield rows_of(batch, slice(start + piece.start, start + piece.stop))
        else:
            yield rows_of(batch, chunk[piece])
