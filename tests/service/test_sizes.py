"""The memory that columns take, of which joining and holding parts depends."""

import numpy as np
import pytest

from app.core.columns import Column, Ragged
from app.service.sizes import STRING_BYTES, n_bytes_of

FEW = np.array(["north", "é"] * 40, object)
MANY = np.array([f"row {row}" for row in range(3_000)], object)  # more than a kernel tells apart


@pytest.mark.parametrize(
    ("column", "n_bytes"),
    [
        (np.ones((3, 4)), 96),
        (np.ones(5, np.bool_), 5),
        (Ragged(np.ones(7), np.array([0, 3, 7])), 56 + 24),
        (FEW, 80 * 8 + 40 * (STRING_BYTES + 5) + 40 * (STRING_BYTES + 1)),
        (FEW.reshape(20, 4), 80 * 8 + 40 * (STRING_BYTES + 5) + 40 * (STRING_BYTES + 1)),
        (MANY, 3_000 * 8 + sum(STRING_BYTES + len(text) for text in MANY)),
        (np.array([1, "no", None], object), 24 + STRING_BYTES + 2),
        (np.empty(0, object), 0),
    ],
)
def test_a_string_counts_for_each_row(column: Column, n_bytes: int) -> None:
    assert n_bytes_of(column) == n_bytes
