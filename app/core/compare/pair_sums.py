"""The sums of paired losses, and what they tell beside the mean difference."""

import math
from typing import NamedTuple

from app.core.compare.pairing import loss_name, product_name, rounding_name
from app.core.sums.moments import Moments
from app.core.sums.outcomes import difference_name
from app.core.sums.state import State

LAST_BITS = -50
"""The power of two times a loss that rounding alone can make of it; the LAST_BITS of pairs.h."""


class PairSums(NamedTuple):
    """The moments of a candidate and a baseline over what rows, or clusters, count for.

    Attributes:
        difference, ours, theirs: The moments of differences and of both losses.
        counted: The moments of what rounding can make of differences; they have numbers in every row that counts.
        product: The moments of our losses over theirs.
    """

    difference: Moments
    ours: Moments
    theirs: Moments
    counted: Moments
    product: Moments

    @property
    def n(self) -> int:
        """The number of independent observations: rows that count, or clusters that hold such a row."""
        return self.counted.n

    def varies(self) -> bool:
        """Tell if differences depart from their mean, in all observations together, by more than rounding can make."""
        difference, rounding = self.difference.aligned(self.counted)
        return _departures(difference, difference, difference.zz) > rounding.zz * rounding.v * rounding.v

    def correlation(self) -> float | None:
        """The correlation of what observations add to the errors of both mean losses; None where one has no spread."""
        ours, theirs = self.ours.aligned(self.theirs)
        ours, product = ours.aligned(self.product)
        theirs = theirs.aligned(product)[0]
        own, other = (_departures(loss, loss, loss.zz) for loss in (ours, theirs))
        both = _departures(ours, theirs, product.zv)
        if any(_is_rounding(own, ours) for own, ours in ((own, ours), (other, theirs))):
            return None
        size = min(1.0, math.sqrt(both * both / (own * other)))
        return size if both > 0 else -size


def sums_of_pair(state: State, pair: int) -> PairSums:
    """The sums of one of several pairs of the paired rows of a state."""
    names = difference_name(pair), loss_name(pair + 1), loss_name(0), rounding_name(pair), product_name(pair)
    return PairSums(*(state.moments[name] for name in names))


def _departures(first: Moments, second: Moments, products: int) -> int:
    """v**2 times the sum of (z_i - m v_i) (z'_i - m' v_i), given the sum of z_i z'_i; m and m' are the means."""
    z, other, v = first.z, second.z, first.v
    return products * v * v - z * second.zv * v - other * first.zv * v + z * other * first.vv


def _is_rounding(departures: int, loss: Moments) -> bool:
    """Tell if what a loss departs from its mean is no more than the last bits of its numbers."""
    return departures << -2 * LAST_BITS <= loss.zz * loss.v * loss.v
