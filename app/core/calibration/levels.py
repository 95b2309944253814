"""Levels: distinct confidences with the sums of what was observed at each. Measures over all rows start from them."""

from dataclasses import dataclass

import numpy as np

from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.sums.segments import segment_sums

_HUGE, _SCALE = 2.0**900, 2.0**-600
"""The weight above which a sum could overflow, and the power of two that all weights are then multiplied by."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """The m distinct confidences of n rows, rising; sums over the rows of a level are rounded once.

    That makes every number computed from them independent of the order of rows, and a weight of 2 a copy.

    Attributes:
        confidence: (m,) in [0, 1].
        weight: (m,) sum of the weights, above 0.
        hits: (m,) sum of weight * y, y the observed frequency of a row in [0, 1].
        misses: (m,) sum of weight * (1 - y).
        softness: (m,) sum of weight * y (1 - y): 0 for hard labels.
    """

    confidence: FloatArray
    weight: FloatArray
    hits: FloatArray
    misses: FloatArray
    softness: FloatArray

    def __len__(self) -> int:
        return len(self.confidence)


def levels_of(confidence: FloatArray, frequency: FloatArray | BoolArray, weight: FloatArray | None = None) -> Levels:
    """Levels of rows: confidence (n,) in [0, 1], observed frequency (n,) in [0, 1], weight (n,) or None for ones.

    Rows of weight 0 are left out; functions of levels need at least one row that is not. Takes n log n time, and n
    where the rows come sorted.

    >>> levels_of(np.array([0.5, 0.2, 0.5]), np.array([1.0, 0.0, 0.0])).hits
    array([0., 1.])
    """
    if weight is not None:
        kept = np.flatnonzero(weight)
        confidence, frequency, weight = confidence[kept], frequency[kept], _in_range(weight[kept])
    order = np.argsort(confidence, kind="stable")
    rising, frequency = confidence[order], frequency[order]
    starts = np.flatnonzero(np.diff(rising, prepend=-1.0))
    weights = np.ones(len(order)) if weight is None else weight[order]
    hits = weights * frequency
    columns = (weights, hits, weights * (1.0 - frequency), hits * (1.0 - frequency))
    return Levels(rising[starts], *(segment_sums(column, starts) for column in at_checkpoints(columns)))


def _in_range(weight: FloatArray) -> FloatArray:
    """Scale weights down where their sum would overflow; only their ratios matter then."""
    return weight * _SCALE if weight.size and weight.max() > _HUGE else weight


def equal_mass_index(levels: Levels, n_bins: int) -> IntArray:
    """The bin (m,) of each level when bins hold equal weight: floor(n_bins * weight of the lower levels / all weight).

    Bins are the half-open (e_j, e_j+1] between the weighted quantiles e_j of the confidences: e_j is the lowest level
    up to which j / n_bins of the weight lies (inverse of the empirical distribution, type 1 of Hyndman, Fan, "Sample
    quantiles in statistical packages", Am. Stat. 50, 1996). A level is never split; a heavy one leaves bins empty.

    >>> equal_mass_index(levels_of(np.array([0.1, 0.2, 0.2, 0.2, 0.3, 0.9]), np.zeros(6)), 3)
    array([0, 0, 2, 2])
    """
    upto = np.cumsum(levels.weight)
    share_below = (upto - levels.weight) / upto[-1]
    # a share within 1e-9 of a cut is on it: so weights of 0.1, whose sums are rounded, cut where no weights do
    bins: IntArray = np.floor(n_bins * share_below + 1e-9).astype(np.int64)
    return np.minimum(bins, n_bins - 1)
