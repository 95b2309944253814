"""Warnings that a machine can read: what was noticed about a batch, without changing a number."""

from dataclasses import dataclass, field
from typing import Any

MAX_LISTED_ROWS = 10


@dataclass(slots=True)
class Finding:
    """How often something was noticed, and where first.

    Attributes:
        count: Rows concerned.
        rows: The first of them, in order of appearance, at most `MAX_LISTED_ROWS`.
        max_deviation: The largest distance from what was expected, where one is measured.
    """

    count: int = 0
    rows: list[int] = field(default_factory=list)
    max_deviation: float = 0.0

    def add(self, rows: list[int], deviation: float = 0.0) -> None:
        """Note further rows, which come after those noted before."""
        self.count += len(rows)
        self.rows += rows[: MAX_LISTED_ROWS - len(self.rows)]
        self.max_deviation = max(self.max_deviation, deviation)


def warning(code: str, detail: str, **evidence: Any) -> dict[str, Any]:
    """One entry of `warnings` in an answer."""
    return {"code": code, "detail": detail, **evidence}
