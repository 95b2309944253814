"""Chunks of rows that are summed at once, and blocks of rows whose arrays over all classes have a bounded size."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
from app.core.checkpoints import at_checkpoints
from app.core.columns import FloatArray, IntArray
from app.core.formulas.weights import are_usual, banded
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows
from app.core.tasks import TaskName

Rows: TypeAlias = ClassRows | ElementRows | TokenRows

ROWS: dict[TaskName, type[Rows]] = {
    "binary": ElementRows,
    "multiclass": ClassRows,
    "multilabel": ElementRows,
    "distributions": ClassRows,
    "tokens": TokenRows,
}
"""The class of the rows of each task."""

_CHUNK_ROWS = (12_288, 98_304)
"""Rows of a chunk, at least and at most. Large chunks hide the cost of calls and of handing the interpreter's lock from
thread to thread; small ones leave work for each thread. The bounds were found by trying."""
_SLICED_CHUNK_ROWS = 49_152
"""Rows of a chunk with slices, at least: each slice has sums of its own in every chunk."""
_BLOCK = (24_576, 983_040)
"""Numbers over all classes of a block, at least and at most: 192 KiB to 7.5 MiB of doubles an array."""
_PARTS = 16
"""Chunks, and blocks of probabilities, that a batch is cut into where the bounds allow. Found by trying: from 4 to 64
one thread's time varies by less than a sixth, on 200,000 rows of 10 classes. Logits and logarithms make about three
times as many arrays over the classes, so their blocks are a third as large and need no more memory."""


def rows_of(batch: Batch, rows: slice | IntArray) -> Rows:
    """The scored rows at `rows`, as the class of the batch's task."""
    return ROWS[batch.task](batch, rows)


def chunks(batch: Batch) -> list[slice | IntArray]:
    """The scored rows in chunks of some thousand rows or of whole clusters, each with weights of one band."""
    weight, n_rows = batch.sample_weight, len(batch.prediction)
    if batch.scored is None and batch.clusters is None and weight is None and n_rows <= _CHUNK_ROWS[0]:
        return [slice(0, n_rows)] if n_rows else []
    scored = batch.scored_rows
    step = chunk_rows(n_rows, is_sliced=bool(batch.slices))
    found: list[slice | IntArray]
    if batch.clusters is not None:
        found = list(_whole_clusters(batch, batch.clusters))
    elif scored is not None:
        rows = np.flatnonzero(scored)
        found = [rows[start : start + step] for start in range(0, len(rows), step)]
    else:
        found = [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
    if weight is None or are_usual(weight if scored is None else weight[scored]):
        return found
    return [band for part in found for band in _in_bands(batch, weight, part)]


def _in_bands(batch: Batch, weight: FloatArray, chunk: slice | IntArray) -> Iterator[IntArray]:
    rows = np.arange(chunk.start, chunk.stop) if isinstance(chunk, slice) else chunk
    if batch.clusters is None:
        return banded(rows, weight[rows])
    starts = np.flatnonzero(np.diff(batch.clusters.codes[rows], prepend=-1))
    return banded(rows, weight[rows], starts)


def _whole_clusters(batch: Batch, clusters: Grouping) -> Iterator[IntArray]:
    """The scored rows in order of their cluster, cut between clusters, so that each cluster is summed whole."""
    scored = np.arange(len(batch)) if batch.scored_rows is None else np.flatnonzero(batch.scored_rows)
    order = scored[np.argsort(clusters.codes[scored], kind="stable")]
    ends = np.flatnonzero(np.diff(clusters.codes[order], append=-1)) + 1
    start = 0
    while start < len(order):
        stop = int(ends[np.searchsorted(ends, min(start + chunk_rows(len(batch.prediction)), len(order)))])
        yield order[start:stop]
        start = stop


def blocks(batch: Batch, chunk: slice | IntArray, n_rows: int | None = None) -> Iterable[Rows]:
    """A chunk in blocks, so that arrays over all classes have a bounded size.

    Args:
        n_rows: The rows of a block, where no array is made that grows with the classes.
    """
    step = n_rows or block_rows(batch)
    if isinstance(chunk, slice):
        starts = range(chunk.start, chunk.stop, step)
        parts: Iterable[slice | IntArray] = [slice(start, min(start + step, chunk.stop)) for start in starts]
    else:
        parts = [chunk[start : start + step] for start in range(0, len(chunk), step)]
    return map(partial(rows_of, batch), at_checkpoints(parts))


def block_rows(batch: Batch) -> int:
    """The rows of a block."""
    n_classes = max(1, batch.n_classes)
    parts = _PARTS if batch.form == "probabilities" else 3 * _PARTS
    elements = min(max(len(batch.prediction) * n_classes // parts, _BLOCK[0]), _BLOCK[1])
    return max(1, min(chunk_rows(len(batch.prediction)), elements // n_classes))


def chunk_rows(n_rows: int, *, is_sliced: bool = False) -> int:
    """The rows of a chunk, which are summed at once, in a batch of `n_rows` without clusters."""
    least, most = _CHUNK_ROWS
    step = least if n_rows <= least * _PARTS else min(n_rows // _PARTS, most)
    return max(step, _SLICED_CHUNK_ROWS) if is_sliced else step
