"""The rules of columns in every format: what each may hold, and how its rows become one array."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.columns import Column, IntArray, Ragged
from app.core.tasks import COLUMN_NAMES, COLUMNS, TASKS, Shape, TaskName, ValueKind, shape_of

LARGEST_INT = int(np.iinfo(np.int64).max)
LARGEST_WHOLE = 2.0**53
"""The largest double below which every integer is one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values, in the words and types of requests.

    Attributes:
        word: The name of a value, in errors.
        types: The Python types that its values have when they come out of JSON.
        dtype: The type of an array of them.
        texts: Strings that stand for values which JSON cannot write otherwise.
    """

    word: str
    types: frozenset[type]
    dtype: np.dtype[Any]
    texts: frozenset[str] = frozenset()

    @property
    def wanted(self) -> str:
        """The word, and the texts that may stand for it."""
        return " or ".join((self.word, *(f'"{text}"' for text in self.texts)))

    def holds(self, value: object) -> bool:
        """Tell if a value of JSON is of this kind."""
        return type(value) in self.types or (type(value) is str and value in self.texts)


# JSON lacks NaN, so null stands for it: rows that are not scored may hold it, in others the batch refuses it.
NUMBER = Kind("a number", frozenset({int, float, type(None)}), np.dtype(np.float64))
SCORE = Kind(NUMBER.word, NUMBER.types, NUMBER.dtype, frozenset({"-Infinity"}))
"""A number that may also be minus infinity, which means probability 0."""
INTEGER = Kind("an integer", frozenset({int}), np.dtype(np.int64))
BOOLEAN = Kind("a boolean", frozenset({bool}), np.dtype(np.bool_))
STRING = Kind("a string", frozenset({str}), np.dtype(np.object_))

_KINDS: dict[ValueKind, Kind] = {
    "number": NUMBER,
    "score": SCORE,
    "integer": INTEGER,
    "boolean": BOOLEAN,
    "string": STRING,
}
NAMES = tuple(f"/{name}" for name, spec in COLUMNS.items() if spec.role == "group")
"""The beginnings of pointers of columns whose values only tell rows apart: strings do there as well as numbers."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about a column of a task.

    Attributes:
        kinds: The kinds of which its values are, all of one.
        nested: Whether each row is a list; None where either will do, the same in all rows.
        takes_whole: Whether integers may be written `1.0`, as frames do where a value is missing.
    """

    kinds: tuple[Kind, ...]
    nested: bool | None
    takes_whole: bool = False


def _rule(task: TaskName, name: str) -> Rule:
    return Rule(tuple(_KINDS[kind] for kind in COLUMNS[name].kinds), _NESTED[shape_of(task, name)])


_NESTED: dict[Shape, bool | None] = {
    "(n,)": False,
    "(n, k)": True,
    "(n, l)": True,
    "(n,) or (n, l)": None,
    "one list a document": True,
}
RULES = {task: {name: _rule(task, name) for name in COLUMN_NAMES} for task in TASKS}
"""The rule of each field, by task."""
ROW_RULES = {
    task: {name: replace(rule, takes_whole=INTEGER in rule.kinds) for name, rule in rules.items()}
    for task, rules in RULES.items()
}
"""The same among rows, whose formats have types of their own."""
SLICE_RULE = _rule("binary", "slices")
"""The rule of a slice, which is the same in every task."""
ROW_SLICE_RULE = Rule((INTEGER, NUMBER, STRING, BOOLEAN), nested=False)
"""The rule of a slice among rows, where numbers are names too, by their text."""
WIDE = tuple(
    name
    for name, spec in COLUMNS.items()
    if {shape_of(task, name) for task in spec.tasks} - {"(n,)", "one list a document"}
)
"""Columns with a value a class or label in some task: several columns of a table can make one."""


def rows_of(values: NDArray[Any], lengths: list[int] | IntArray) -> Column:
    """The column of rows that stand end to end: (n, k) if all have one length that is not 0, else `Ragged`."""
    if len(values) and _n_like_first(lengths) == len(lengths):
        return values.reshape(len(lengths), -1)
    return Ragged(values, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))


def _n_like_first(lengths: list[int] | IntArray) -> int:
    if isinstance(lengths, list):  # making it an array takes longer than looking at it
        return lengths.count(lengths[0])
    return int(np.count_nonzero(lengths == lengths[0]))
