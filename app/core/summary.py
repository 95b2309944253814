"""From a batch to its state: one pass over the scored rows, a chunk at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.core.batches import Batch
from app.core.columns import FloatArray
from app.core.findings import Finding
from app.core.gather import Chunk, Mean
from app.core.rows import chunks
from app.core.state import Moments, State
from app.core.tables import empty_table


@dataclass(slots=True)
class Summary:
    """A state, and what was noticed on the way.

    Attributes:
        zero_probability: Rows of positive weight whose loss is infinite.
        clipped: Rows in which epsilon moved a probability.
        per_sample: (n,) loss of every row, NaN where it is not scored; empty where nobody asked.
    """

    state: State
    per_sample: FloatArray
    zero_probability: Finding = field(default_factory=Finding)
    clipped: Finding = field(default_factory=Finding)


def summarize(batch: Batch, means: Sequence[Mean], tables: Sequence[str], *, per_sample: bool = False) -> Summary:
    """Add up everything that `means` and `tables` ask for.

    Args:
        means: Among them the cross-entropy, from which the findings come.
        tables: Of `calibration`, `class_frequencies`, `per_class`.
        per_sample: Also keep the loss of every row.
    """
    summary = Summary(_nothing(batch, means, tables), np.full(len(batch) if per_sample else 0, np.nan))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for rows in chunks(batch):
            _add(summary, Chunk(batch, rows, means, tables))
    return summary


def _add(summary: Summary, chunk: Chunk) -> None:
    summary.state = _sum(summary.state, chunk)
    _note(summary, chunk)


def _nothing(batch: Batch, means: Sequence[Mean], tables: Sequence[str]) -> State:
    return State(
        fingerprint=batch.options.fingerprint(batch.task, batch.n_classes),
        n_classes=batch.n_classes,
        n_samples=len(batch),
        n_scored=batch.n_scored,
        moments={mean.name: Moments() for mean in means},
        groups={name: empty_table(name, batch) for name in tables},
        clustered=batch.clusters is not None,
    )


def _sum(state: State, chunk: Chunk) -> State:
    return replace(
        state,
        weight_sum=state.weight_sum + chunk.weight_sum,
        moments={name: sums + chunk.moments[name] for name, sums in state.moments.items()},
        groups={name: sums + chunk.tables[name] for name, sums in state.groups.items()},
    )


def _note(summary: Summary, chunk: Chunk) -> None:
    loss = chunk.columns["cross_entropy"]
    infinite = np.isinf(loss)
    if infinite.any():
        summary.zero_probability.add(chunk.numbers[infinite & chunk.weighs].tolist())
    if "clipped" in chunk.columns:
        summary.clipped.add(chunk.numbers[chunk.columns["clipped"]].tolist())
    if summary.per_sample.size:
        size = chunk.columns.get("size")
        summary.per_sample[chunk.numbers] = loss if size is None else loss / size
