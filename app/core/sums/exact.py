"""Exact sums of doubles, each an integer times a power of two.

Such sums are not rounded and depend on no order; a quotient, or `float`, rounds once, at the end.
"""

from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np

from app.core.columns import FloatArray
from app.core.kernels import compiled
from app.core.records import record

MOST = 1 << 20
"""The numbers of a column that one call of a kernel adds up: 8 MiB of doubles."""


class NotFinite(ValueError):
    """The error of adding up a number that is infinite or NaN."""

    def __init__(self) -> None:
        super().__init__("exact sums take finite numbers")


@record
class Exact:
    """The number digits * 2**place. Numbers of one value are equal, whatever their digits and place.

    >>> float(Exact(3, -1) + Exact(1, 2)), Exact(3, -1) / Exact(3, 1), Exact(2, 0) == Exact(1, 1)
    (5.5, 0.25, True)
    """

    digits: int = 0
    place: int = 0

    def __add__(self, other: "Exact") -> "Exact":
        a, b, place = _aligned(self, other)
        return Exact(a + b, place)

    def __sub__(self, other: "Exact") -> "Exact":
        a, b, place = _aligned(self, other)
        return Exact(a - b, place)

    def __truediv__(self, other: "Exact") -> float:
        a, b, _ = _aligned(self, other)
        return a / b

    def __float__(self) -> float:
        """The double nearest to the number.

        Raises:
            OverflowError: It lies beyond the largest double.
        """
        return float(self.digits << self.place) if self.place > 0 else self.digits / (1 << -self.place)

    def __bool__(self) -> bool:
        return bool(self.digits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and not self - other

    def __hash__(self) -> int:
        return hash(self.fraction)

    @property
    def fraction(self) -> Fraction:
        """The number as a fraction, for arithmetic that goes beyond sums."""
        return self.digits * Fraction(2) ** self.place

    def in_units(self, place: int) -> int:
        """The number counted in units of 2**place; `place` is at most that of the number."""
        return self.digits << self.place - place

    def shifted(self, places: int) -> "Exact":
        """The number times 2**places."""
        return Exact(self.digits, self.place + places)


NOTHING = Exact()


def _aligned(a: Exact, b: Exact) -> tuple[int, int, int]:
    """The digits of both numbers in units of the smaller place, and that place."""
    place = min(a.place, b.place)
    return a.digits << a.place - place, b.digits << b.place - place, place


def exact_sum(values: FloatArray) -> Exact:
    """The sum of finite doubles (n,), without any rounding; `math.fsum` is its oracle.

    >>> float(exact_sum(np.array([1e300, 1.0, -1e300, 2**-1074])))
    1.0
    """
    if len(values) <= MOST:
        return _sum(values)
    return reduce(add, (_sum(values[start : start + MOST]) for start in range(0, len(values), MOST)))


def _sum(values: FloatArray) -> Exact:
    found = compiled.sums(np.ascontiguousarray(values, np.float64)[None], -1, ((0, -1),), ())
    if found is None or found[0][0][0] < len(values):
        raise NotFinite
    _, _, _, digits, *_, place = found[0][0]
    return Exact(digits, place)
