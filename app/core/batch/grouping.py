"""Groupings of rows: clusters of dependent rows, and slices of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.checkpoints import at_checkpoints
from app.core.columns import IntArray
from app.core.kernels import compiled
from app.core.paying import hold

ROW_BYTES, NAME_BYTES = 40, 140
"""The memory that a row takes while it is grouped, and that of its name, if few are alike."""

SLICE = 10_000
"""The strings that are taken in one step: a millisecond, for which the event loop waits."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The group of each row.

    Attributes:
        codes: (n,) position in `names` of the group of each row.
        names: The distinct values of the column, in order, as they stand for names in JSON.
    """

    codes: IntArray
    names: list[str]

    @property
    def counts(self) -> list[int]:
        """The number of rows of each group."""
        counts: list[int] = np.bincount(self.codes, minlength=len(self.names)).tolist()
        return counts

    def rows(self) -> Iterator[tuple[str, IntArray]]:
        """The rows of each group, rising, by name."""
        return zip(self.names, _places(self.codes, len(self.names)), strict=True)

    def places(self, rows: IntArray | slice) -> Iterator[tuple[int, IntArray]]:
        """The places that each group has among some rows, rising, by code; groups without any are left out."""
        found = _places(self.codes[rows], len(self.names))
        return ((code, places) for code, places in enumerate(found) if len(places))

    def take(self, rows: IntArray | slice) -> "Grouping":
        """The grouping of some of the rows; a group that loses all its rows keeps its name."""
        return Grouping(self.codes[rows], self.names)


def _places(codes: IntArray, n_groups: int) -> list[IntArray]:
    """The places of each code, rising."""
    places = np.empty(len(codes), np.int64)
    counts = compiled.group_places(np.ascontiguousarray(codes), n_groups, places)
    ends = list(accumulate(counts, initial=0))
    return [places[start:end] for start, end in pairwise(ends)]


def grouping_of(values: NDArray[Any]) -> Grouping:
    """Group the rows of (n,) integers, booleans or strings by value."""
    hold("objects", ROW_BYTES * len(values))
    found = kernels.distinct(values.astype(np.int64) if values.dtype.kind == "b" else values)
    if found is None:
        return _grouped(values)
    codes, first = found
    few = _grouped(values[first])
    return Grouping(few.codes[codes], few.names)


def _grouped(values: NDArray[Any]) -> Grouping:
    hold("objects", (ROW_BYTES + NAME_BYTES) * len(values))
    if values.dtype == object:  # not np.unique, which would give every string the room of the longest
        return _grouped_texts(values)
    names, codes = np.unique(values, return_inverse=True)
    shown = [str(name).lower() for name in names.tolist()]  # as JSON writes them: true, not True
    return Grouping(codes.astype(np.int64, copy=False), shown)


def _grouped_texts(values: NDArray[Any]) -> Grouping:
    """Group strings in steps that leave the interpreter to others: to sort a million as objects takes half a second.

    Equal strings may be long, so they are compared for each object, not for each row.
    """
    addresses = np.frombuffer(np.ascontiguousarray(values), np.int64)
    _, first, places = np.unique(addresses, return_index=True, return_inverse=True)
    pieces, lengths = [], [np.zeros(1, np.int64)]
    for start in at_checkpoints(range(0, len(first), SLICE)):
        encoded = [text.encode("utf-8", "surrogatepass") for text in values[first[start : start + SLICE]]]
        pieces.append(b"".join(encoded))
        lengths.append(np.array(list(map(len, encoded)), np.int64))
    text = np.frombuffer(b"".join(pieces), np.uint8)
    codes, least = kernels.text_order(text, np.cumsum(np.concatenate(lengths)))  # bytes of UTF-8 sort as strings do
    return Grouping(codes[places], [values[place] for place in first[least].tolist()])
