"""The numbers of each row of a batch, from which all sums are made."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
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
"""What the rows of each task are."""

# Rows summed at once, and numbers over all classes at once, at least and at most: many hide what calls cost, and what
# threads lose in handing the interpreter's lock over; but they are to be a small part of a batch.
_CHUNK_ROWS = (12_288, 98_304)
_BLOCK = (24_576, 983_040)
_PARTS = 16

_OF_LABELS = frozenset(
    (
        "cross_entropy",
        "plain_cross_entropy",
        "kl_divergence",
        "target_entropy",
        "size",
        "share",
        "labels",
        "class_frequencies",
    )
)


def rows_of(batch: Batch, rows: slice | IntArray) -> Rows:
    """Some scored rows of a batch, as its task sees them."""
    return ROWS[batch.task](batch, rows)


def chunks(batch: Batch) -> Iterator[slice | IntArray]:
    """The scored rows, a whole number of blocks or of clusters at a time, all of weights of one band."""
    found = _in_order(batch) if batch.clusters is None else _whole_clusters(batch, batch.clusters)
    weight = batch.sample_weight
    if weight is None or are_usual(weight if batch.scored_rows is None else weight[batch.scored_rows]):
        return found
    return chain.from_iterable(_in_bands(batch, weight, part) for part in found)


def _in_bands(batch: Batch, weight: FloatArray, chunk: slice | IntArray) -> Iterator[IntArray]:
    rows = np.arange(chunk.start, chunk.stop) if isinstance(chunk, slice) else chunk
    if batch.clusters is None:
        return banded(rows, weight[rows])
    starts = np.flatnonzero(np.diff(batch.clusters.codes[rows], prepend=-1))
    return banded(rows, weight[rows], starts)


def _in_order(batch: Batch) -> Iterator[slice | IntArray]:
    scored = batch.scored_rows
    kept = None if scored is None else np.flatnonzero(scored)
    n_rows = len(batch) if kept is None else len(kept)
    block = block_rows(batch)
    step = block * (_chunk_rows(batch) // block)
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
        stop = int(ends[np.searchsorted(ends, min(start + _chunk_rows(batch), len(order)))])
        yield order[start:stop]
        start = stop


def blocks(batch: Batch, chunk: slice | IntArray, asked: Collection[str] | None = None) -> Iterator[Rows]:
    """A chunk in blocks of a bounded number of numbers over all classes.

    Args:
        asked: The names of the only quantities that will be asked for; None for any.
    """
    step = _chunk_rows(batch) if asked is not None and _of_labels_alone(batch, asked) else block_rows(batch)
    if isinstance(chunk, slice):
        for start in range(chunk.start, chunk.stop, step):
            yield rows_of(batch, slice(start, min(start + step, chunk.stop)))
    else:
        for start in range(0, len(chunk), step):
            yield rows_of(batch, chunk[start : start + step])


def _of_labels_alone(batch: Batch, asked: Collection[str]) -> bool:
    """Whether one number a row is all that has to be looked at."""
    one_label = batch.task == "multiclass" and batch.labels is not None and not batch.options.label_smoothing
    as_sent = batch.form != "logits" and batch.options.normalization != "renormalize"
    return one_label and as_sent and _OF_LABELS.issuperset(asked)


def block_rows(batch: Batch) -> int:
    """Rows of one block; probabilities need fewer arrays than logarithms."""
    n_classes = max(1, batch.n_classes)
    parts = _PARTS if batch.form == "probabilities" else 3 * _PARTS
    elements = _within(_BLOCK, len(batch) * n_classes // parts)
    return max(1, min(_chunk_rows(batch), elements // n_classes))


def _chunk_rows(batch: Batch) -> int:
    return _within(_CHUNK_ROWS, len(batch) // _PARTS)


def _within(bounds: tuple[int, int], number: int) -> int:
    return min(max(number, bounds[0]), bounds[1])
