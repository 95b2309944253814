"""What a run finds: figures beside their targets, and works that take turns."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal, TypeAlias

Unit: TypeAlias = Literal["requests/s", "MB/s", "ms", "µs", "MiB", "instructions", ""]
Samples: TypeAlias = tuple[list[float], list[float]]

RATES: tuple[Unit, ...] = ("requests/s", "MB/s")


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
    """

    work: str
    against: str
    unit: Unit
    ours: float | None = None
    theirs: float | None = None
    value: float | None = None
    target: str = ""
    missing: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is no target or no value."""
        if not self.target or self.value is None:
            return None
        sign, bound = self.target.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def figure_of(fields: Mapping[str, Any]) -> Figure:
    """The figure that `to_json` told."""
    return Figure(**{name: value for name, value in fields.items() if name != "met"})


def compared(work: str, against: str, unit: Unit, samples: Samples, target: str = "") -> Figure:
    """Medians of both, and the median of the ratios round by round: a machine that drifts does so for both."""
    ours, theirs = samples
    most = target.startswith("<=")
    ratios = [a / b if unit in RATES or most else b / a for a, b in zip(ours, theirs, strict=True)]
    return Figure(work, against, unit, median(ours), median(theirs), median(ratios), target)


def alone(work: str, unit: Unit, value: float, target: str = "") -> Figure:
    return Figure(work, "", unit, value, None, value, target)


def turns(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each work gives, in rounds of all of them."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return found


def milliseconds(work: Callable[[], object]) -> Callable[[], float]:
    """A work that gives the time it takes."""

    def timed() -> float:
        start = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - start)

    return timed
