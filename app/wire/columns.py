"""Columns, in whatever format they come: what each may hold, and how its rows become one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.columns import Column, IntArray, Ragged

LARGEST_INT = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing the values of a column may be: the word for it, its JSON types and its array type."""

    word: str
    types: frozenset[type]
    dtype: np.dtype[Any]


# null stands for NaN, which JSON lacks: rows that are not scored may hold it, the batch refuses it in others.
NUMBER = Kind("a number", frozenset({int, float, type(None)}), np.dtype(np.float64))
INTEGER = Kind("an integer", frozenset({int}), np.dtype(np.int64))
BOOLEAN = Kind("a boolean", frozenset({bool}), np.dtype(np.bool_))
STRING = Kind("a string", frozenset({str}), np.dtype(np.object_))

KINDS: dict[str, tuple[Kind, ...]] = {
    "labels": (INTEGER, BOOLEAN, STRING),
    "targets": (NUMBER,),
    "probabilities": (NUMBER,),
    "log_probabilities": (NUMBER,),
    "logits": (NUMBER,),
    "sample_weight": (NUMBER,),
    "mask": (BOOLEAN,),
    "n_bytes": (INTEGER,),
    "n_words": (INTEGER,),
    "cluster_id": (INTEGER, STRING),
}
SLICE_KINDS = (INTEGER, STRING, BOOLEAN)


def rows_of(values: NDArray[Any], lengths: list[int] | IntArray) -> Column:
    """Rows that stand end to end: (n, k) if all have one length that is not 0, else `Ragged`."""
    if len(values) and _n_like_first(lengths) == len(lengths):
        return values.reshape(len(lengths), -1)
    return Ragged(values, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))


def _n_like_first(lengths: list[int] | IntArray) -> int:
    if isinstance(lengths, list):  # to make it an array takes longer than to look at it
        return lengths.count(lengths[0])
    return int(np.count_nonzero(lengths == lengths[0]))
