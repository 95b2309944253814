"""Rows that repeat others: the kernels against sets of Python."""

from typing import Any

import numpy as np
import pytest

from app.core.kernels.compiled import are_equal, n_repeats


@pytest.mark.parametrize("seed", range(60))
def test_repeats_are_those_of_a_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 513)), int(rng.integers(1, 12))
    dtype = np.float32 if rng.random() < 0.5 else np.float64
    rows = rng.integers(0, rng.integers(2, 9), (n, k)).astype(dtype)
    truth: Any = rng.integers(0, 3, n) if seed % 2 else rng.integers(0, 3, (n, k)).astype(bool)
    m = int(rng.integers(1, n + 1))
    pairs = {(row.tobytes(), own.tobytes()) for row, own in zip(rows[:m], truth[:m], strict=True)}
    n_repeated = m - len(pairs)
    assert n_repeats(rows, truth, m) == (n_repeated if n_repeated > m / 2 else 0)
    assert are_equal(rows[:m].astype(np.float64)) == bool((rows[:m] == rows[0]).all())


def test_equal_numbers_are_equal_and_other_bytes_are_no_repeat() -> None:
    signs = np.array([[0.0], [-0.0]])
    assert are_equal(signs)
    assert n_repeats(signs, signs, 2) == 0


@pytest.mark.parametrize("n", [0, 3, 513])
def test_more_rows_than_there_are_or_than_fit_are_refused(n: int) -> None:
    rows = np.zeros((2 if n == 3 else 600, 2))
    with pytest.raises(ValueError, match="rows"):
        n_repeats(rows, rows, n)


@pytest.mark.parametrize("shape", [(), (2, 0), (2, 2, 2)])
def test_what_is_no_rows_of_numbers_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="takes rows of one number or more"):
        are_equal(np.zeros(shape))
