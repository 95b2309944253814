"""Tallies: quantities of rows and their sums by one call, where kernels do all of the work.

The quantities of `compiled.class_tally` are those of `quantities.class_rows`, and so on; its arrays are those of whole
batches, of which it takes some rows.
"""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.core.columns import FloatArray

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouped, Grouping

Tally: TypeAlias = "tuple[bytes, list[Grouped]] | None"
"""The packed moments of pairs, and the sums by group as `compiled.sums` gives them. None where one is not finite."""


Kept: TypeAlias = tuple[tuple[int, FloatArray], ...]
"""Rows of the matrix that are copied, -1 for ones, each with an array that has a place for each row of the batch."""


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
