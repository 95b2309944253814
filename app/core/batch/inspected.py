"""Inspected rows: a sample in which mistakes of the sender are looked for, the same in whatever parts rows come."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.core.batch.batches import Batch, joined
from app.core.columns import BoolArray, IntArray, Ragged
from app.core.kernels.compiled import are_equal

MAX_INSPECTED_ROWS = 500
"""The most rows in each half of the sample: the first rows, and rows spread over all. It bounds time and memory."""
MAX_COMPARED_COLUMNS = 100
"""The most columns of rows that a sample keeps; wider rows would take long to copy and compare."""


@dataclass(frozen=True, slots=True, eq=False)
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
            return replace(NO_ROWS, end=end, n_scored=n_scored)
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
        return replace(NO_ROWS, end=end, n_scored=n_scored)
    numbers = np.arange(batch.first_row, end) if end <= MAX_INSPECTED_ROWS else _chosen_numbers(batch.first_row, end)
    if batch.scored is not None:
        numbers = numbers[batch.scored[numbers - batch.first_row]]
    plain = batch.scored is None and len(numbers) == n_rows
    rows = batch if plain else replace(batch.take(numbers - batch.first_row), scored=None)
    return InspectedRows(end, n_scored, numbers, rows, _is_constant(batch, rows.prediction))


def _chosen_numbers(start: int, end: int) -> IntArray:
    step = _step(end)
    first = max(start, MAX_INSPECTED_ROWS)
    return np.concatenate([np.arange(start, MAX_INSPECTED_ROWS), np.arange(-(-first // step) * step, end, step)])


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
