"""Tallies: quantities of rows and their sums by one call, where kernels do all of the work."""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import NUMBER_OF

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouped, Grouping, Sums

Tally: TypeAlias = "tuple[list[Sums], list[Grouped]] | None"
"""The moments of pairs and the sums by group, as `compiled.sums` gives them; None where a number is not finite."""


class Asked(NamedTuple):
    """The matrix that a kernel fills, and what is summed of it. All rows of the batch weigh 1.

    Attributes:
        n_rows: The number of rows of the matrix.
        places: The row of the matrix for each quantity of the kernel, -1 for one that is not asked for.
        zeros: The rows that are 0 throughout.
        pairs: Rows of numerators and of denominators that are summed together.
        bins: Groupings by bin, as `compiled.sums` takes them.
        by_label: The rows that are summed by label; empty for none.
    """

    n_rows: int
    places: tuple[int, ...]
    zeros: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    bins: tuple["Grouping", ...]
    by_label: tuple[int, ...]


def class_tally(scores: FloatArray, labels: IntArray, form: str, rows: slice, asked: Asked) -> Tally:
    """The sums of some rows over classes, whose quantities are those of `class_rows`."""
    return compiled.class_tally(scores, labels, NUMBER_OF[form], rows.start, rows.stop, asked)


def element_tally(  # noqa: PLR0913 what a row of elements is made of
    scores: FloatArray, labels: IntArray, form: str, threshold: float, rows: slice, asked: Asked
) -> Tally:
    """The sums of some rows of elements, whose quantities are those of `element_rows`."""
    return compiled.element_tally(scores, labels, NUMBER_OF[form], threshold, rows.start, rows.stop, asked)


def token_tally(values: FloatArray, offsets: IntArray, rows: slice, asked: Asked) -> Tally:
    """The sums of some documents of tokens, whose quantities are those of `token_rows`."""
    return compiled.token_tally(values, offsets, rows.start, rows.stop, asked)
