"""The memory that columns take."""

import numpy as np

from app.core import kernels
from app.core.columns import Column, Ragged

STRING_BYTES = 56
"""The memory of a string besides its characters."""


def n_bytes_of(column: Column) -> int:
    """The bytes that a column takes in memory at most: a string counts for each row, though rows may share one."""
    if isinstance(column, Ragged):
        return n_bytes_of(column.values) + column.offsets.nbytes
    if column.dtype.kind != "O":
        return column.nbytes
    texts = column.ravel()
    found = kernels.distinct(texts)
    if found is None:
        return column.nbytes + sum(map(_string_bytes, texts.tolist()))
    codes, first = found
    times: list[int] = np.bincount(codes).tolist()
    different = texts[first].tolist()
    return column.nbytes + sum(n * _string_bytes(text) for n, text in zip(times, different, strict=True))


def _string_bytes(text: object) -> int:
    return STRING_BYTES + len(text) if isinstance(text, str) else 0
