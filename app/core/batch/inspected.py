"""Inspected rows: a sample in which mistakes of the sender are looked for, the same in whatever parts rows come."""

from dataclasses import replace
from typing import Any

import numpy as np

from app.core.batch.batches import Batch, joined
from app.core.columns import BoolArray, IntArray, Ragged
from app.core.kernels.compiled import are_equal
from app.core.records import record

MAX_INSPECTED_ROWS = 500
"""The most rows in each half of the sample: the first rows, and rows spread over all. It bounds time and memory."""
MAX_COMPARED_COLUMNS = 100
"""The most columns of rows that a sample keeps; wider rows would take long to copy and compare."""


@record
class InspectedRows:
    """A sample of the rows of a body, the same in whatever parts they come.

    A row is in it by its number: the first `MAX_INSPECTED_ROWS` are, and every `step`-th of all. The step is the least
    power of two that leaves at most `MAX_INSPECTED_ROWS`.

    Attributes:
        end: One more than the largest row number.
        n_scored: The number of scored rows of the body, not only of the sample.
        numbers: (m,) row numbers, rising.
        rows: The m rows, scored in full; None where rows of the task are not compared.
        constant: Whether all scored rows of the body, not only of the sample, carry the same prediction.
    """

    end: int
    n_scored: int
    numbers: IntArray
    rows: Batch | None
    constant: bool

    def __add__(self, other: "InspectedRows") -> "InspectedRows":
        end = max(self.end, other.end)
        n_scored = self.n_scored + other.n_scored
        if self.rows is None or other.rows is None:
            return InspectedRows(end, n_scored, NO_ROWS.numbers, None, constant=False)
        numbers = np.concatenate([self.numbers, other.numbers])
        both, constant = joined(self.rows, other.rows), self._is_constant_with(other)
        if self._goes_on_with(other):
            return InspectedRows(end, n_scored, numbers, both, constant)
        kept = np.argsort(numbers, kind="stable")
        kept = kept[_is_chosen(numbers[kept], end)]
        return InspectedRows(end, n_scored, numbers[kept], both.take(kept), constant)

    @property
    def first_prediction(self) -> Any:
        """The prediction of the first row of the sample."""
        return self.rows and self.rows.prediction[0]  # type: ignore[index]

    def _goes_on_with(self, other: "InspectedRows") -> bool:
        """Tell whether `other` follows and no row leaves the sample with it, as with nearly all parts of a body."""
        follows = not self.numbers.size or not other.numbers.size or self.numbers[-1] < other.numbers[0]
        return bool(follows) and self.end <= other.end and _step(self.end) == _step(other.end)

    def _is_constant_with(self, other: "InspectedRows") -> bool:
        if not self.n_scored or not other.n_scored:
            return self.constant or other.constant
        return self.constant and other.constant and bool((self.first_prediction == other.first_prediction).all())

    def spread(self) -> Batch | None:
        """The batch of every `step`-th row."""
        if self.rows is None or not (self.numbers % _step(self.end)).any():
            return self.rows
        return self.rows.take(np.flatnonzero(self.numbers % _step(self.end) == 0))


NO_ROWS = InspectedRows(0, 0, np.empty(0, np.int64), None, constant=False)


def inspected_rows(batch: Batch, n_scored: int) -> InspectedRows:
    """The sample of a batch. Documents, and rows of many columns or with single masked elements, are not compared."""
    elementwise = batch.scored is not None and batch.scored.ndim == 2
    n_rows = len(batch.prediction)
    end = batch.first_row + n_rows
    if elementwise or batch.n_classes > MAX_COMPARED_COLUMNS or isinstance(batch.prediction, Ragged):
        return InspectedRows(end, n_scored, NO_ROWS.numbers, None, constant=False)
    if end <= MAX_INSPECTED_ROWS:
        numbers, rows = np.arange(batch.first_row, end), batch
    else:
        numbers, rows = _spread_over(batch, end)
    if batch.scored is not None:
        scored = batch.scored[numbers - batch.first_row]
        numbers, rows = numbers[scored], replace(rows.take(np.flatnonzero(scored)), scored=None)
    return InspectedRows(end, n_scored, numbers, rows, _is_constant(batch, rows.prediction))


def _spread_over(batch: Batch, end: int) -> tuple[IntArray, Batch]:
    """The row numbers of the sample, and its rows; slices are copied in a fifth of the time of single rows."""
    start, step, n_rows = batch.first_row, _step(end), len(batch.prediction)
    first = max(0, MAX_INSPECTED_ROWS - start)
    parts = slice(0, first, 1), slice(first + -(first + start) % step, n_rows, step)
    numbers = [np.arange(start + part.start, start + part.stop, part.step) for part in parts]
    return np.concatenate(numbers), joined(*map(batch.take, parts))


def _is_chosen(numbers: IntArray, end: int) -> BoolArray:
    chosen: BoolArray = (numbers < MAX_INSPECTED_ROWS) | (numbers % _step(end) == 0)
    return chosen


def _step(end: int) -> int:
    """The least power of two with at most `MAX_INSPECTED_ROWS` multiples below `end`."""
    return 1 << ((end - 1) // MAX_INSPECTED_ROWS).bit_length()


def _is_constant(batch: Batch, sample: Any) -> bool:
    """Tell whether all scored rows equal the first of the sample. Most batches differ within the sample already."""
    if not len(sample) or not are_equal(np.ascontiguousarray(sample, np.float64)):
        return False
    if sample is batch.prediction:
        return True
    rows = batch.prediction if batch.scored is None else batch.prediction[batch.scored]  # type: ignore[index]
    return bool((rows == sample[0]).all())
