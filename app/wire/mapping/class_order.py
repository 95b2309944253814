"""The order of columns that a pattern chose: that of the classes, else of numbers, else of the file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InvalidInput, clip, pointer
from app.wire.mapping.naming import Choice, Classes, Named

NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)


@dataclass(slots=True)
class ClassOrder:
    """The class of each column of the fields that patterns chose; the first such field decides for the others.

    Attributes:
        classes: The class names of the query.
        found: What the star stood for in each column of the first field, in order; empty before.
    """

    classes: Classes
    found: tuple[str, ...] = ()

    def ordered(self, named: Named, choices: Sequence[Choice]) -> list[Choice]:
        """The columns of one pattern in the order of the classes.

        Raises:
            InvalidInput: Their names do not fit the classes, or those of the columns of another field.
        """
        by_rest = {choice.rest or "": choice for choice in choices}
        if isinstance(self.classes, tuple) and not _are_numbers(by_rest, self.classes):
            order: Sequence[str] = _fitting(named, by_rest, self.classes, "`classes`")
        elif by_rest.keys() == set(self.found):
            order = self.found
        elif all(map(NUMBER.fullmatch, by_rest)):
            order = sorted(by_rest, key=float)
        else:
            order = _fitting(named, by_rest, self.found, "the predicted classes") if self.found else list(by_rest)
        self.found = self.found or tuple(order)
        return [by_rest[rest] for rest in order]


def _are_numbers(rests: dict[str, Choice], classes: tuple[str, ...]) -> bool:
    """Tell if columns are numbered, and not by classes that are numbers themselves."""
    return rests.keys() != set(classes) and all(map(NUMBER.fullmatch, rests))


def _fitting(named: Named, rests: dict[str, Choice], classes: Sequence[str], whose: str) -> Sequence[str]:
    """The classes, each of which has a column.

    Raises:
        InvalidInput: A class has none, or a column none of the classes.
    """
    missing = next((name for name in classes if name not in rests), None)
    known = set(classes)
    other = next((choice.name for rest, choice in rests.items() if rest not in known), None)
    if missing is None and other is None:
        return classes
    found = f'none for "{clip(missing)}"' if missing is not None else f'"{clip(str(other))}", which is of none'
    hint = f"{named.parameter}=a,b and so on takes columns in the order in which they are named"
    code = "unknown_field" if missing is None else "missing"
    rule = f"must have a column for each of {whose} and no other, found {found}; {hint}"
    raise InvalidInput.at(pointer(named.parameter), code, rule)
