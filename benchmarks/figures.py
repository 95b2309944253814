"""What a run finds: figures beside their targets."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, median, quantiles
from typing import Any, Literal, NamedTuple, TypeAlias

Unit: TypeAlias = Literal["requests/s", "MB/s", "ms", "µs", "MiB", "instructions", ""]

RATES: tuple[Unit, ...] = ("requests/s", "MB/s")


class Turn(NamedTuple):
    """What a work gave once, and the microseconds of processor time that each of its requests took."""

    value: float
    cpu: float


Samples: TypeAlias = tuple[list[Turn], list[Turn]]


@dataclass(frozen=True)
class Figure:
    """One line of a table.

    Attributes:
        work: What was done.
        against: What it is compared with; empty where the figure stands alone.
        unit: Of `ours` and `theirs`.
        value: What the target is about: how many times as fast where the target is a least one or there is none,
            how many times as long where it is a most; `ours` where the figure stands alone.
        target: ">= 0.22", "<= 3", or empty.
        missing: Why there is no figure.
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
        """Whether the target is reached; None where there is no target or no value."""
        if not self.target or self.value is None:
            return None
        sign, bound = self.target.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)

    @property
    def value_by_cpu(self) -> float | None:
        """What `value` would be if processor time were all that counts; None where it was not measured."""
        if not self.ours_cpu or not self.theirs_cpu:
            return None
        longer = self.ours_cpu / self.theirs_cpu
        return longer if self.target.startswith("<=") else 1 / longer

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def figure_of(fields: Mapping[str, Any]) -> Figure:
    """The figure that `to_json` told."""
    return Figure(**{name: value for name, value in fields.items() if name != "met"})


def compared(work: str, against: str, unit: Unit, samples: Samples, target: str = "") -> Figure:
    """Medians of both, and the median of the ratios round by round: a machine that drifts does so for both."""
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
    """A work that gives the time it takes in this process."""

    def timed() -> Turn:
        start, cpu = time.perf_counter(), time.process_time()
        work()
        return Turn(1e3 * (time.perf_counter() - start), 1e6 * (time.process_time() - cpu))

    return timed
