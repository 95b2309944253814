"""Weights of any size: scaled by powers of two before they are multiplied, so that no product underflows unseen.

Sums over rows are made band by band. The band of a weight depends on that weight alone, so the sums of parts add up to
those of the whole, bit for bit; and as a power of two scales exactly, a sum is moved back as an integer.
"""

import math
from collections.abc import Iterator

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.formulas.losses import product

_WIDTH = 128
"""The width of a band, in powers of two. Weights of band 0 are at least 2**-65 and below 2**63, so that their products
with losses above 1e-288 are normal numbers; smaller products are summed apart (`app.core.sums.small`)."""

LEAST_USUAL, _MOST = 2.0 ** (-_WIDTH // 2), 2.0 ** (_WIDTH // 2 - 1)
"""The bounds of usual weights, which all lie in band 0: the least, and the first that is too large."""


def are_usual(weight: FloatArray) -> bool:
    """Tell if all weights (n,) are 0 or lie in band 0."""
    if not weight.size:
        return True
    is_small = weight.min() < LEAST_USUAL and ((weight < LEAST_USUAL) & (weight > 0.0)).any()
    return bool(weight.max() < _MOST and not is_small)


def bands(weight: FloatArray) -> IntArray:
    """The band of each weight (n,): weights of band b are 2**(128 b) times those of band 0; the weight 0 is in band 0.

    >>> bands(np.array([0.0, 1.0, 5e-324, 1e100]))
    array([ 0,  0, -8,  3])
    """
    exponents = np.frexp(weight)[1].astype(np.int64)
    return (exponents + _WIDTH // 2) // _WIDTH


def places_of(weight: FloatArray | None) -> int:
    """The power of two by which weights of one band are larger than those of band 0."""
    if weight is None or not weight.size:
        return 0
    _, exponent = math.frexp(weight.max())
    return (exponent + _WIDTH // 2) // _WIDTH * _WIDTH


def banded(rows: IntArray, weight: FloatArray, starts: IntArray | None = None) -> Iterator[IntArray]:
    """Rows in groups of one band each.

    Args:
        rows: (m,) row numbers.
        weight: (m,) their weights.
        starts: Rising positions in `rows`, the first 0, at which groups of rows begin. A group goes into the band of
            its largest weight. None where each row goes into its own band.
    """
    if starts is None:
        band = bands(weight)
    else:
        band = np.repeat(bands(np.maximum.reduceat(weight, starts)), np.diff(starts, append=len(rows)))
    return (rows[band == number] for number in np.unique(band))


def leveled(weight: FloatArray) -> FloatArray:
    """Weights (n,) times a power of two, so that the largest is near 1; only their ratios keep their meaning.

    Usual weights stay as they are. A weight of less than 2**-1022 of the largest may lose digits.
    """
    if are_usual(weight) or not weight.any():
        return weight
    return np.ldexp(weight, -int(np.frexp(weight.max())[1]))


def times(weight: FloatArray | None, values: FloatArray | None) -> FloatArray | None:
    """The product of two columns, where None stands for all ones and 0 times anything is 0."""
    if weight is None or values is None:
        return values if weight is None else weight
    return weighted(weight, values)


def weighted(weight: FloatArray | None, values: FloatArray) -> FloatArray:
    """The product of values and weights (None for ones), as `times` makes it; booleans count as 0 and 1."""
    if weight is None:
        return values
    return np.where(values, weight, 0.0) if values.dtype.kind == "b" else product(weight, values)
