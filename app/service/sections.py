"""The sections that `include` adds to an answer."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batches import Batch
from app.core.calibration import reliability
from app.core.gradients import gradient
from app.core.losses import NATS_PER_UNIT
from app.core.rows import rows_of
from app.core.rows.tokens import TokenRows
from app.core.summary import Summary
from app.core.tables import class_scores
from app.core.tasks import TaskName
from app.errors import InvalidInput

Include: TypeAlias = Literal["per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient"]

INCLUDES: dict[TaskName, tuple[Include, ...]] = {
    "binary": ("per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient"),
    "multiclass": ("per_sample", "per_class", "calibration", "confusion", "slices", "worst", "gradient"),
    "multilabel": ("per_sample", "per_class", "confusion", "slices", "worst", "gradient"),
    "distributions": ("per_sample", "slices", "worst", "gradient"),
    "tokens": ("per_sample", "slices", "worst", "gradient"),
}
"""The sections each task can add to an answer."""

TABLES: dict[Include, str] = {"per_class": "per_class", "confusion": "confusion"}
"""Sections that need sums of their own."""

MAX_LISTED_CLASSES = 10_000
MAX_CONFUSED_CLASSES = 1_000


def check_sections(batch: Batch, include: frozenset[Include]) -> None:
    """Refuse sections that would grow without a bound, or that nothing was sent for."""
    for section, most in (("per_class", MAX_LISTED_CLASSES), ("confusion", MAX_CONFUSED_CLASSES)):
        if section in include and batch.n_classes > most:
            rule = f"must have at most {most} classes for {section}, found {batch.n_classes}"
            raise InvalidInput.at("/include", "out_of_range", rule)
    if "slices" in include and not batch.slices:
        raise InvalidInput.at("/slices", "missing", "must name at least one slice when `include` asks for slices")


def _per_sample(batch: Batch, summary: Summary) -> dict[str, Any]:
    losses = np.where(np.isinf(summary.per_sample), np.nan, summary.per_sample)
    return {"cross_entropy": losses / NATS_PER_UNIT[batch.options.unit]}


def _per_class(batch: Batch, summary: Summary) -> list[dict[str, Any]]:
    return class_scores(summary.state.groups["per_class"], batch.options)


def _calibration(batch: Batch, summary: Summary) -> dict[str, Any]:
    return {"bins": reliability(summary.state.groups["calibration"], batch.options.confidence_level)}


def _confusion(batch: Batch, summary: Summary) -> Any:
    shape = (-1, 2, 2) if batch.task == "multilabel" else (batch.n_classes, batch.n_classes)
    return np.array(summary.state.groups["confusion"]["n"]).reshape(shape)


def _gradient(batch: Batch, summary: Summary) -> dict[str, Any]:
    return {batch.form: gradient(batch, summary.state)}


def _worst(batch: Batch, summary: Summary) -> list[dict[str, Any]]:
    """The rows of largest loss, the first of equals first; an infinite loss is null."""
    losses = np.where(np.isnan(summary.per_sample), -np.inf, summary.per_sample)
    order = np.argsort(-losses, kind="stable")[: min(batch.options.n_worst, batch.n_scored)]
    shown = losses[order] / NATS_PER_UNIT[batch.options.unit]
    return [
        {"index": index, **facts, "cross_entropy": loss if np.isfinite(loss) else None}
        for index, facts, loss in zip(order.tolist(), _facts(batch, order), shown.tolist(), strict=True)
    ]


def _facts(batch: Batch, order: Any) -> list[dict[str, Any]]:
    """What was observed in some rows, and how probable it was said to be."""
    rows = rows_of(batch, order) if len(order) else None
    if rows is None or isinstance(rows, TokenRows) or batch.task == "distributions":
        return [{}] * len(order)
    labels = rows.label_columns.tolist()
    if batch.options.classes:
        labels = [batch.options.classes[label] for label in labels]
    with np.errstate(divide="ignore"):
        probabilities = rows.label_probabilities.tolist()
    return [{"label": label, "probability": p} for label, p in zip(labels, probabilities, strict=True)]


SECTIONS: dict[Include, Callable[[Batch, Summary], Any]] = {
    "per_sample": _per_sample,
    "per_class": _per_class,
    "calibration": _calibration,
    "confusion": _confusion,
    "worst": _worst,
    "gradient": _gradient,
}
