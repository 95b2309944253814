"""The quantities of rows that kernels write into a matrix, each kind of rows in one pass."""

from typing import NamedTuple

from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.kernels import compiled

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

NUMBER_OF = {form: number for number, form in enumerate(FORMS)}
"""The number of each form in the compiled loops."""


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
    compiled.class_rows(scores, labels, NUMBER_OF[form], None, *into)


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
    compiled.element_rows(scores, labels, mask, NUMBER_OF[form], threshold, *into)


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
