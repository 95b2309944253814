"""Predictions of simulated models, and what came true."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def classes(n_rows: int, n_classes: int = 3, seed: int = 0) -> tuple[NDArray[np.int64], Floats]:
    """Labels drawn from the probabilities that are predicted."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_classes), n_rows)
    labels = (rng.random(n_rows)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return np.minimum(labels, n_classes - 1), probabilities


def events(n_rows: int, seed: int = 0) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Labels of events, good probabilities, and worse ones."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.95, n_rows)
    return (rng.random(n_rows) < truth).astype(np.int64), truth, (truth + 0.5) / 2


def documents(n_documents: int, seed: int = 0) -> list[list[float]]:
    """Log-probabilities of tokens."""
    rng = np.random.default_rng(seed)
    return [(-rng.exponential(1.0, rng.integers(1, 9))).tolist() for _ in range(n_documents)]


def loss(labels: NDArray[Any], probabilities: Floats) -> float:
    """The cross-entropy by NumPy."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
