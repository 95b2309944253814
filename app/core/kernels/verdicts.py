"""The verdicts of kernels on whole batches: one call tells whether all is well."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import NUMBER_OF, Into


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
    return Verdict(*compiled.class_verdict(scores, labels, NUMBER_OF[form], tolerance))


def judged_class_rows(scores: FloatArray, labels: IntArray, form: str, tolerance: float, into: Into) -> Verdict:
    """Judge rows over classes as `class_verdict` does, and write their quantities as `quantities.class_rows` does.

    Each row is read from memory once for both. Columns of the matrix from a row at fault on may be left as they are.
    """
    return Verdict(*compiled.class_rows(scores, labels, NUMBER_OF[form], tolerance, *into))


def merged(verdicts: Iterable[Verdict], n: int) -> Verdict:
    """The verdict on n sound rows, given those on all parts of them."""
    _, least, largest, have_fractions, are_lookalikes = zip(*verdicts, strict=True)
    return Verdict(n, min(least), max(largest), any(have_fractions), all(are_lookalikes))


def element_verdict(scores: FloatArray, labels: IntArray | None, form: str, tolerance: float) -> Verdict:
    """Judge probabilities or logits (n,) or (n, l) of elements, and labels of that shape.

    Probabilities must lie in [0, 1], logits below infinity, and labels must be 0 or 1. NaN breaks every rule.
    """
    return Verdict(*compiled.element_verdict(scores, labels, NUMBER_OF[form], tolerance))


def are_sound(x: NDArray[Any], form: str, tolerance: float) -> bool:
    """Tell whether all rows (n, k) keep the rules of `class_verdict`.

    False also where x is not an array of doubles in the order of C, so a sound x may get False.
    """
    are_doubles = x.dtype == np.float64 and x.flags.c_contiguous and x.flags.aligned and x.size > 0
    return are_doubles and class_verdict(x, None, form, tolerance).row == len(x)
