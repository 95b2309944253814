"""The columns of a JSON body, read by one walk in C."""

from collections.abc import Callable
from functools import partial
from json import loads
from typing import Any, NamedTuple

import numpy as np

from app.core.columns import Ragged
from app.core.kernels import compiled

_TYPES = (np.ndarray, np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_), np.dtype(np.object_), Ragged)
"""The types that the walk makes columns of."""


class Stop(NamedTuple):
    """The place of the value that ended the reading of a column.

    Attributes:
        path: The names that lead to the column, as they stand in the text.
        row: The number of the value, or of the list in which it stands.
        place: The number of the value in that list; negative if it stands in none.
        offset: The byte of the text at which it begins; negative if no value of JSON stands there.
    """

    path: tuple[bytes, ...]
    row: int
    place: int
    offset: int


class JsonColumns(NamedTuple):
    """The columns that were read from a body of JSON, and the text that is left.

    Attributes:
        rest: The text of the body with an empty list in place of each column that was read.
        columns: The columns by name; those of `slices` and of each of `candidates` are in dictionaries of their own.
        is_whole: Whether no column was left in `rest`, but for nulls.
        n_bytes: The size of the columns in memory, about.
        width: The most columns of a table among them.
        stop: The place at which the first column that was left in `rest` is none to be read; None if there is none.
    """

    rest: bytes
    columns: dict[str, Any]
    is_whole: bool
    n_bytes: int
    width: int
    stop: Stop | None


def json_columns(
    text: bytes | bytearray | memoryview, names: bytes, reader: Callable[[bytes], Any] = loads
) -> JsonColumns | None:
    """Read the columns of a JSON object that plainly hold numbers, booleans or strings.

    These are lists of them, or lists of such lists, but for strings. A number becomes the double nearest to it, null
    becomes NaN. Nothing else is read: `rest` is JSON if and only if the
    text is, without its byte order mark.

    Args:
        names: The columns, each as its name, a colon, letters and a space. The letters are d for doubles, i for
            integers of 64 bits, b for booleans, s for strings, n where null may stand in a list that is not inside
            another, and t where "-Infinity" may stand for a double wherever null may.
        reader: The parser of JSON for strings with escapes; a text that it refuses with a `ValueError` is not read.

    Returns:
        None where the text is no JSON object, as far as its brackets and strings tell.

    >>> json_columns(b'{"logits": [[0.25, 1], [2, null]], "unit": "bits"}', b"labels:ib logits:d ")
    JsonColumns(rest=b'{"logits": [], "unit": "bits"}', columns={'logits': array([[0.25, 1.  ],
           [2.  ,  nan]])}, is_whole=True, n_bytes=32, width=2, stop=None)
    """
    found = compiled.json_columns(text, names, *_TYPES, reader)
    if found is None or found[5] is None:
        return found and _json_columns(found)
    return JsonColumns(*found[:5], Stop(*found[5]))


_json_columns = partial(tuple.__new__, JsonColumns)
"""`JsonColumns` of a tuple of its fields, in a third of the time."""


def count_byte(text: bytes | bytearray | memoryview, byte: bytes) -> int:
    """Count a byte in a text; of a long text faster than `bytes.count`, and without the interpreter's lock.

    >>> count_byte(b"[1, 2, 3]", b",")
    2
    """
    return compiled.count_byte(text, byte[0])


def json_signs(text: bytes | bytearray | memoryview) -> tuple[int, int, int]:
    """Count the commas, the colons, and the opening brackets and braces of a text of JSON outside of its strings.

    >>> json_signs(b'{"a": [1, 2], "b": "[,]"}')
    (2, 2, 2)
    """
    return compiled.json_signs(text)
