"""The columns of a JSON body, read by one walk in C."""

from typing import Any, NamedTuple

import numpy as np

from app.core.columns import Ragged
from app.core.kernels import compiled

_DTYPES = {"d": np.dtype(np.float64), "i": np.dtype(np.int64), "b": np.dtype(np.bool_)}


class JsonColumns(NamedTuple):
    """The columns that were read from a body of JSON, and the text that is left.

    Attributes:
        rest: The text of the body with an empty list in place of each column that was read.
        columns: The columns by name; those of `slices` and of each of `candidates` are in dictionaries of their own.
        is_whole: Whether no column was left in `rest`, but for nulls.
        n_bytes: The size of the columns in memory.
    """

    rest: bytes
    columns: dict[str, Any]
    is_whole: bool
    n_bytes: int


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
           [2.  ,  nan]])}, is_whole=True, n_bytes=32)
    """
    found = compiled.json_columns(text, names)
    if found is None:
        return None
    rest, values, places, is_whole = found
    return JsonColumns(rest, _columns(values, places), is_whole, len(values))


def _columns(values: bytearray, places: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, place in places.items():
        if type(place) is not tuple:
            columns[name] = _columns(values, place)
            continue
        letter, start, shape, *lists = place
        columns[name] = column = np.ndarray(shape, _DTYPES[letter], values, start)
        if lists:
            behind = start + (column.nbytes + 7) // 8 * 8  # the offsets begin at a multiple of 8 bytes
            columns[name] = Ragged(column, np.ndarray(lists[0] + 1, np.int64, values, behind))
    return columns
