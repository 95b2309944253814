"""Plans: the metrics and sums that a question asks for, whatever its numbers are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import fsum
from typing import Any, TypeAlias

from app.core.kernels import compiled
from app.core.metrics.all_rows import AllRows
from app.core.metrics.metric import FORMULAS, Formula, Metric
from app.core.metrics.registry import metrics_for
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.tasks import TaskName
from app.core.values import Value, undefined

MAX_PLANS = 256
"""The number of plans that are kept; a service asks few different questions."""

OF_VIEW, OF_ROWS = len(FORMULAS), len(FORMULAS) + 1
"""The numbers of formulas of Python: functions of a view, and of all rows."""

_NAMES = ("calibration", "class_frequencies", "columns", "weight", "confidence", "frequency")
"""The names of tables, of their field and of its columns, by which the kernel finds sums by group."""

Step: TypeAlias = tuple[str, int, Any, float, Callable[[Value, StateView], Value]]
"""The name of a metric, the number of its formula, what that is of, the divisor of its unit, and its `explained`."""


def step_of(metric: Metric, nats_per_unit: float) -> Step:
    """The step that makes a metric's value in a unit of so many nats."""
    compute, divisor = metric.compute, metric.divisor(nats_per_unit)
    if compute is None:
        return metric.name, OF_ROWS, metric.measured, divisor, metric.explained
    if isinstance(compute, Formula):
        return metric.name, FORMULAS.index(compute.name), compute.mean, divisor, metric.explained
    return metric.name, OF_VIEW, compute, divisor, metric.explained


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
        sums = view.state.groups, _NAMES
        return compiled.values(self.steps, view.means, *sums, view, all_rows, Value, undefined, fsum)


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
