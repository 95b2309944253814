"""The rules of columns in every format: what each may hold, and how its rows become one array."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.columns import Column, IntArray, Ragged
from app.core.tasks import TASKS, TaskName, shape_of

LARGEST_INT = int(np.iinfo(np.int64).max)


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

KINDS: dict[str, tuple[Kind, ...]] = {
    "labels": (INTEGER, BOOLEAN, STRING),
    "targets": (NUMBER,),
    "probabilities": (NUMBER,),
    "log_probabilities": (SCORE,),
    "logits": (SCORE,),
    "sample_weight": (NUMBER,),
    "mask": (BOOLEAN,),
    "n_bytes": (INTEGER,),
    "n_words": (INTEGER,),
    "cluster_id": (INTEGER, STRING),
}
NAMES = ("/cluster_id", "/slices/")
"""The beginnings of pointers of columns whose values only tell rows apart: strings do there as well as numbers."""
SLICE_KINDS = (INTEGER, STRING, BOOLEAN)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about a column of a task.

    Attributes:
        kinds: The kinds of which its values are, all of one.
        nested: Whether each row is a list; None where either will do, the same in all rows.
    """

    kinds: tuple[Kind, ...]
    nested: bool | None


SLICE_RULE = Rule(SLICE_KINDS, nested=False)
_NESTED = {"(n,)": False, "(n,) or (n, l)": None}
RULES: dict[TaskName, dict[str, Rule]] = {
    task: {name: Rule(kinds, _NESTED.get(shape_of(task, name), True)) for name, kinds in KINDS.items()}
    for task in TASKS
}
"""The rule of each field, by task."""


def rows_of(values: NDArray[Any], lengths: list[int] | IntArray) -> Column:
    """The column of rows that stand end to end: (n, k) if all have one length that is not 0, else `Ragged`."""
    if len(values) and _n_like_first(lengths) == len(lengths):
        return values.reshape(len(lengths), -1)
    return Ragged(values, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))


def _n_like_first(lengths: list[int] | IntArray) -> int:
    if isinstance(lengths, list):  # to make it an array takes longer than to look at it
        return lengths.count(lengths[0])
    return int(np.count_nonzero(lengths == lengths[0]))
