"""The texts of values that name parts of a body: slices by numbers, dates or nothing at all."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.columns import BoolArray

NULL = "null"
AN_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


def texts_of(values: NDArray[Any], is_null: BoolArray | None = None) -> NDArray[Any]:
    """The text of each value (n,), as JSON writes it; that of null, and of NaN, is `null`.

    >>> texts_of(np.array([0.5, np.nan])).tolist(), texts_of(np.array([True, False])).tolist()
    (['0.5', 'null'], ['true', 'false'])
    """
    found = values if values.dtype.kind == "O" else _texts(values)
    if is_null is not None and is_null.any():
        found = np.where(is_null, NULL, found)
    return found


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    bits = values.astype(np.float64).view(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)
    codes, first = kernels.distinct(bits) or (slice(None), slice(None))
    few = [NULL if value != value else str(value).lower() for value in values[first]]  # noqa: PLR0124 NaN alone differs
    found: NDArray[Any] = np.array(few, np.object_)[codes]
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order in which answers list them: numbers by size, then texts, whatever rows came first.

    >>> in_order(["b", "10", "9", "a"])
    ['9', '10', 'a', 'b']
    """
    return sorted(names, key=lambda name: (0, int(name), name) if AN_INTEGER.fullmatch(name) else (1, 0, name))
