"""Bins of equal width over [0, 1]: their edges, and the one that a number falls into."""

from functools import lru_cache

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled


def bin_edges(n_bins: int) -> FloatArray:
    """The n_bins + 1 edges k / n_bins of equal bins over [0, 1]."""
    return np.arange(n_bins + 1) / n_bins


@lru_cache(maxsize=16)
def lower_edges(n_bins: int) -> FloatArray:
    """The lower ends of equal bins over [0, 1], (n_bins,)."""
    edges = bin_edges(n_bins)[:-1]
    edges.flags.writeable = False
    return edges


def bin_index(confidence: FloatArray, n_bins: int, edge: str) -> IntArray:
    """The bin of each confidence (n,).

    Args:
        edge: `left` for bins [a, b), the last one closed; `right` for (a, b], the first one closed.
    """
    bins = np.empty(confidence.shape, np.int64)
    compiled.bins(np.ascontiguousarray(confidence), lower_edges(n_bins), edge == "left", bins)
    return bins
