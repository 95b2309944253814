"""Losses of several candidates on the same rows, as the sums that comparisons are made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
from app.core.columns import Ragged
from app.core.compare.comparison import Comparison, Terms, comparisons
from app.core.compare.pairing import paired, paired_needs
from app.core.options import Options
from app.core.sums.state import State
from app.core.sums.summary import summarize

OPTIONS = Options()


def paired_batch(losses: Mapping[str, Any], weight: Any = None, size: Any = None, clusters: Any = None) -> Batch:
    """The rows with the losses of all candidates, the baseline first; of weight and size 1 if nothing else is said."""
    columns = [np.asarray(values, float) for values in losses.values()]
    n = len(columns[0])
    codes = None if clusters is None else np.asarray(clusters, np.int64)
    groups = None if codes is None else Grouping(codes, [f"{name:09}" for name in range(codes.max(initial=-1) + 1)])
    batch = Batch(
        "tokens",
        OPTIONS,
        "log_probabilities",
        Ragged(np.zeros(n), np.arange(n + 1)),
        0,
        sample_weight=None if weight is None else np.asarray(weight, float),
        sizes={"n_tokens": np.ones(n, np.int64) if size is None else np.asarray(size, np.int64)},
        clusters=groups,
    )
    return paired(batch, np.array(columns))


def paired_state(losses: Mapping[str, Any], weight: Any = None, size: Any = None, clusters: Any = None) -> State:
    """The sums of such rows."""
    return summarize(paired_batch(losses, weight, size, clusters), paired_needs(len(losses) - 1, "loss")).state


def comparisons_of(
    losses: Mapping[str, Any],
    baseline: str,
    weight: Any = None,
    size: Any = None,
    clusters: Any = None,
    **terms: Any,
) -> list[Comparison]:
    """The comparisons of all candidates but the baseline with it."""
    others = tuple(name for name in losses if name != baseline)
    ordered = {name: losses[name] for name in (baseline, *others)}
    return comparisons(paired_state(ordered, weight, size, clusters), Terms(baseline, others, **terms))
