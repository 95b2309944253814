"""Plans: the metrics and sums that a question asks for, whatever its numbers are."""

import math
from dataclasses import dataclass
from functools import lru_cache

from app.core.metrics.all_rows import AllRows
from app.core.metrics.metric import Average, Metric
from app.core.metrics.registry import metrics_for
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.tasks import TaskName
from app.core.values import Value

MAX_PLANS = 256
"""The number of plans that are kept; a service asks few different questions."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The metrics of an answer, and the sums that they need.

    Attributes:
        divisors: The number, by metric, that its value in nats is divided by.
        needs: The sums that the metrics and sections are made of.
        needs_rows: Whether a metric needs all rows at once.
    """

    task: TaskName
    options: Options
    metrics: tuple[Metric, ...]
    divisors: tuple[float, ...]
    needs: Needs
    needs_rows: bool

    def values(self, view: StateView, all_rows: AllRows | None = None) -> dict[str, Value]:
        """The metrics of a state, in the unit of the options; some need `all_rows`."""
        is_plain = view.nothing is None and not view.without_number
        values = {}
        for metric, divisor in zip(self.metrics, self.divisors, strict=True):
            compute = metric.compute
            if compute is None or not is_plain:
                value = metric.value(view, all_rows)
            elif type(compute) is Average:
                value = view.means[compute.name]
            else:
                value = compute(view)
            if divisor != 1.0:
                value = value.scaled(divisor)
            number, interval = value.value, value.confidence_interval or (0.0, 0.0)
            if number is not None and not math.isfinite(number + (interval[1] - interval[0])):
                value = value.finite()
            values[metric.name] = value
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
    divisors = tuple(metric.divisor(options.nats_per_unit) for metric in metrics)
    needs_rows = any(metric.measure for metric in metrics)
    return Plan(task, options, metrics, divisors, Needs(tuple(means.values()), tuple(sorted(needed))), needs_rows)
