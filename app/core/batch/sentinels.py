"""Sentinels: numbers that stand for "none" among log-probabilities and logits, such as -9999 or -100."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.checks import pieces
from app.core.batch.findings import NO_FINDING, Finding, added
from app.core.columns import BoolArray, FloatArray, IntArray, Ragged

# sizes of the numbers that programs write for "none": -99 to -999999999, -100 to -1e38, and the least floats
_NINES = [10.0**n - 1.0 for n in range(2, 10)]
_POWERS = [10.0**n for n in range(2, 39)]
_LOWEST = [float(-np.finfo(dtype).min) for dtype in (np.float16, np.float32, np.float64)]
_KNOWN = np.unique([*_NINES, *_POWERS, *_LOWEST, *np.array(_POWERS, np.float32).astype(np.float64)])
_NEVER_ROUNDED = frozenset((*_NINES, *_LOWEST))
SMALLEST_SENTINEL = -99.0
"""The sentinel nearest to 0; numbers above it are not looked at."""

_ALONE, _REPEATED = 4.0, 2.0
"""The factors by which a sentinel, alone or repeated, must exceed every other number to be reported."""


def is_sentinel(value: float) -> bool:
    """Tell if a number stands for "none" in some programs."""
    return bool(np.isin(-value, _KNOWN))


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The sentinels in some rows, and the numbers among which they stand. Sentinels of parts add.

    Attributes:
        rows: The rows that hold a value, by value.
        times: The number of times that a value occurs, by value.
        largest: The largest size of the other finite numbers.
        has_others: Whether there are other finite numbers.
        has_fractions: Whether one of them is no whole number.
    """

    rows: dict[float, Finding] = field(default_factory=dict)
    times: dict[float, int] = field(default_factory=dict)
    largest: float = 0.0
    has_others: bool = False
    has_fractions: bool = False

    def __add__(self, other: "Sentinels") -> "Sentinels":
        rows = added(self.rows, other.rows)
        return Sentinels(
            rows,
            {value: self.times.get(value, 0) + other.times.get(value, 0) for value in rows},
            max(self.largest, other.largest),
            self.has_others or other.has_others,
            self.has_fractions or other.has_fractions,
        )

    def shifted(self, rows: int) -> "Sentinels":
        """The sentinels with their row numbers shifted by `rows`."""
        if not rows:
            return self
        found = {value: finding.shifted(rows) for value, finding in self.rows.items()}
        return Sentinels(found, self.times, self.largest, self.has_others, self.has_fractions)

    def suspects(self) -> Iterator[tuple[float, Finding]]:
        """The values far below all others: repeated ones, and single ones that no rounding of scores would give.

        A value beside others of its kind, such as -100 beside -90, is taken for a number like them.
        """
        for value, finding in self.rows.items():
            nearest = max([self.largest, *(-known for known in self.rows if known > value)])
            if self.times[value] > 1:
                suspicious = -value > _REPEATED * nearest
            else:
                odd = self.has_fractions or -value in _NEVER_ROUNDED
                suspicious = self.has_others and odd and -value > _ALONE * nearest
            if suspicious:
                yield value, finding


NO_SENTINELS = Sentinels()


def sentinels_among(
    prediction: NDArray[Any] | Ragged, observed: NDArray[Any] | None, scored: BoolArray | None
) -> Sentinels:
    """The sentinels among the numbers that losses are made of.

    Args:
        prediction: (n,) or (n, k) logits or log-probabilities, or documents.
        observed: (n,) labels or (n, k) targets where a loss is made of some columns of a row only; None for all.
        scored: (n,), or (n, k) where single elements are masked; None for all.
    """
    parts = _in_pieces(prediction, observed, scored)
    return reduce(add, parts, next(parts, NO_SENTINELS))


def _in_pieces(
    prediction: NDArray[Any] | Ragged, observed: NDArray[Any] | None, scored: BoolArray | None
) -> Iterator[Sentinels]:
    if isinstance(prediction, Ragged):
        for part in pieces(len(prediction.values), 1):
            yield _sentinels(prediction.values[part], partial(_documents, prediction.offsets, part.start), most=0.0)
        return
    for part in pieces(len(prediction), prediction[:1].size):
        rows = np.arange(part.start, part.stop)
        if scored is not None and scored.ndim == 1:
            rows = rows[scored[part]]
        if prediction.ndim == 1:
            yield _sentinels(prediction[rows], rows.take)
        elif observed is not None and observed.ndim == 1:
            yield _sentinels(prediction[rows, observed[rows]], rows.take)
        else:
            looked_at = np.ones((len(rows), prediction.shape[1]), bool) if observed is None else observed[rows] > 0.0
            if scored is not None and scored.ndim == 2:
                looked_at &= scored[rows]
            yield _sentinels(prediction[rows][looked_at], partial(_rows, looked_at, rows))


def _documents(offsets: IntArray, start: int, places: IntArray) -> IntArray:
    """The documents that hold the values at some places after `start`."""
    return offsets.searchsorted(places + start, side="right") - 1


def _rows(looked_at: BoolArray, rows: IntArray, places: IntArray) -> IntArray:
    """The rows that hold the elements at some places among those looked at."""
    return rows[np.nonzero(looked_at)[0][places]]


def _sentinels(values: NDArray[Any], rows_of: Callable[[IntArray], IntArray], most: float | None = None) -> Sentinels:
    """The sentinels among values (m,), none above `most`; `rows_of` gives the rows of places among the values."""
    if not values.size:
        return NO_SENTINELS
    least = float(values.min())
    if least <= SMALLEST_SENTINEL:
        return _among_large(values.astype(np.float64, copy=False), rows_of)
    return _among_others(NO_SENTINELS, values, least, most)


def _among_large(values: FloatArray, rows_of: Callable[[IntArray], IntArray]) -> Sentinels:
    known = np.isin(-values, _KNOWN)
    found = Sentinels()
    for value in np.unique(values[known]).tolist():
        places = np.flatnonzero(values == value)
        found.rows[value] = NO_FINDING.with_rows(np.unique(rows_of(places)))
        found.times[value] = len(places)
    others = values[~known & np.isfinite(values)]
    return _among_others(found, others, float(others.min())) if others.size else found


def _among_others(found: Sentinels, others: NDArray[Any], least: float, most: float | None = None) -> Sentinels:
    largest = max(float(others.max()) if most is None else most, -least)
    has_fractions = not float(others[0]).is_integer() or bool((others != np.rint(others)).any())
    return Sentinels(found.rows, found.times, largest, True, has_fractions)
