"""Plans: the metrics and sums that a question asks for, whatever its numbers are."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TypeAlias

from app.core.metrics.all_rows import AllRows
from app.core.metrics.metric import Compute, Metric
from app.core.metrics.registry import metrics_for
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.tasks import TaskName
from app.core.values import Value

MAX_PLANS = 256
"""The number of plans that are kept; a service asks few different questions."""

Step: TypeAlias = tuple[Metric, str, str | None, Compute | None, float]
"""A metric with its name, that of the mean that it is, if it is one, its formula, and the divisor of its unit."""


def step_of(metric: Metric, nats_per_unit: float) -> Step:
    """The step that makes a metric's value in a unit of so many nats."""
    return metric, metric.name, metric.mean, metric.compute, metric.divisor(nats_per_unit)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The metrics of an answer, and the sums that they need.

    Attributes:
        steps: What the values of the metrics are made of.
        needs: The sums that the metrics and sections are made of.
        needs_rows: Whether a metric needs all rows at once.
    """

    task: TaskName
    options: Options
    metrics: tuple[Metric, ...]
    steps: tuple[Step, ...]
    needs: Needs
    needs_rows: bool

    def values(self, view: StateView, all_rows: AllRows | None = None) -> dict[str, Value]:
        """The metrics of a state, in the unit of the options; some need `all_rows`."""
        if view.nothing is not None:
            return {metric.name: view.nothing for metric in self.metrics}
        means, values = view.means, {}
        for metric, name, mean, compute, divisor in self.steps:
            value = means[mean] if mean else compute(view) if compute else metric.measured(all_rows)
            number = value.value
            if number is None:
                value = metric.explained(value, view)
            elif divisor != 1.0 or not isfinite(number):
                value = value.scaled(divisor)
            values[name] = value
        return values


@lru_cache(maxsize=MAX_PLANS)
def plan_of(
    task: TaskName,
    options: Options,
    columns: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    tables: frozenset[str] = frozenset(),
) -> Plan:
    """The plan of a question.

    Args:
        columns: Names of the columns that were sent.
        extra: Names of metrics that are computed only on request.
        tables: Sums by group that sections of the answer need.
    """
    metrics = metrics_for(task, options, columns, extra)
    means = {mean.name: mean for metric in metrics for mean in metric.means}
    needed = tables.union(*(metric.tables for metric in metrics))
    steps = tuple(step_of(metric, options.nats_per_unit) for metric in metrics)
    needs_rows = any(metric.measure for metric in metrics)
    return Plan(task, options, metrics, steps, Needs(tuple(means.values()), tuple(sorted(needed))), needs_rows)
