"""The sections that `include` adds to an answer, and the sums that each needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
from app.core.calibration.bins import reliability
from app.core.checkpoints import at_checkpoints
from app.core.columns import FloatArray, IntArray
from app.core.options import Options
from app.core.paying import hold
from app.core.records import record
from app.core.rows.blocks import rows_of
from app.core.rows.tokens import TokenRows
from app.core.sums.clusters import Clusters, added, clustered, clusters_of
from app.core.sums.layout import Needs
from app.core.sums.summary import Summary
from app.core.sums.tables import class_scores
from app.core.tasks import TaskName
from app.errors import InvalidInput

Include: TypeAlias = Literal[
    "per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient", "state"
]

INCLUDES: dict[TaskName, tuple[Include, ...]] = {
    "binary": ("per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient", "state"),
    "multiclass": ("per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient", "state"),
    "multilabel": ("per_sample", "per_class", "confusion", "slices", "worst", "gradient", "state"),
    "distributions": ("per_sample", "slices", "worst", "gradient", "state"),
    "tokens": ("per_sample", "slices", "worst", "gradient", "state"),
}
"""The sections each task can add to an answer."""

TABLES: dict[Include, str] = {"per_class": "per_class", "confusion": "confusion"}
"""The sections that need a table of sums, and the name of that table."""

MAX_LISTED_CLASSES = 10_000
"""The most classes for which `include` may ask `per_class`."""
MAX_CONFUSED_CLASSES = 1_000
"""The most classes for which `include` may ask `confusion`, which has a number for each pair."""
SUM_BYTES = 600
"""The memory of the sums of one mean within a cluster, and of their text."""
MAX_STATE_CLUSTERS = 10_000
"""The most clusters of a state, those of slices included: half a kilobyte each."""
_PIECE = 2**16
"""Integers that become an array at once, in some 3 ms."""
MAX_SLICED_BINS = 100_000
"""The most slices times bins of a request, since each slice keeps its own bins."""


@dataclass(frozen=True, slots=True)
class Worst:
    """A row among those of largest loss; `loss` is in nats, `facts` are its label and the probability of that."""

    loss: float
    index: int
    facts: dict[str, Any]


SlicePlace: TypeAlias = tuple[str, str] | None
"""The name and value of a slice; None stands for all rows."""


@record
class Part:
    """A part of a body, summed up; parts are added in any order.

    Attributes:
        form: The field of the prediction.
        worst: The rows of largest loss, largest first, at most as many as asked for.
        losses: An array (n,) for each part with the loss of every row in nats, NaN where it is not scored; empty where
            nobody asked.
        clusters: The sums within clusters of all rows, and of those of each slice by its name and value; empty where
            rows are independent or nobody asked for the state.
    """

    form: str
    summary: Summary
    worst: list[Worst] = field(default_factory=list)
    losses: list[FloatArray] = field(default_factory=list)
    clusters: Mapping[SlicePlace, Clusters] = field(default_factory=dict)

    def shifted(self, rows: int) -> "Part":
        """The part as one of a longer body, with its row numbers shifted by `rows`."""
        worst = [replace(row, index=row.index + rows) for row in self.worst]
        return replace(self, summary=self.summary.shifted(rows), worst=worst)

    def __add__(self, other: "Part") -> "Part":
        worst = sorted(self.worst + other.worst, key=lambda row: (-row.loss, row.index))
        n_worst = self.summary.options.n_worst
        clusters = added_clusters(self.clusters, other.clusters)
        return Part(self.form, self.summary + other.summary, worst[:n_worst], self.losses + other.losses, clusters)

    def by_row(self) -> "Part":
        """The part with states that add: the sums of products within clusters come once it is whole."""
        slices = {
            name: {value: replace(state, clustered=False) for value, state in values.items()}
            for name, values in self.summary.slices.items()
        }
        state = replace(self.summary.state, clustered=False)
        return replace(self, summary=replace(self.summary, state=state, slices=slices))

    def by_cluster(self) -> "Part":
        """The part once it is whole: if it has clusters, its states take them for independent, and add no more."""
        return replace(self, summary=with_clusters(self.summary, self.clusters)) if self.clusters else self


def clusters_by_slice(batch: Batch, needs: Needs) -> dict[SlicePlace, Clusters]:
    """The sums within the clusters of a batch, and within those of each of its slices.

    Raises:
        InvalidInput: They are more than a state holds.
    """
    if batch.clusters is None:
        return {}
    n_clusters = _n_clusters(batch, batch.clusters)
    _check_n_clusters(n_clusters)  # before they are made, for each takes kilobytes
    hold("held", SUM_BYTES * n_clusters * (len(needs.means) + needs.n_pairs))
    found: dict[SlicePlace, Clusters] = {None: clusters_of(batch, needs, batch.clusters)}
    for name, grouping in batch.slices.items():
        for value, rows in at_checkpoints(grouping.rows()):
            part = batch.take(rows)
            found[name, value] = clusters_of(part, needs, part.clusters or batch.clusters)
    return found


def _n_clusters(batch: Batch, clusters: Grouping) -> int:
    """The clusters of scored rows, of all and of each slice."""
    rows = slice(None) if batch.scored_rows is None else batch.scored_rows
    codes = clusters.codes[rows]
    pairs = [grouping.codes[rows] * len(clusters.names) + codes for grouping in batch.slices.values()]
    return sum(len(np.unique(group)) for group in (codes, *pairs))


def check_clusters(clusters: Mapping[SlicePlace, Clusters]) -> None:
    """Refuse more clusters, those of slices included, than a state holds."""
    _check_n_clusters(sum(map(len, clusters.values())))


def _check_n_clusters(n_clusters: int) -> None:
    if n_clusters > MAX_STATE_CLUSTERS:
        rule = f"must hold at most {MAX_STATE_CLUSTERS} clusters over all slices for a state, found {n_clusters}"
        raise InvalidInput.at("/cluster_id", "out_of_range", rule)


def added_clusters(
    ours: Mapping[SlicePlace, Clusters], theirs: Mapping[SlicePlace, Clusters]
) -> dict[SlicePlace, Clusters]:
    """The clusters of two parts, slice by slice."""
    return {place: added(ours.get(place, {}), theirs.get(place, {})) for place in {**ours, **theirs}}


def with_clusters(summary: Summary, clusters: Mapping[SlicePlace, Clusters]) -> Summary:
    """The summary of rows whose states take clusters for independent."""
    slices = {
        name: {value: clustered(state, clusters.get((name, value), {})) for value, state in values.items()}
        for name, values in summary.slices.items()
    }
    return replace(summary, state=clustered(summary.state, clusters[None]), slices=slices)


def check_sections(batch: Batch, include: frozenset[Include]) -> None:
    """Refuse sections that would be too large, or whose columns were not sent."""
    n_slices = sum(len(grouping.names) for grouping in batch.slices.values())
    check_sizes(include, batch.options, batch.n_classes, n_slices)
    if "slices" in include and not batch.slices:
        raise InvalidInput.at("/slices", "missing", "must name at least one slice when `include` asks for slices")


def check_sizes(include: frozenset[Include], options: Options, n_classes: int, n_slices: int) -> None:
    """Refuse sections that would be too large for so many classes and slices."""
    for section, most in (("per_class", MAX_LISTED_CLASSES), ("confusion", MAX_CONFUSED_CLASSES)):
        if section in include and n_classes > most:
            rule = f"must have at most {most} classes for {section}, found {n_classes}"
            raise InvalidInput.at("/include", "out_of_range", rule)
    if n_slices * options.n_bins > MAX_SLICED_BINS:
        asked = f"{n_slices} slices of {options.n_bins}"
        rule = f"must ask for at most {MAX_SLICED_BINS} bins over all slices, found {asked}"
        raise InvalidInput.at("/slices", "out_of_range", rule)


def worst_rows(batch: Batch, losses: FloatArray) -> list[Worst]:
    """The rows of largest loss (n,) that weigh something, the first of equals first; NaN is no loss."""
    counted = ~np.isnan(losses) if batch.sample_weight is None else ~np.isnan(losses) & (batch.sample_weight > 0.0)
    order = np.flatnonzero(counted)
    order = order[np.argsort(-losses[order], kind="stable")][: batch.options.n_worst]
    return [
        Worst(loss, batch.first_row + index, facts)
        for loss, index, facts in zip(losses[order].tolist(), order.tolist(), _facts(batch, order), strict=True)
    ]


def _facts(batch: Batch, order: IntArray) -> list[dict[str, Any]]:
    """The labels of some rows and their probabilities, for tasks that have them."""
    rows = rows_of(batch, order) if len(order) else None
    if rows is None or isinstance(rows, TokenRows) or batch.task == "distributions":
        return [{}] * len(order)
    labels = rows.label_columns.tolist()
    if batch.options.classes:
        labels = [batch.options.classes[label] for label in labels]
    with np.errstate(divide="ignore"):
        probabilities = rows.label_probabilities.tolist()
    if batch.scored is not None and batch.scored.ndim == 2:
        shown = batch.scored[order].tolist()
        labels, probabilities = _masked(labels, shown), _masked(probabilities, shown)
    return [{"label": label, "probability": p} for label, p in zip(labels, probabilities, strict=True)]


def _masked(rows: list[Any], shown: list[list[bool]]) -> list[Any]:
    """The rows with None in place of values that are not scored."""
    return [
        [value if is_shown else None for value, is_shown in zip(*row, strict=True)]
        for row in zip(rows, shown, strict=True)
    ]


def _per_sample(part: Part) -> dict[str, Any]:
    with np.errstate(over="ignore"):  # the largest losses are infinite in units smaller than nats
        losses = np.concatenate(part.losses) / part.summary.options.nats_per_unit
    return {"cross_entropy": np.where(np.isinf(losses), np.nan, losses)}


def _per_class(part: Part) -> list[dict[str, Any]]:
    return class_scores(part.summary.state.groups["per_class"], part.summary.options)


def _calibration(part: Part) -> dict[str, Any]:
    summary = part.summary
    bins = reliability(summary.state.groups["calibration"], summary.options.confidence_level)
    if summary.state.clustered:  # a Wilson interval takes rows as independent
        bins = [{name: value for name, value in entry.items() if name != "confidence_interval"} for entry in bins]
    return {"bins": bins}


def _confusion(part: Part) -> Any:
    state = part.summary.state
    shape = (-1, 2, 2) if part.summary.task == "multilabel" else (state.n_classes, state.n_classes)
    counts = state.groups["confusion"]["n"]
    # An array made of a million integers at once would keep the interpreter for some 100 ms.
    pieces = [np.array(counts[start : start + _PIECE]) for start in range(0, len(counts), _PIECE)]
    return np.concatenate(pieces).reshape(shape)


def _worst(part: Part) -> list[dict[str, Any]]:
    scale = part.summary.options.nats_per_unit
    return [
        {"index": row.index, **row.facts, "cross_entropy": row.loss / scale if np.isfinite(row.loss) else None}
        for row in part.worst
    ]


SECTIONS: dict[Include, Callable[[Part], Any]] = {
    "per_sample": _per_sample,
    "per_class": _per_class,
    "calibration": _calibration,
    "confusion": _confusion,
    "worst": _worst,
}
"""The sections that follow from the sum of all parts."""
