"""What a metric is: what it needs from a state, and how its value follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.core.batches import Batch
from app.core.gather import Mean
from app.core.losses import NATS_PER_UNIT
from app.core.state import State
from app.core.tasks import TaskName
from app.core.values import Value, undefined

MetricUnit: TypeAlias = Literal["information", "square root of information", "bits", "1"]
Direction: TypeAlias = Literal["lower is better", "higher is better", "nearer to 0 is better", "descriptive"]

Compute: TypeAlias = Callable[[State, float], Value]

_INFORMATION_POWER: dict[MetricUnit, float] = {"information": 1.0, "square root of information": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its contract for the catalogue, its needs, and its formula on a state.

    Attributes:
        library: The call of a known library that gives the same number for options left alone, where there is one.
        means: What must be averaged over rows.
        tables: Sums by group it needs: `calibration`, `class_frequencies`.
        compute: From a state in which something is scored, and a confidence level; in nats.
        when: Whether a batch asks for it; default metrics always.
        mergeable: Whether states of parts add up to it.
    """

    name: str
    tasks: tuple[TaskName, ...]
    unit: MetricUnit
    direction: Direction
    formula: str
    reference: str
    compute: Compute
    library: str | None = None
    means: tuple[Mean, ...] = ()
    tables: tuple[str, ...] = ()
    when: Callable[[Batch], bool] = lambda _: True
    mergeable: bool = True

    def value(self, state: State, unit: str, confidence_level: float) -> Value:
        """The metric of a state, in the unit asked for where it has one."""
        if not state.n_scored:
            return undefined("no row is scored")
        if not state.weight_sum:
            return undefined("all weights are zero")
        power = _INFORMATION_POWER.get(self.unit, 0.0)
        return self.compute(state, confidence_level).scaled(NATS_PER_UNIT[unit] ** power)
