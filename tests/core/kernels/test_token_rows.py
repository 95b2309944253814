"""The quantities of documents that one call writes are those of `TokenRows`, in the same bits."""

import sys
from typing import Any

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.columns import FloatArray, IntArray, Ragged
from app.core.kernels import compiled
from app.core.kernels.quantities import TOKEN_QUANTITIES, Into, token_rows
from app.core.options import Options
from app.core.rows.tokens import TokenRows
from tests.core.kernels.predictions import scores

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def tokens(lengths: list[int]) -> tuple[FloatArray, IntArray]:
    return scores("log_probabilities", sum(lengths), 2)[:, 0].copy(), np.cumsum([0, *lengths])


def check(values: FloatArray, offsets: IntArray) -> None:
    n = len(offsets) - 1
    rows = TokenRows(batch_of("tokens", {"log_probabilities": Ragged(values, offsets)}, Options()), slice(0, n))
    out = np.full((4, n + 5), np.nan)
    token_rows(values, offsets, Into(out, 2, (3, 0, 1)))
    for place, name in zip((3, 0, 1), TOKEN_QUANTITIES, strict=True):
        assert out[place, 2:-3].tobytes() == getattr(rows, name).tobytes(), name
    out[[0, 1, 3], 2:-3] = np.nan
    assert np.isnan(out).all()


def test_one_call_writes_the_bits_of_documents_of_every_length() -> None:
    lengths = [*range(1, 700), 1023, 1024, 1025, 1026, 4097, 20_000]
    for values, offsets in (tokens(lengths), tokens(lengths[::-1])):
        check(values, offsets)
        check(np.maximum(values, -50.0), offsets)


@pytest.mark.parametrize("value", [0.0, -0.0, -np.inf, -5e-324, -1e308])
def test_documents_of_one_value(value: float) -> None:
    lengths = [1, 2, 8, 9, 10, 129, 200]
    check(np.full(sum(lengths), value), np.cumsum([0, *lengths]))


def test_quantities_are_the_same_whatever_is_asked_for_and_wherever_documents_stand() -> None:
    values, offsets = tokens([3, 50, 1, 200, 7])
    whole, part = np.full((3, 5), np.nan), np.full((3, 2), np.nan)
    token_rows(values, offsets, Into(whole, 0, (0, 1, 2)))
    token_rows(values, offsets[2:5], Into(part, 0, (0, 1, 2)))
    assert part.tolist() == whole[:, 2:4].tolist()
    for quantity in range(3):
        alone = np.full((1, 5), np.nan)
        token_rows(values, offsets, Into(alone, 0, tuple(np.where(np.arange(3) == quantity, 0, -1).tolist())))
        assert alone[0].tolist() == whole[quantity].tolist()
    token_rows(values, offsets[:1], Into(whole, 5, (0, 1, 2)))


values, offsets, out = np.zeros(6), np.array([0, 2, 6]), np.zeros((3, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ((values, offsets, out, 0), TypeError, "takes log-probabilities, offsets"),
        ((values.astype(np.float32), offsets, out, 0, (0, 1, 2)), TypeError, "argument 0 holds another type"),
        ((values, offsets[:0], out, 0, (0, 1, 2)), ValueError, "an offset behind the last"),
        ((values, offsets, out, 1, (0, 1, 2)), ValueError, "a column for each row"),
        ((values, offsets, out, 0, (0, 1, 3)), ValueError, "places must be"),
        ((values, np.array([0, 2, 7]), out, 0, (0, 1, 2)), ValueError, "documents must hold"),
        ((values, np.array([-1, 2, 6]), out, 0, (0, 1, 2)), ValueError, "documents must hold"),
        ((values, np.array([0, 2, 2]), out, 0, (0, 1, 2)), ValueError, "documents must hold"),
        ((values, np.array([0, 2, 1]), out, 0, (-1, 1, -1)), ValueError, "documents must hold"),
        ((values, np.array([2**63 - 1, -(2**63), 6]), out, 0, (0, 1, 2)), ValueError, "documents must hold"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    held = [sys.getrefcount(array) for array in (values, offsets, out)]
    with pytest.raises(error, match=rule):
        compiled.token_rows(*arguments)
    assert held == [sys.getrefcount(array) for array in (values, offsets, out)]
