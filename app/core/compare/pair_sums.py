"""The sums of paired losses, and what they tell beside the mean difference."""

from typing import NamedTuple

from app.core.kernels import compiled
from app.core.sums.moments import PackedMoments
from app.core.sums.paired import difference_name, loss_name, product_name, rounding_name


class PairSums(NamedTuple):
    """The facts that the sums of a candidate and a baseline tell; `kernels/pair_sums.h` has the formulas.

    Attributes:
        n: The number of independent observations: rows that count, or clusters that hold such a row.
        n_effective: The number of observations of equal weight and size that say as much.
        n_ours, n_theirs: The numbers of rows of positive weight with infinite loss.
        varies: Whether differences depart from their mean, in all observations together, by more than rounding can
            make; of no meaning where a loss is infinite.
        correlation: The correlation of what observations add to the errors of both mean losses; None where one has no
            spread.
    """

    n: int
    n_effective: float
    n_ours: int
    n_theirs: int
    varies: bool
    correlation: float | None


def sums_of_pair(moments: PackedMoments, pair: int) -> PairSums:
    """The facts that the sums of one of several pairs tell, given the moments of a state of paired rows."""
    names = difference_name(pair), loss_name(pair + 1), loss_name(0), rounding_name(pair), product_name(pair)
    difference, ours, theirs, rounding, product = map(moments.numbers.__getitem__, names)
    return PairSums(*compiled.pair_sums(moments.packed, (difference, ours, theirs, rounding, product)))
