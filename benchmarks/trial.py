"""The input and the output of the sections of the benchmark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.figures import Figure, Turn, milliseconds

YARDSTICK_STEPS = 300_000  # takes some milliseconds


@dataclass(frozen=True)
class Trial:
    """The extent of a measurement.

    Attributes:
        quick: Few rounds and small sizes, to see that everything works.
        peers: The peers that take part.
        directory: The folder of their environments.
        words: The words of which a row must have one in "WORK: COMPARED WITH"; without any, all rows are measured.
        yardstick: The turns of a fixed piece of work between the rounds of others: the noise of the machine.
    """

    quick: bool
    peers: tuple[str, ...]
    directory: Path
    words: tuple[str, ...] = ()
    yardstick: list[Turn] = field(default_factory=list)

    def wants(self, work: str, *against: str) -> bool:
        """Tell if a row is asked for, or if any of a work is, compared with some of these."""
        rows = [f"{work}: {name}" for name in against] or [work]
        return not self.words or any(word in row for word in self.words for row in rows)

    def turns(self, works: Mapping[str, Callable[[], Turn]], rounds: int) -> dict[str, list[Turn]]:
        """The results of each work, measured in rounds of all works."""
        found: dict[str, list[Turn]] = {name: [] for name in works}
        for _ in range(2 if self.quick else rounds):
            self.yardstick.append(milliseconds(lambda: sum(range(YARDSTICK_STEPS)))())
            for name, work in works.items():
                found[name].append(work())
        return found

    def noise(self) -> dict[str, list[float]]:
        """The 5th and 95th percentiles of the yardstick, as parts of its median, by the clock and by processor time."""
        if not self.yardstick:
            return {}
        times = np.array(self.yardstick)
        low, middle, high = np.percentile(times, [5, 50, 95], axis=0)
        return {
            "clock": [low[0] / middle[0], high[0] / middle[0]],
            "processor": [low[1] / middle[1], high[1] / middle[1]],
        }


@dataclass(frozen=True)
class Findings:
    """The figures of a section, and the points of its curve if it has one."""

    figures: list[Figure]
    points: list[dict[str, float]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"figures": [figure.to_json() for figure in self.figures]} | (
            {"points": self.points} if self.points else {}
        )


Section: TypeAlias = Callable[[Trial], Findings]
