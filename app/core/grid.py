"""Numbers cut on a common grid: parts of few bits, and their products, add up exactly in plain floating point.

Rump, Ogita, Oishi, "Accurate floating-point summation", SIAM J. Sci. Comput. 31, 2008; for products Ozaki, Ogita,
Oishi, Rump, "Error-free transformations of matrix multiplication", Numer. Algor. 59, 2012.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray

_NO_BUCKET = 1_000
_NOWHERE = np.empty(0, dtype=np.intp)
_BUCKET_BITS = 64  # numbers of so like exponents are cut to the end in 6 levels
_MIN_EXPONENT, _MAX_EXPONENT = -500, 480  # of a grid: so far neither shifts nor products overflow or underflow
_ROOM = 5 << 15  # doubles: four levels and a rest of the longest chunk of a sum


class NotFinite(ValueError):
    """A number that is infinite, or none, among those to add up."""

    def __init__(self) -> None:
        super().__init__("exact sums take finite numbers")


class Room(threading.local):
    """Memory of one thread that every cut uses again: fresh memory costs more than the arithmetic done in it."""

    def __init__(self) -> None:
        self._doubles = np.empty(_ROOM)

    def rows(self, n_rows: int) -> FloatArray:
        """As many rows of equal length as asked for."""
        return self._doubles[: len(self._doubles) // n_rows * n_rows].reshape(n_rows, -1)


ROOM = Room()


@dataclass(slots=True)
class Cut:
    """Numbers (n,) as a sum: parts (levels, n), each a whole multiple of a power of two, and a rest (n,)."""

    top: int
    bits: int
    parts: FloatArray
    rest: FloatArray
    done: bool

    def exponent(self, level: int) -> int:
        """Parts of a level are whole multiples of two to this power."""
        return self.top - self.bits * level

    def unfinished(self) -> NDArray[np.intp]:
        """Where the rest is not zero."""
        return _NOWHERE if self.done else np.flatnonzero(self.rest)


def cut_of(values: FloatArray, bits: int, room: FloatArray) -> Cut:
    """Cut finite `values` (n,) into parts of less than `bits` bits, signs included.

    The rest is zero but for numbers far smaller than the largest one, or beyond the range in which a grid is safe.

    Args:
        room: Where the parts go, a level a row, and in the last row the rest.
    """
    low = float(np.minimum.reduce(values))
    largest = max(float(np.maximum.reduce(values)), -low)
    if not math.isfinite(largest):
        raise NotFinite
    room = room[:, : len(values)]
    exponent = math.frexp(largest)[1] - bits + 1
    cut = Cut(exponent, bits, room[:0], values, done=not largest)
    last_bit = math.frexp(low)[1] - 53 if low > 0.0 else None  # of the smallest number: no other ends below it
    for level, part in enumerate(room[:-1]):
        if cut.done or not _MIN_EXPONENT < exponent < _MAX_EXPONENT:
            break
        shift = math.ldexp(1.5, exponent + 52)
        np.subtract(np.add(cut.rest, shift, out=part), shift, out=part)  # rounds to multiples of 2**exponent
        cut.rest = np.subtract(cut.rest, part, out=room[-1])
        cut.parts = room[: level + 1]
        cut.done = (level >= 53 // bits and not cut.rest.any()) if last_bit is None else exponent <= last_bit
        exponent -= bits
    return cut


def buckets(values: FloatArray) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Where the numbers (n,) of like exponents stand, and the power of two that brings them near 1; not the zeros."""
    buckets = np.where(values == 0.0, _NO_BUCKET, np.frexp(values)[1] // _BUCKET_BITS)
    for bucket in np.unique(buckets).tolist():
        if bucket != _NO_BUCKET:
            yield bucket * _BUCKET_BITS, np.flatnonzero(buckets == bucket)
