"""The figures that a run finds, beside their targets."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, median, quantiles
from typing import Any, Literal, NamedTuple, TypeAlias

Unit: TypeAlias = Literal["requests/s", "MB/s", "rows/s", "ms", "µs", "MiB", "instructions", ""]

RATES: tuple[Unit, ...] = ("requests/s", "MB/s", "rows/s")


class Turn(NamedTuple):
    """The result of one turn of a work, and the microseconds of processor time that each of its requests took."""

    value: float
    cpu: float


Samples: TypeAlias = tuple[list[Turn], list[Turn]]


@dataclass(frozen=True)
class Figure:
    """A line of a table.

    Attributes:
        work: The work that was measured.
        against: The rival in the comparison; empty where the figure stands alone.
        unit: The unit of `ours` and `theirs`.
        value: The number that is held to the target: how many times as fast we are if the target is a least value or
            there is none, how many times as long we take if it is a greatest value; `ours` where the figure stands
            alone.
        target: ">= 0.22", "<= 3", or empty.
        missing: The reason why there is no figure.
        ours_cpu, theirs_cpu: Microseconds of processor time a request, on the side of the server.
        spread: The quartiles of the ratios.
    """

    work: str
    against: str
    unit: Unit
    ours: float | None = None
    theirs: float | None = None
    value: float | None = None
    target: str = ""
    missing: str = ""
    ours_cpu: float | None = None
    theirs_cpu: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        """Tell if the target is reached; None where there is no target or no value."""
        if not self.target or self.value is None:
            return None
        sign, bound = self.target.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)

    @property
    def value_by_cpu(self) -> float | None:
        """The `value` of processor time in place of time on the clock; None where that was not measured."""
        if not self.ours_cpu or not self.theirs_cpu:
            return None
        longer = self.ours_cpu / self.theirs_cpu
        return longer if self.target.startswith("<=") else 1 / longer

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def figure_of(fields: Mapping[str, Any]) -> Figure:
    """The figure that `to_json` wrote."""
    return Figure(**{name: value for name, value in fields.items() if name != "met"})


def compared(work: str, against: str, unit: Unit, samples: Samples, target: str = "") -> Figure:
    """The figure with the medians of both, and the median of the ratios of each round: a machine drifts for both
    alike."""
    ours, theirs = ([turn.value for turn in turns] for turns in samples)
    is_inverse = target.startswith("<=") == (unit in RATES)
    ratios = [b / a if is_inverse else a / b for a, b in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    ours_cpu, theirs_cpu = (fmean(turn.cpu for turn in turns) or None for turns in samples)
    return Figure(
        work,
        against,
        unit,
        median(ours),
        median(theirs),
        median(ratios),
        target,
        ours_cpu=ours_cpu,
        theirs_cpu=theirs_cpu,
        spread=(low, high),
    )


def alone(work: str, unit: Unit, value: float, target: str = "") -> Figure:
    return Figure(work, "", unit, value, None, value, target)


def milliseconds(work: Callable[[], object]) -> Callable[[], Turn]:
    """A work that returns the time it takes in this process."""

    def timed() -> Turn:
        start, cpu = time.perf_counter(), time.process_time()
        work()
        return Turn(1e3 * (time.perf_counter() - start), 1e6 * (time.process_time() - cpu))

    return timed
