"""Predictions to score, and their loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def columns(n: int, k: int) -> dict[str, Any]:
    """`labels` (n,) and `probabilities` (n, k), the same ones every time."""
    rng = np.random.default_rng(0)
    probabilities = rng.random((n, k))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {"labels": rng.integers(0, k, n), "probabilities": probabilities}


def log_loss(predictions: Mapping[str, Any]) -> float:
    """What every contestant must answer."""
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
