"""The numbers of each row of a batch, from which all sums are made."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from app.core.batches import Batch
from app.core.columns import IntArray
from app.core.grouping import Grouping
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows

Rows: TypeAlias = ClassRows | ElementRows | TokenRows

_CHUNK_ROWS = 16_384  # summed at once: enough to hide NumPy's cost a call, few enough for the second-level cache

_BLOCK_ROWS = 4096
_BLOCK_ELEMENTS = 28_672  # over all classes: a block and a temporary of its size stay in that cache


def rows_of(batch: Batch, rows: slice | IntArray) -> Rows:
    """Some scored rows of a batch, as its task sees them."""
    if batch.task == "tokens":
        return TokenRows(batch, rows)
    if batch.task in ("binary", "multilabel"):
        return ElementRows(batch, rows)
    return ClassRows(batch, rows)


def chunks(batch: Batch) -> Iterator[slice | IntArray]:
    """The scored rows, a whole number of blocks or of clusters at a time."""
    if batch.clusters is not None:
        yield from _whole_clusters(batch, batch.clusters)
        return
    scored = batch.scored_rows
    kept = None if scored is None else np.flatnonzero(scored)
    n_rows = len(batch) if kept is None else len(kept)
    block = block_rows(batch)
    step = block * (_CHUNK_ROWS // block)
    for start in range(0, n_rows, step):
        part = slice(start, min(start + step, n_rows))
        yield part if kept is None else kept[part]


def _whole_clusters(batch: Batch, clusters: Grouping) -> Iterator[IntArray]:
    """The scored rows in order of their cluster, cut between clusters: the sums of a cluster are made in one go."""
    scored = np.arange(len(batch)) if batch.scored_rows is None else np.flatnonzero(batch.scored_rows)
    order = scored[np.argsort(clusters.codes[scored], kind="stable")]
    ends = np.flatnonzero(np.diff(clusters.codes[order], append=-1)) + 1
    start = 0
    while start < len(order):
        stop = int(ends[np.searchsorted(ends, min(start + _CHUNK_ROWS, len(order)))])
        yield order[start:stop]
        start = stop


def blocks(batch: Batch, chunk: slice | IntArray) -> Iterator[Rows]:
    """A chunk in blocks whose numbers over all classes stay in the cache."""
    step = block_rows(batch)
    if isinstance(chunk, slice):
        for start in range(chunk.start, chunk.stop, step):
            yield rows_of(batch, slice(start, min(start + step, chunk.stop)))
    else:
        for start in range(0, len(chunk), step):
            yield rows_of(batch, chunk[start : start + step])


def block_rows(batch: Batch) -> int:
    """Rows of one block; probabilities need one array less than logarithms."""
    elements = _BLOCK_ELEMENTS if batch.form == "probabilities" else _BLOCK_ELEMENTS * 3 // 4
    return max(1, min(_BLOCK_ROWS, elements // max(1, batch.n_classes)))
