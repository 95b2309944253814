"""What the sections of the benchmark are given and give back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.figures import Figure


@dataclass(frozen=True)
class Trial:
    """How much to measure.

    Attributes:
        quick: Few rounds and small sizes, to see that everything works.
        peers: Which peers take part.
        directory: Where their environments are.
    """

    quick: bool
    peers: tuple[str, ...]
    directory: Path

    def rounds(self, n: int) -> int:
        return 2 if self.quick else n


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
