"""A section: the core in memory beside the libraries that a user would pick instead, on one thread unless it says
two."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import log_loss

from benchmarks import predictions
from benchmarks.figures import Figure, compared, milliseconds
from benchmarks.scoring import ALL, LOSS, TWO_THREADS, works
from benchmarks.trial import Findings, Trial

PROBABILITIES = {
    (1_000_000, 10): {
        (LOSS, "np.sum"): "<= 3",
        (LOSS, "sklearn log_loss"): ">= 12",
        (ALL, "np.sum"): "<= 10",
        (ALL, "sklearn log_loss"): ">= 2",
        (TWO_THREADS, ALL): ">= 1.6",
    },
    (10_000, 1_000): {
        (LOSS, "sklearn log_loss"): "",
        (ALL, "sklearn log_loss"): ">= 4",
    },
}


def measure(trial: Trial) -> Findings:
    """Measure predictions as probabilities and as logits."""
    figures: list[Figure] = []
    for shape, targets in PROBABILITIES.items():
        n = shape[0] // (10 if trial.quick else 1)
        columns = predictions.columns(n, shape[1])
        figures += _of_probabilities(trial, columns, targets)
        figures += _of_logits(trial, columns)
    return Findings(figures)


def _of_probabilities(
    trial: Trial, columns: Mapping[str, Any], targets: Mapping[tuple[str, str], str]
) -> Iterator[Figure]:
    labels, probabilities = columns["labels"], columns["probabilities"]
    classes = np.arange(probabilities.shape[1])
    each = works(columns)
    each["np.sum"] = probabilities.sum
    each["sklearn log_loss"] = lambda: log_loss(labels, probabilities, labels=classes)
    yield from _compared(trial, f"{probabilities.shape} probabilities", each, targets)


def _of_logits(trial: Trial, columns: Mapping[str, Any]) -> Iterator[Figure]:
    labels, logits = columns["labels"], np.random.default_rng(1).normal(0, 3, columns["probabilities"].shape)
    rows = np.arange(len(labels))
    each = works({"labels": labels, "logits": logits})
    each["scipy logsumexp + gather"] = lambda: np.mean(logsumexp(logits, axis=1) - logits[rows, labels])
    targets = {(name, "scipy logsumexp + gather"): ">= 4" for name in (LOSS, ALL)}
    work = f"{logits.shape} logits"
    torch = _torch_cross_entropy(labels, logits)
    if torch:
        each["torch cross_entropy"] = torch
        targets |= {(name, "torch cross_entropy"): ">= 1.5" for name in (LOSS, ALL)}
    yield from _compared(trial, work, each, targets)
    if not torch:
        yield Figure(work, "torch cross_entropy", "ms", target=">= 1.5", missing="torch is not installed")


def _torch_cross_entropy(labels: Any, logits: Any) -> Callable[[], object] | None:
    try:
        torch = import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    return partial(torch.nn.functional.cross_entropy, torch.from_numpy(logits), torch.from_numpy(labels))


def _compared(
    trial: Trial, work: str, each: Mapping[str, Callable[[], object]], targets: Mapping[tuple[str, str], str]
) -> Iterator[Figure]:
    chosen = {pair: target for pair, target in targets.items() if trial.wants(f"{work}: {pair[0]}", pair[1])}
    asked = {name: milliseconds(each[name]) for name in dict.fromkeys(name for pair in chosen for name in pair)}
    times = trial.turns(asked, 15)
    for (ours, against), target in chosen.items():
        yield compared(f"{work}: {ours}", against, "ms", (times[ours], times[against]), target)
