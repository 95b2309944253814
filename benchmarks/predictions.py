"""Predictions to score, and their loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def columns(n: int, k: int) -> dict[str, Any]:
    """`labels` (n,) and `probabilities` (n, k) of a calibrated model, the same ones every time.

    Labels are drawn from the probabilities: of others the service would say that the predictions do worse than chance,
    and look for the order of classes that repairs them.
    """
    rng = np.random.default_rng(0)
    probabilities = rng.random((n, k))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (rng.random(n)[:, None] > probabilities[:, :-1].cumsum(axis=1)).sum(axis=1)
    return {"labels": labels, "probabilities": probabilities}


def log_loss(predictions: Mapping[str, Any]) -> float:
    """What every contestant must answer."""
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
