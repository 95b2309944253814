"""Inspected rows: a sample in which mistakes of the sender are looked for, the same in whatever parts rows come."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch, joined
from app.core.columns import BoolArray, IntArray, Ragged
from app.core.kernels.compiled import are_equal
from app.core.records import record

MAX_INSPECTED_ROWS = 500
"""The most rows in each half of the sample: the first rows, and rows spread over all. It bounds time and memory."""
MAX_COMPARED_COLUMNS = 100
"""The most columns of rows that a sample keeps; wider rows would take long to copy and compare."""


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

    def reaches_to(self, other: "Sample") -> bool:
        """Tell whether all rows of the other come behind those of this one."""
        return not self.numbers.size or not other.numbers.size or bool(self.numbers[-1] < other.numbers[0])


class InspectedRows:
    """The rows of a body that are looked at, the same in whatever parts they come.

    A row is in the sample by its number: the first `MAX_INSPECTED_ROWS` are, and every `step`-th of all. The step is
    the least power of two that leaves at most `MAX_INSPECTED_ROWS`.

    Attributes:
        end: One more than the largest row number.
        n_scored: The number of scored rows of the body, not only of the sample.
        common: The prediction that all scored rows of the body carry, not only those of the sample; None where they
            differ, or none is scored.
    """

    def __init__(
        self, end: int, n_scored: int, common: Any = None, *, batch: Batch | None = None, sample: Sample | None = None
    ) -> None:
        """Make inspected rows of a batch, of which a sample is taken if asked for, or of a sample, or of nothing."""
        self.end, self.n_scored, self.common = end, n_scored, common
        self._batch, self._sample = batch, sample

    def __add__(self, other: "InspectedRows") -> "InspectedRows":
        end, n_scored = max(self.end, other.end), self.n_scored + other.n_scored
        ours, theirs = self.sample(), other.sample()
        if ours is None or theirs is None:
            return InspectedRows(end, n_scored)
        both = ours + theirs
        # no row leaves the sample with the next part, as with nearly all parts of a body
        if not (ours.reaches_to(theirs) and self.end <= other.end and _step(self.end) == _step(other.end)):
            kept = np.argsort(both.numbers, kind="stable")
            both = both.take(kept[_is_chosen(both.numbers[kept], end)])
        return InspectedRows(end, n_scored, self._common_with(other), sample=both)

    def _common_with(self, other: "InspectedRows") -> Any:
        if not self.n_scored or not other.n_scored:
            return other.common if self.common is None else self.common
        is_common = self.common is not None and other.common is not None and (self.common == other.common).all()
        return self.common if is_common else None

    def sample(self) -> Sample | None:
        """The sample, which from now on keeps no batch alive; None where rows of the task are not compared."""
        if self._batch is not None:
            self._sample, self._batch = _sample_of(self._batch, self.end), None
        return self._sample

    def first(self) -> tuple[Batch | None, int]:
        """The batch that the first `MAX_INSPECTED_ROWS` rows begin, as far as they are scored, and their number."""
        batch = self._batch
        if batch is not None and batch.scored is None:
            return batch, max(0, min(self.end, MAX_INSPECTED_ROWS) - batch.first_row)
        sample = self.sample()
        return (None, 0) if sample is None else (sample.rows, int(sample.numbers.searchsorted(MAX_INSPECTED_ROWS)))

    def spread(self) -> Batch | None:
        """The batch of every `step`-th row."""
        sample = self.sample()
        if sample is None:
            return None
        return sample.take(np.flatnonzero(sample.numbers % _step(self.end) == 0)).rows


NO_ROWS = InspectedRows(0, 0)


def inspected_rows(batch: Batch, n_scored: int) -> InspectedRows:
    """The inspected rows of a batch. Documents, and rows of many columns or with single masked elements, are none."""
    end = batch.first_row + len(batch.prediction)
    elementwise = batch.scored is not None and batch.scored.ndim == 2
    if elementwise or batch.n_classes > MAX_COMPARED_COLUMNS or isinstance(batch.prediction, Ragged):
        return InspectedRows(end, n_scored)
    return InspectedRows(end, n_scored, _common_prediction(batch.prediction, batch.scored), batch=batch)


def _sample_of(batch: Batch, end: int) -> Sample:
    """The sample of a batch; slices are copied in less time than single rows."""
    start, step, n_rows = batch.first_row, _step(end), len(batch.prediction)
    first = min(max(0, MAX_INSPECTED_ROWS - start), n_rows)
    parts = slice(0, first, 1), slice(first + -(first + start) % step, n_rows, step)
    numbers = np.concatenate([np.arange(start + part.start, start + part.stop, part.step) for part in parts])
    sample = Sample(numbers, joined(*map(batch.take, parts)))
    if batch.scored is None:
        return sample
    return sample.take(np.flatnonzero(batch.scored[numbers - start]))


def _is_chosen(numbers: IntArray, end: int) -> BoolArray:
    chosen: BoolArray = (numbers < MAX_INSPECTED_ROWS) | (numbers % _step(end) == 0)
    return chosen


def _step(end: int) -> int:
    """The least power of two with at most `MAX_INSPECTED_ROWS` multiples below `end`."""
    return 1 << ((end - 1) // MAX_INSPECTED_ROWS).bit_length()


def _common_prediction(prediction: NDArray[Any], scored: BoolArray | None) -> Any:
    """The prediction that all scored rows carry, or None. Most batches differ within the first rows already."""
    first = slice(0, MAX_INSPECTED_ROWS)
    some = prediction[first] if scored is None else prediction[first][scored[first]]
    if len(some) and not are_equal(np.ascontiguousarray(some, np.float64)):
        return None
    rows = prediction if scored is None else prediction[scored]
    return rows[0].copy() if len(rows) and (rows == rows[0]).all() else None
