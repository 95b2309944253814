"""The columns of a JSON body, read by one walk in C."""

from typing import Any, NamedTuple

import numpy as np

from app.core.columns import Ragged
from app.core.kernels import compiled

_TYPES = (np.ndarray, np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_), Ragged)
"""The types that the walk makes columns of."""


class JsonColumns(NamedTuple):
    """The columns that were read from a body of JSON, and the text that is left.

    Attributes:
        rest: The text of the body with an empty list in place of each column that was read.
        columns: The columns by name; those of `slices` and of each of `candidates` are in dictionaries of their own.
        is_whole: Whether no column was left in `rest`, but for nulls.
        n_bytes: The size of the columns in memory.
        width: The most columns of a table among them.
    """

    rest: bytes
    columns: dict[str, Any]
    is_whole: bool
    n_bytes: int
    width: int


def json_columns(text: bytes | bytearray | memoryview, names: bytes) -> JsonColumns | None:
    """Read the columns of a JSON object that plainly hold numbers or booleans: lists of them, or lists of such lists.

    A number becomes the double nearest to it, null becomes NaN. Nothing else is read: `rest` is JSON if and only if the
    text is, without its byte order mark.

    Args:
        names: The columns, each as its name, a colon, letters and a space. The letters are d for doubles, i for
            integers of 64 bits, b for booleans, and n where null may stand in a list that is not inside another.

    Returns:
        None where the text is no such object, or an object that may hold columns has a name twice or with an escape.

    >>> json_columns(b'{"logits": [[0.25, 1], [2, null]], "unit": "bits"}', b"labels:ib logits:d ")
    JsonColumns(rest=b'{"logits": [], "unit": "bits"}', columns={'logits': array([[0.25, 1.  ],
           [2.  ,  nan]])}, is_whole=True, n_bytes=32, width=2)
    """
    found = compiled.json_columns(text, names, *_TYPES)
    return None if found is None else JsonColumns(*found)
