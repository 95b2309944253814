"""Inspected rows: a sample in which mistakes of the sender are looked for, the same in whatever parts rows come."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch, joined
from app.core.columns import BoolArray, IntArray, Ragged
from app.core.kernels.compiled import are_equal
from app.core.records import record
from app.core.tasks import ONE_LABEL

MAX_INSPECTED_ROWS = 500
"""The most rows in each half of the sample: the first rows, and the first rows of each class. It bounds time and
memory."""
MAX_COMPARED_COLUMNS = 100
"""The most columns of rows that a sample keeps; wider rows would take long to copy and compare."""
MAX_REORDERED_CLASSES = 10
"""The most classes whose rows are kept, for a better order of the columns to be looked for."""
_STEP = 2048
"""The rows in which rows of each class are looked for at once; nearly always the first so many hold enough."""


@record
class Sample:
    """The rows of a sample, scored in full, and their numbers in the body (m,), rising."""

    numbers: IntArray
    rows: Batch

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(np.concatenate([self.numbers, other.numbers]), joined(self.rows, other.rows))

    def take(self, places: IntArray) -> "Sample":
        """The sample of some of the rows."""
        return Sample(self.numbers[places], self.rows.take(places))

    def shifted(self, rows: int) -> "Sample":
        """The sample with its row numbers shifted by `rows`."""
        return Sample(self.numbers + rows, self.rows)


class InspectedRows:
    """The rows of a body that are looked at, the same in whatever parts they come.

    The sample holds the first `MAX_INSPECTED_ROWS` of a body, and of each class as many of its first rows as
    `rows_per_class` says. So the sample of a part holds all of its rows that the sample of any body with it holds.

    Attributes:
        n_scored: The number of scored rows of the body, not only of the sample.
    """

    def __init__(
        self, n_scored: int, common: Any = None, *, batch: Batch | None = None, sample: Sample | None = None
    ) -> None:
        """Make inspected rows of a batch, of which a sample is taken if asked for, or of a sample, or of nothing."""
        self.n_scored, self._common = n_scored, common
        self._batch, self._sample = batch, sample

    @property
    def common(self) -> Any:
        """The prediction that all scored rows of the body carry; None where they differ, or none is scored."""
        if self._batch is None:
            return self._common
        rows: NDArray[Any] = self._batch.prediction  # type: ignore[assignment]  # documents are none
        scored = self._batch.scored
        if scored is None and rows.dtype == np.float64 and rows.flags.c_contiguous:
            return rows[0].copy() if len(rows) and are_equal(rows) else None
        first = slice(0, MAX_INSPECTED_ROWS)  # most batches differ within the first rows already
        some = rows[first] if scored is None else rows[first][scored[first]]
        if len(some) and not are_equal(np.ascontiguousarray(some, np.float64)):
            return None
        rows = rows if scored is None else rows[scored]
        return rows[0].copy() if len(rows) and (rows == rows[0]).all() else None

    def __add__(self, other: "InspectedRows") -> "InspectedRows":
        n_scored, ours, theirs = self.n_scored + other.n_scored, self.sample(), other.sample()
        if ours is None or theirs is None:
            return InspectedRows(n_scored)
        both = ours + theirs
        both = both.take(np.argsort(both.numbers, kind="stable"))
        kept = both.take(np.flatnonzero(_is_first(both) | _is_first_of_class(both.rows)))
        return InspectedRows(n_scored, self._common_with(other), sample=kept)

    def _common_with(self, other: "InspectedRows") -> Any:
        if not self.n_scored or not other.n_scored:
            return other.common if self.common is None else self.common
        is_common = self.common is not None and other.common is not None and (self.common == other.common).all()
        return self.common if is_common else None

    def shifted(self, rows: int) -> "InspectedRows":
        """The inspected rows as those of a part of a longer body, with their numbers shifted by `rows`."""
        sample = self.sample()
        return self if sample is None else InspectedRows(self.n_scored, self.common, sample=sample.shifted(rows))

    def sample(self) -> Sample | None:
        """The sample, which from now on keeps no batch alive; None where rows of the task are not compared."""
        if self._batch is not None:
            self._common = self.common
            self._sample, self._batch = _sample_of(self._batch), None
        return self._sample

    def first(self) -> tuple[Batch | None, int]:
        """The batch that the first `MAX_INSPECTED_ROWS` rows begin, as far as they are scored, and their number."""
        batch = self._batch
        if batch is not None and batch.scored is None:
            return batch, max(0, min(len(batch.prediction), MAX_INSPECTED_ROWS - batch.first_row))
        sample = self.sample()
        return (None, 0) if sample is None else (sample.rows, int(sample.numbers.searchsorted(MAX_INSPECTED_ROWS)))

    def of_classes(self) -> Batch | None:
        """The batch of the first rows of each class."""
        sample = self.sample()
        return None if sample is None else sample.rows.take(np.flatnonzero(_is_first_of_class(sample.rows)))


NO_ROWS = InspectedRows(0)


def rows_per_class(batch: Batch) -> int:
    """The number of rows of each class in a sample; 0 where no better order of classes is looked for."""
    is_ordered = batch.task in ONE_LABEL and batch.n_classes <= MAX_REORDERED_CLASSES
    return MAX_INSPECTED_ROWS // batch.n_classes if is_ordered else 0


def inspected_rows(batch: Batch, n_scored: int) -> InspectedRows:
    """The inspected rows of a batch. Documents, and rows of many columns or with single masked elements, are none."""
    elementwise = batch.scored is not None and batch.scored.ndim == 2
    if elementwise or batch.n_classes > MAX_COMPARED_COLUMNS or isinstance(batch.prediction, Ragged):
        return InspectedRows(n_scored)
    return InspectedRows(n_scored, batch=batch)


def _sample_of(batch: Batch) -> Sample:
    first = np.arange(min(max(0, _n_first(batch) - batch.first_row), len(batch)))
    if batch.scored is not None:
        first = first[batch.scored[first]]
    numbers = np.union1d(first, _first_of_classes(batch))
    return Sample(numbers + batch.first_row, batch.take(numbers))


def _first_of_classes(batch: Batch) -> IntArray:
    """The positions of the first rows of each class that are scored and weigh something."""
    most, found = rows_per_class(batch), [np.empty(0, np.int64)]
    missing = dict.fromkeys(range(batch.n_classes), most) if most else {}
    for start in range(0, len(batch), _STEP):
        if not missing:
            break
        labels = _labels(batch, slice(start, start + _STEP))
        for label, n_missing in list(missing.items()):
            rows = np.flatnonzero(labels == label)[:n_missing]
            found.append(rows + start)
            missing[label] -= len(rows)
            if not missing[label]:
                del missing[label]
    return np.concatenate(found)


def _labels(batch: Batch, rows: slice) -> IntArray:
    """The class of some rows, -1 of those that do not count; for soft targets the first of the largest."""
    if batch.labels is not None:
        labels = batch.labels[rows]
    else:
        targets: NDArray[Any] = batch.targets[rows]  # type: ignore[index]
        labels = (targets >= 0.5).astype(np.int64) if targets.ndim == 1 else targets.argmax(axis=1)
    for counted in (batch.scored, None if batch.sample_weight is None else batch.sample_weight > 0.0):
        labels = labels if counted is None else np.where(counted[rows], labels, -1)
    return labels


def _n_first(batch: Batch) -> int:
    """The number of first rows that are compared; single numbers, often rounded, repeat by chance."""
    return MAX_INSPECTED_ROWS if batch.task != "binary" else 0


def _is_first(sample: Sample) -> BoolArray:
    first: BoolArray = sample.numbers < _n_first(sample.rows)
    return first


def _is_first_of_class(rows: Batch) -> BoolArray:
    """The rows that are among the first of their class, (m,)."""
    chosen = np.zeros(len(rows), bool)
    if len(rows):
        chosen[_first_of_classes(rows)] = True
    return chosen
