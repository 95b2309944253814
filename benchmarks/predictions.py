"""Predictions to score, and their loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def columns(n: int, k: int, seed: int = 0) -> dict[str, Any]:
    """The `labels` (n,) and `probabilities` (n, k) of a calibrated model, the same ones for a seed.

    Labels are drawn from the probabilities. For others the service would warn that predictions are worse than chance,
    and take time to look for an order of classes that repairs them.
    """
    rng = np.random.default_rng(seed)
    probabilities = rng.random((n, k))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (rng.random(n)[:, None] > probabilities[:, :-1].cumsum(axis=1)).sum(axis=1)
    return {"labels": labels, "probabilities": probabilities}


def less_sure(predictions: Mapping[str, Any]) -> dict[str, Any]:
    """Another model of the same rows, whose probabilities are nearer to each other: it does better than chance, too."""
    probabilities = predictions["probabilities"]
    return dict(predictions) | {"probabilities": (probabilities + 1.0 / probabilities.shape[1]) / 2.0}


def of_task(task: str, *shape: int) -> dict[str, Any]:
    """The columns of any task, as `columns` makes those of multiclass."""
    if task == "multiclass":
        return columns(*shape)
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.01, 0.99, shape)
    if task == "tokens":
        return {"log_probabilities": np.log(probabilities)}
    return {"labels": (rng.random(shape) < probabilities).astype(int), "probabilities": probabilities}


def log_loss(predictions: Mapping[str, Any]) -> float:
    """The log loss that every contestant must answer."""
    if "labels" not in predictions:
        return float(-predictions["log_probabilities"].mean())
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    if labels.shape == probabilities.shape:
        return float(-np.log(np.where(labels == 1, probabilities, 1 - probabilities)).mean())
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
