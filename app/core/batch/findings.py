"""Warnings that a machine can read: what was noticed about a batch, without changing a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from app.core.columns import IntArray

MAX_LISTED_ROWS = 10

Key = TypeVar("Key", str, float)


@dataclass(slots=True)
class Finding:
    """How often something was noticed, and where first.

    Attributes:
        count: Rows concerned.
        rows: The first of them, rising, at most `MAX_LISTED_ROWS`.
        max_deviation: The largest distance from what was expected, where one is measured.
    """

    count: int = 0
    rows: list[int] = field(default_factory=list)
    max_deviation: float = 0.0

    def add(self, rows: IntArray, deviation: float = 0.0) -> None:
        """Note further rows (m,)."""
        self.count += len(rows)
        self.rows = sorted(self.rows + np.sort(rows)[:MAX_LISTED_ROWS].tolist())[:MAX_LISTED_ROWS]
        self.max_deviation = max(self.max_deviation, deviation)

    def further(self, rows: int) -> "Finding":
        """The same finding so many rows further down."""
        return replace(self, rows=[row + rows for row in self.rows]) if rows else self

    def __add__(self, other: "Finding") -> "Finding":
        rows = sorted(self.rows + other.rows)[:MAX_LISTED_ROWS]
        return Finding(self.count + other.count, rows, max(self.max_deviation, other.max_deviation))


def added(ours: Mapping[Key, Finding], theirs: Mapping[Key, Finding]) -> dict[Key, Finding]:
    """The findings of two parts by what was noticed, in order of that."""
    return {key: ours.get(key, Finding()) + theirs.get(key, Finding()) for key in sorted(ours.keys() | theirs.keys())}


def warning(code: str, detail: str, **evidence: Any) -> dict[str, Any]:
    """One entry of `warnings` in an answer."""
    return {"code": code, "detail": detail, **evidence}
