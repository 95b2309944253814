"""The registry: the one list of metrics, for the catalogue and for every answer."""

from collections.abc import Collection
from itertools import chain

from app.core.metrics import (
    calibration_errors,
    counts,
    decompositions,
    divergences,
    entropies,
    focal,
    ranking,
    scores,
    tokens,
)
from app.core.metrics.metric import Metric
from app.core.options import Options
from app.core.tasks import TaskName

METRICS: tuple[Metric, ...] = (
    *entropies.METRICS,
    *scores.METRICS,
    *calibration_errors.METRICS,
    *focal.METRICS,
    *divergences.METRICS,
    *tokens.METRICS,
    *decompositions.METRICS,
    *counts.METRICS,
    *ranking.METRICS,
)
"""The metrics in the order of answers."""


def metrics_for(
    task: TaskName, options: Options, columns: Collection[str], extra: Collection[str] = ()
) -> tuple[Metric, ...]:
    """The metrics of an answer: those of the task that are default or asked for.

    Args:
        columns: The names of the columns that were sent.
        extra: The names of metrics that are computed on request only.
    """
    own = [metric for metric in METRICS if task in metric.tasks]
    chosen = [
        metric for metric in own if (metric.name in extra if metric.on_request else metric.when(options, columns))
    ]
    return tuple(chain.from_iterable(metric.variants(options) if metric.variants else (metric,) for metric in chosen))


def on_request(task: TaskName) -> tuple[str, ...]:
    """The names of the metrics of a task that are computed only on request."""
    return tuple(metric.name for metric in METRICS if metric.on_request and task in metric.tasks)


def is_resampled(task: TaskName) -> bool:
    """Tell whether a metric of a task takes its interval from resampled rows."""
    return any(metric.resampled and task in metric.tasks for metric in METRICS)
