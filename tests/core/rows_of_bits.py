"""Rows for the compiled core, of all kinds and widths, and what their bits are."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray, IntArray

SPECIAL = [0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 5e-324, 2.0**-1022, 1.7976931348623157e308, -745.2, 709.79]
WIDTHS = [*range(1, 41), 63, 127, 1001]
KINDS = ["usual", "bits", "special"]


def rows(n: int, k: int, kind: str) -> FloatArray:
    """Rows (n, k): usual ones, any bits there are, or with much that is special."""
    rng = np.random.default_rng(1000 * n + k)
    if kind == "usual":
        return rng.normal(0.0, 3.0, (n, k))
    bits = rng.integers(-(2**63), 2**63 - 1, (n, k), np.int64, endpoint=True).view(np.float64)
    return bits if kind == "bits" else np.where(rng.random((n, k)) < 0.6, rng.choice(SPECIAL, (n, k)), bits)


def labels(n: int, k: int) -> IntArray:
    return np.random.default_rng(n + k).integers(0, k, n)


def bits(values: NDArray[Any]) -> bytes:
    """The bits of numbers, where all NaN are one; all other numbers are equal only bit for bit."""
    return np.where(np.isnan(values), np.nan, values).tobytes()
