"""Parts of a JSON value from a stranger, each with its place: what they must be is checked where they are read."""

import math
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from app.core.columns import FloatArray
from app.errors import InvalidInput, InvalidState, describe, pointer

MAX_COUNT = 1 << 62


class Node(NamedTuple):
    """A value of JSON and its JSON pointer. Each method takes the value for what its name says.

    Attributes:
        code: The code of errors about it and its parts.

    Raises:
        InvalidState: It is something else, and is part of a state.
        InvalidInput: It is something else, and is part of anything else.
    """

    value: Any
    place: str
    code: str = InvalidState.code

    def refuse(self, must: str) -> NoReturn:
        """Refuse the value, for it must be something else."""
        error = InvalidState if self.code == InvalidState.code else InvalidInput
        raise error.at(self.place, self.code, f"must be {must}, found {describe(self.value)}")

    def at(self, name: str | int) -> "Node":
        """The part under a name or at a position."""
        return Node(self.value[name], self.place + pointer(name), self.code)

    def fields(self, needed: Collection[str], optional: Collection[str] = ()) -> dict[str, "Node"]:
        """The fields of an object that has those needed and no others but optional ones."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        if missing := [name for name in needed if name not in self.value]:
            self.refuse(f"an object with {missing[0]}")
        for name in self.value:
            if name not in needed and name not in optional:
                self.at(name).refuse("left out")
        return {name: self.at(name) for name in self.value}

    def entries(self) -> Iterator[tuple[str, "Node"]]:
        """The fields of an object of any names."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return ((name, self.at(name)) for name in self.value)

    def items(self, least: int = 0, most: int = MAX_COUNT) -> list["Node"]:
        """The items of a list of some length."""
        if not isinstance(self.value, list) or not least <= len(self.value) <= most:
            self.refuse(f"a list of {least} items" if least == most else "a list, not too long")
        return [self.at(number) for number in range(len(self.value))]

    def text(self, choices: Collection[str] | None = None) -> str:
        """The text, which is one of some choices."""
        if not isinstance(self.value, str) or (choices is not None and self.value not in choices):
            self.refuse("a string" if choices is None else f"one of {', '.join(choices)}")
        return self.value

    def choice(self, choices: Collection[str | int]) -> str | int:
        """The text or whole number, which is one of some choices."""
        if type(self.value) not in (str, int) or self.value not in choices:
            self.refuse("one of the classes")
        value: str | int = self.value
        return value

    def flag(self) -> bool:
        """The boolean."""
        if not isinstance(self.value, bool):
            self.refuse("a boolean")
        return self.value

    def count(self, most: int = MAX_COUNT) -> int:
        """The whole number from 0 to `most`."""
        if type(self.value) is not int or not 0 <= self.value <= most:
            self.refuse(f"a whole number from 0 to {most}")
        return self.value

    def numbers(self, least: float, most: float, max_items: int) -> FloatArray:
        """The numbers (m,) of a list of at least one, each between two bounds and none smaller than the one before."""
        if not isinstance(self.value, list) or not 1 <= len(self.value) <= max_items:
            self.refuse(f"a list of 1 to {max_items} numbers")
        if not set(map(type, self.value)) <= {int, float}:
            next(self.at(i) for i, item in enumerate(self.value) if type(item) not in (int, float)).refuse("a number")
        values = np.array(self.value, np.float64)
        wrong = np.flatnonzero((values < least) | (values > most) | (values < np.append(least, values[:-1])))
        if len(wrong):
            self.at(int(wrong[0])).refuse(f"a number from {least:g} to {most:g}, and no smaller than the one before")
        return values

    def number(self, least: float = -math.inf, most: float = math.inf) -> float:
        """The number between two bounds; null stands for infinity."""
        value = math.inf if self.value is None else self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.refuse(f"a number from {least:g} to {most:g}")
        return float(value)
