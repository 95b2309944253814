"""The skipping of rows at fault: what is left of a block of rows is tried again without them."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.columns import IntArray
from app.errors import FieldError, InvalidInput

MAX_LISTED = 20
"""The most skipped rows that are told of."""
Made = TypeVar("Made")


class Fault(NamedTuple):
    """A skipped row: its number in the piece, and what is wrong with it."""

    row: int
    error: FieldError


class Skipping:
    """The rows of a piece that are skipped.

    Attributes:
        count: Their number.
        faults: The first of them.
        numbers: The numbers (n,) in the piece of the rows of the last part that was made.
    """

    def __init__(self) -> None:
        self.count = 0
        self.faults: list[Fault] = []
        self.numbers: IntArray = np.zeros(0, np.int64)

    def tried(self, numbers: IntArray, first_row: int, make: Callable[[IntArray | None], Made]) -> Made | None:
        """A part that is made of as many rows as are sound; None if there are none.

        Args:
            numbers: The numbers (n,) of the rows in the piece.
            first_row: The number that errors give the first of them.
            make: A function that makes the part of the rows at some places; of None it makes it of all.

        Raises:
            InvalidInput: There is an error that is not one of a row.
        """
        kept: IntArray = np.arange(len(numbers))
        while len(kept):
            try:
                made = make(None if len(kept) == len(numbers) else kept)
            except InvalidInput as refusal:
                wrong = self._noted(refusal, numbers[kept], first_row)
                kept = np.delete(kept, wrong)
            else:
                self.numbers = numbers[kept]
                return made
        return None

    def _noted(self, refusal: InvalidInput, numbers: IntArray, first_row: int) -> NDArray[np.int64]:
        """The places of the rows that a refusal names, which are counted."""
        wrong: dict[int, FieldError] = {}
        for error in refusal.errors:
            row = row_of(error.pointer)
            if row is not None and 0 <= row - first_row < len(numbers):
                wrong.setdefault(row - first_row, error)
        if not wrong:
            raise refusal
        self.count += len(wrong)
        found = [Fault(int(numbers[place]), error) for place, error in wrong.items()]
        self.faults = sorted([*self.faults, *found])[:MAX_LISTED]
        return np.array(list(wrong), np.int64)


def row_of(pointer: str) -> int | None:
    """The row that a pointer such as `/probabilities/3/1` names; None if it names none.

    >>> row_of("/labels/3"), row_of("/slices/site/4"), row_of("/labels")
    (3, 4, None)
    """
    parts = pointer.split("/")
    place = 3 if parts[1:2] == ["slices"] else 2
    return int(parts[place]) if len(parts) > place and parts[place].isdecimal() else None


def with_row(pointer: str, row: int) -> str:
    """A pointer that names a row, with another row in its place.

    >>> with_row("/probabilities/3/1", 70)
    '/probabilities/70/1'
    """
    parts = pointer.split("/")
    parts[3 if parts[1] == "slices" else 2] = str(row)
    return "/".join(parts)
