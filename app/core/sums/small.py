"""Products of weights and numbers that are too small for a double to keep all their digits.

Such products are taken out of the columns, summed apart 2**RAISED times as large, and shifted back exactly, since an
`Exact` has no least place. So a weight of 2 gives the same bits as the row sent twice, however small its numbers are.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.sums.moments import Moments, clustered_moments, moments_of_rows

RAISED = 256
"""The powers of two by which small products are raised: enough for the least double times the least usual weight."""

_LARGE = 2.0**700
"""The size of numbers beside which small ones leave no trace in a rounded sum. Raised, they would overflow."""


class Small(NamedTuple):
    """The small products of a column: their positions (m,), and 2**RAISED times each of them (m,)."""

    rows: IntArray
    raised: FloatArray


NOTHING_SMALL: Mapping[int, Small] = MappingProxyType({})


def multiplied(weight: FloatArray, values: FloatArray, out: FloatArray, codes: IntArray | None = None) -> Small | None:
    """Write weight * values (n,), where 0 times anything is 0; return those too small to be summed with the others.

    Args:
        codes: (n,) the cluster of each row, side by side. The whole cluster of a small product is summed apart.
    """
    if not compiled.products(weight, values, out):
        return None
    small = (np.abs(out) < np.finfo(np.float64).tiny) & (weight > 0.0) & (values != 0.0)
    if codes is not None:
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        whole = np.logical_or.reduceat(small, starts) & (np.maximum.reduceat(np.abs(out), starts) < _LARGE)
        small = np.repeat(whole, np.diff(starts, append=len(codes)))
    rows = np.flatnonzero(small)
    lesser = np.abs(values[rows]) < 1.0  # raise the factor that is below 1: it cannot overflow
    raised = np.ldexp(values[rows], RAISED * lesser) * np.ldexp(weight[rows], RAISED * ~lesser)
    out[rows] = 0.0
    return Small(rows, raised)


def moments_of_small(small: Small, v: FloatArray | None, codes: IntArray | None = None) -> Moments:
    """The moments of small products, to be added to those of the other rows, which hold all denominators.

    Args:
        v: (n,) denominators of all rows; None for ones.
        codes: The clusters, as `multiplied` takes them.
    """
    matrix = np.array((small.raised, np.ones(len(small.rows)) if v is None else v[small.rows]))
    if codes is None:
        (sums,) = moments_of_rows(matrix, ((0, 1),))
    else:
        sums = clustered_moments(matrix, (0, 1), -1, codes[small.rows])
    return sums.scaled(-RAISED, 0)._replace(n=0, v=0, vv=0)
