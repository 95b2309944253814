"""Findings about a batch, and the warnings made of them for machines to read. They change no number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from app.core.columns import IntArray

MAX_LISTED_ROWS = 10
"""The most row numbers that a warning lists: the first ones."""

Key = TypeVar("Key", str, float)


@dataclass(frozen=True, slots=True)
class Finding:
    """A count of rows in which something was noticed, with the first of them.

    Attributes:
        count: The number of rows.
        rows: The first of them, rising, at most `MAX_LISTED_ROWS`.
        max_deviation: The largest distance from what was expected, where one is measured.
    """

    count: int = 0
    rows: Sequence[int] = ()
    max_deviation: float = 0.0

    def with_rows(self, rows: IntArray, deviation: float = 0.0) -> "Finding":
        """The finding with rows (m,) added to it."""
        return self + Finding(len(rows), np.sort(rows)[:MAX_LISTED_ROWS].tolist(), deviation)

    def shifted(self, rows: int) -> "Finding":
        """The finding with its row numbers shifted by `rows`."""
        return replace(self, rows=[row + rows for row in self.rows]) if rows else self

    def __add__(self, other: "Finding") -> "Finding":
        rows = sorted([*self.rows, *other.rows])[:MAX_LISTED_ROWS]
        return Finding(self.count + other.count, rows, max(self.max_deviation, other.max_deviation))


NO_FINDING = Finding()


def added(ours: Mapping[Key, Finding], theirs: Mapping[Key, Finding]) -> dict[Key, Finding]:
    """The findings of two parts, added by key and sorted by it."""
    return {key: ours.get(key, NO_FINDING) + theirs.get(key, NO_FINDING) for key in sorted(ours.keys() | theirs.keys())}


def warning(code: str, detail: str, **evidence: Any) -> dict[str, Any]:
    """An entry of `warnings` in an answer."""
    return {"code": code, "detail": detail, **evidence}
