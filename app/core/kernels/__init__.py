"""The inner loops of the core, compiled from C: elementary functions and sums over rows, with the same bits everywhere.

NumPy's own logarithm and exponential differ in their last bits between processors; these do not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.core.columns import BoolArray, FloatArray, IntArray, Ragged

try:
    from app.core.kernels import compiled
except ImportError as error:
    raise ImportError("app.core.kernels.compiled cannot be imported: `make env` builds it, with cc") from error

_DTYPES = {"d": np.dtype(np.float64), "i": np.dtype(np.int64), "b": np.dtype(np.bool_)}
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


FORMS = ("probabilities", "logits", "log_probabilities")
"""The forms of a prediction, in the order of the compiled loops."""

CLASS_QUANTITIES = (
    "cross_entropy",
    "predictive_entropy",
    "entropy_gap",
    "brier_score",
    "accuracy",
    "confidence",
)
"""The quantities of `class_rows`, in the order of its places."""

ELEMENT_QUANTITIES = (
    "cross_entropy",
    "predictive_entropy",
    "entropy_gap",
    "brier_score",
    "accuracy",
    "subset_accuracy",
    "confidence",
    "frequency",
    "size",
)
"""The quantities of `element_rows`, in the order of its places."""

TOKEN_QUANTITIES = ("cross_entropy", "size", "macro_perplexity")
"""The quantities of `token_rows`, in the order of its places."""

_NUMBER_OF = {form: number for number, form in enumerate(FORMS)}


class Into(NamedTuple):
    """The part of a matrix that quantities of rows are written into.

    Attributes:
        out: (m, N) in the order of C.
        start: The column of the first row; each row fills one column.
        places: The row of `out` for each quantity, -1 for one that is not asked for.
    """

    out: FloatArray
    start: int
    places: tuple[int, ...]


def class_rows(scores: FloatArray, labels: IntArray, form: str, into: Into) -> None:
    """Write quantities of rows over classes into a matrix, where nothing but scores and labels enters.

    The quantities have the same bits as those of `app.core.rows.classes.ClassRows` without epsilon, renormalization,
    smoothing and class weights. The scores must have passed the checks.

    Args:
        scores: (n, k) in the order of C.
        labels: (n,) true classes.
        into: The matrix, with a place for each of `CLASS_QUANTITIES`.

    Raises:
        ValueError: A label is no class, and columns may have been written; or arrays do not fit each other.
    """
    compiled.class_rows(scores, labels, _NUMBER_OF[form], *into)


def element_rows(  # noqa: PLR0913 what a row of elements is made of
    scores: FloatArray, labels: IntArray, mask: BoolArray | None, form: str, threshold: float, into: Into
) -> None:
    """Write quantities of rows of elements into a matrix, where nothing but what is given enters.

    The quantities have the same bits as those of `app.core.rows.elements.ElementRows` without epsilon, smoothing and
    `pos_weight`. The probabilities or logits must have passed the checks.

    Args:
        scores: (n,) or (n, l) in the order of C.
        labels: Labels of 0 or 1 in the same shape.
        mask: The elements that are scored, in the same shape; None for all.
        threshold: The probability from which a label is predicted.
        into: The matrix, with a place for each of `ELEMENT_QUANTITIES`.

    Raises:
        ValueError: A label is neither 0 nor 1, and columns may have been written; or arrays do not fit each other.
    """
    compiled.element_rows(scores, labels, mask, _NUMBER_OF[form], threshold, *into)


def token_rows(values: FloatArray, offsets: IntArray, into: Into) -> None:
    """Write quantities of documents of tokens into a matrix, where nothing but log-probabilities enters.

    The quantities have the same bits as those of `app.core.rows.tokens.TokenRows` without epsilon.

    Args:
        values: (n_tokens,) log-probabilities; those outside of the documents are not read.
        offsets: (n + 1,) where the n documents begin, and where the last of them ends; each holds a token or more.
        into: The matrix, with a place for each of `TOKEN_QUANTITIES`.

    Raises:
        ValueError: A document is empty or lies outside of `values`, and columns may have been written; or arrays do not
            fit each other.
    """
    compiled.token_rows(values, offsets, *into)


class Verdict(NamedTuple):
    """A verdict on a whole batch. The fields after `row` have a meaning for sound logits and log-probabilities only.

    Attributes:
        row: The first row at fault, n where there is none.
        least: The least of the numbers that losses are made of; infinity where there are none.
        largest: The largest of these numbers; minus infinity where there are none.
        has_fractions: Whether one of these numbers is no whole number.
        is_lookalike: Whether there are rows of logits, and all could be probabilities but for the tolerance.
    """

    row: int
    least: float
    largest: float
    has_fractions: bool
    is_lookalike: bool


def class_verdict(scores: FloatArray, labels: IntArray | None, form: str, tolerance: float) -> Verdict:
    """Judge scores (n, k) over classes, and labels (n,). Losses are made of the scores of the labels.

    Probabilities must lie in [0, 1] and add up to 1 within the tolerance. Log-probabilities must be at most 0, and
    their logsumexp 0 within the tolerance. Logits must be below infinity, and one of each row above minus infinity.
    Labels must lie in [0, k). NaN breaks every rule.
    """
    return Verdict(*compiled.class_verdict(scores, labels, _NUMBER_OF[form], tolerance))


def element_verdict(scores: FloatArray, labels: IntArray | None, form: str, tolerance: float) -> Verdict:
    """Judge probabilities or logits (n,) or (n, l) of elements, and labels of that shape.

    Probabilities must lie in [0, 1], logits below infinity, and labels must be 0 or 1. NaN breaks every rule.
    """
    return Verdict(*compiled.element_verdict(scores, labels, _NUMBER_OF[form], tolerance))


def is_normalized(x: NDArray[Any], tolerance: float) -> bool:
    """Tell whether all rows (n, k) hold numbers in [0, 1] whose sum is 1 within the tolerance.

    False also where x is not an array of doubles in the order of C, so a sound x may get False.
    """
    return _are_doubles(x) and class_verdict(x, None, "probabilities", tolerance).row == len(x)


def is_bounded(x: NDArray[Any]) -> bool:
    """Tell whether all rows (n, k) are below infinity and somewhere above minus infinity; False as `is_normalized`."""
    return _are_doubles(x) and class_verdict(x, None, "logits", 0.0).row == len(x)


def _are_doubles(x: NDArray[Any]) -> bool:
    return x.dtype == np.float64 and x.flags.c_contiguous and x.flags.aligned and x.size > 0


class PairedRows(NamedTuple):
    """The paired losses of two candidates on the same rows, as they go into exact sums.

    Attributes:
        columns: (4, n) weighted differences, our and their weighted losses, and the weighted differences that rounding
            alone can make. A fifth row holds what rows count for, where that is not 1.
        wins: The number of counted rows in which our loss is smaller.
        losses: The number of counted rows in which our loss is larger.
    """

    columns: FloatArray
    wins: int
    losses: int


def paired_rows(
    ours: FloatArray, theirs: FloatArray, weight: FloatArray | None, counts: FloatArray | None
) -> PairedRows:
    """Subtract losses (n,) of one candidate from those of another, row by row.

    A difference is 0 where only last bits differ, as between two forms of one model. 0 times anything is 0.

    Args:
        weight: (n,) sample weights; None for ones.
        counts: (n,) what each row counts for; None for ones. A row counts where both are positive.
    """
    columns = np.empty((4 if counts is None else 5, len(ours)))
    own, others = map(np.ascontiguousarray, (ours, theirs))
    return PairedRows(columns, *compiled.pair_rows(own, others, weight, counts, columns))


def paired_residuals(
    columns: FloatArray, counts: FloatArray | None, means: tuple[float, float, float]
) -> tuple[FloatArray | None, bool]:
    """Residuals (2, n) of each row, or cluster, from both mean losses, and whether the paired difference varies.

    A residual is 0 where rounding alone could make it. The residuals are None if one of them overflows. The difference
    varies if a row departs from its mean by more than rounding can do.

    Args:
        columns: (4, n) or more, as in `PairedRows`.
        counts: (n,) what each row, or cluster, counts for; None for ones.
        means: The mean difference, and both mean losses.
    """
    residuals = np.empty((2, columns.shape[1]))
    are_finite, varies = compiled.pair_residuals(columns, counts, residuals, *means)
    return residuals if are_finite else None, varies
