"""The inner loops of the core, compiled from C: elementary functions and sums over rows, with the same bits everywhere.

NumPy's own logarithm and exponential differ in their last bits between processors; these do not.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.core.columns import FloatArray, IntArray

try:
    from app.core.kernels import compiled
except ImportError as error:
    raise ImportError("app.core.kernels.compiled cannot be imported: `make env` builds it, with cc") from error

_TILE = 1024  # numbers whose logarithms are kept at once; the TILE of rows.h, which writes as many


def log(x: ArrayLike) -> FloatArray:
    """The natural logarithm, element by element, to less than one unit in the last place."""
    return _elementwise(compiled.log, x)


def log1p(x: ArrayLike) -> FloatArray:
    """The logarithm of 1 + x, element by element, to less than two units in the last place."""
    return _elementwise(compiled.log1p, x)


def exp(x: ArrayLike) -> FloatArray:
    """The exponential e**x, element by element, to less than one unit in the last place."""
    return _elementwise(compiled.exp, x)


def _elementwise(loop: Callable[[Any, Any], None], x: ArrayLike) -> FloatArray:
    values = np.asarray(x, np.float64)
    if not (values.flags.forc and values.flags.aligned):
        values = values.copy()
    out = np.empty_like(values)
    loop(values.ravel("K"), out.ravel("K"))
    return out


def row_sums(x: FloatArray) -> FloatArray:
    """Sums (n,) of rows (n, k)."""
    return _of_rows(compiled.row_sums, x)


def row_products(weights: FloatArray, x: FloatArray) -> FloatArray:
    """Sums (n,) of w_c x_c over rows (n, k), where 0 times anything is 0."""
    return _of_rows(compiled.row_products, weights, x)


def row_errors(x: FloatArray, labels: IntArray) -> FloatArray:
    """Sums (n,) of (x_c - [c is the label])**2 over rows (n, k)."""
    return _of_rows(compiled.row_errors, x, labels)


def row_others(exponentials: FloatArray) -> FloatArray:
    """Sums (n,) of rows (n, k) of exponentials, leaving out the largest, which is exactly 1."""
    return _of_rows(compiled.row_others, exponentials)


def _of_rows(loop: Callable[..., None], first: NDArray[Any], *others: NDArray[Any]) -> FloatArray:
    out = np.empty(len(first))
    loop(*map(np.ascontiguousarray, (first, *others)), out)
    return out


def row_maxima(x: FloatArray) -> tuple[FloatArray, IntArray]:
    """The largest number of each row (n, k), and the first class that has it; no number may be NaN."""
    best, place = np.empty(len(x)), np.empty(len(x), np.int64)
    compiled.row_maxima(np.ascontiguousarray(x), best, place)
    return best, place


def row_exponentials(x: FloatArray, best: FloatArray) -> FloatArray:
    """The exponentials e**(x - best) of rows (n, k), given the largest number (n,) of each."""
    return _rowwise(compiled.row_exponentials, x, best)


def row_quotients(x: FloatArray, divisor: FloatArray) -> FloatArray:
    """The rows (n, k), each divided by a number of its own (n,)."""
    return _rowwise(compiled.row_quotients, x, divisor)


def row_differences(x: FloatArray, subtrahend: FloatArray) -> FloatArray:
    """The rows (n, k), each less a number of its own (n,)."""
    return _rowwise(compiled.row_differences, x, subtrahend)


def _rowwise(loop: Callable[..., None], x: FloatArray, by: FloatArray) -> FloatArray:
    out = np.empty(x.shape)
    loop(np.ascontiguousarray(x), np.ascontiguousarray(by), out)
    return out


def row_negentropies(x: FloatArray) -> FloatArray:
    """Sums (n,) of x_c log x_c over rows (n, k), 0 log 0 = 0: the `row_products` of numbers and their logarithms."""
    out = np.empty(len(x))
    compiled.row_negentropies(np.ascontiguousarray(x), out, np.empty(max(x.shape[1], _TILE)))
    return out


def row_relative_entropy(p: FloatArray, log_p: FloatArray, q: FloatArray, log_q: FloatArray) -> FloatArray:
    """Sums (n,) of p_c log(p_c / q_c) over rows (n, k) of distributions and their logarithms, without cancellation."""
    return _of_rows(compiled.row_relative_entropy, p, log_p, q, log_q)


def row_js(p: FloatArray, q: FloatArray) -> FloatArray:
    """The Jensen-Shannon divergence of rows (n, k) of numbers in [0, 1], in nats, without cancellation."""
    out = np.empty(len(p))
    room = np.empty(max(p.shape[1], _TILE))
    compiled.row_js(np.ascontiguousarray(p), np.ascontiguousarray(q), out, room)
    return out


def row_picks(x: FloatArray, labels: IntArray) -> FloatArray:
    """The numbers (n,) of the labels in rows (n, k)."""
    return _of_rows(compiled.row_picks, x, labels)


def bin_numbers(x: FloatArray, lower: FloatArray, *, holds_lower: bool) -> IntArray:
    """The bin of each number of x, in any shape, among the equal bins of [0, 1] that begin at `lower` (n_bins,)."""
    values = np.ascontiguousarray(x)
    out = np.empty(values.shape, np.int64)
    compiled.bins(values.ravel(), lower, holds_lower, out.ravel())
    return out


MOST_DISTINCT = 1024
"""The number of values that `distinct` tells apart at most; the MOST_DISTINCT of distinct.h."""


def distinct(values: NDArray[Any]) -> tuple[IntArray, IntArray] | None:
    """The code of each value (n,), numbered by first occurrence, and where those are; None beyond `MOST_DISTINCT`.

    Objects are told apart by identity: equal objects that are not one and the same have different codes.

    >>> distinct(np.array([7, 7, 5, 7]))
    (array([0, 0, 1, 0]), array([0, 2]))
    """
    codes, first = np.empty(len(values), np.int64), np.empty(MOST_DISTINCT, np.int64)
    found = compiled.distinct(np.ascontiguousarray(values), codes, first)
    return None if found < 0 else (codes, first[:found])


def distinct_texts(text: NDArray[np.uint8], offsets: IntArray) -> tuple[IntArray, IntArray] | None:
    """The codes of texts and their first places, like those of `distinct`; None also if many hashes are alike.

    Args:
        text: The bytes of all texts.
        offsets: (n + 1,) where each text begins, and the end of the last.

    >>> distinct_texts(np.frombuffer(b"noyesno", np.uint8), np.array([0, 2, 5, 7]))
    (array([0, 1, 0]), array([0, 1]))
    """
    codes, first = np.empty(len(offsets) - 1, np.int64), np.empty(MOST_DISTINCT, np.int64)
    found = compiled.distinct_texts(text, offsets, codes, first)
    return None if found < 0 else (codes, first[:found])


def text_order(text: NDArray[np.uint8], offsets: IntArray) -> tuple[IntArray, IntArray]:
    """The code of each text, numbered by the order of their bytes, and the first place of each code.

    Args:
        text: The bytes of all texts.
        offsets: (n + 1,) where each text begins, and the end of the last.

    >>> text_order(np.frombuffer(b"yesnoyes", np.uint8), np.array([0, 3, 5, 8]))
    (array([1, 0, 1]), array([1, 0]))
    """
    codes, first = np.empty(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.int64)
    found = compiled.text_order(text, offsets, codes, first)
    return codes, first[:found]
