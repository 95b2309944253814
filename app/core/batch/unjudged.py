"""Large batches of class indices and predictions that nobody has looked at: kernels judge rows as they score them.

Rows that do not fit in the caches are so read from memory once. Where one is not sound, the checks of a batch, which
explain it, look at all of them.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.class_counts import check_class_counts
from app.core.batch.predicted import are_alike, noticed
from app.core.columns import Column
from app.core.kernels.verdicts import Verdict, merged
from app.core.options import Options

LEAST_ROWS = 4_096
"""The rows from which one pass is worth it: those of a smaller batch are in the cache for a second."""


class Unsound(Exception):
    """The end of work on a batch with a row that the checks must look at."""


class Judge:
    """The judge of a batch, who hears the verdicts of kernels on its parts.

    Attributes:
        tolerance: The deviation that row sums may have.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._verdicts: list[Verdict] = []

    def hear(self, verdict: Verdict, n_rows: int) -> None:
        """Keep the verdict on a part of n rows.

        Raises:
            Unsound: One of them is at fault.
        """
        if verdict.row < n_rows:
            raise Unsound
        self._verdicts.append(verdict)

    def noticed(self, batch: Batch) -> dict[str, Any]:
        """The fields of a batch that follow from the verdicts on all its parts.

        Raises:
            Unsound: There may be sentinels, which the checks look for.
        """
        fields = {} if batch.form == "probabilities" else noticed(merged(self._verdicts, len(batch)))
        if fields is None:
            raise Unsound
        return fields


def unjudged(columns: Mapping[str, Column], options: Options, first_row: int = 0) -> Batch | None:
    """The batch `multiclass` of many labels and doubles (n, k) whose values are unseen; None of any other columns."""
    if len(columns) != 2 or options.ignore_index is not None or options.classes is not None:
        return None
    (form,) = columns.keys() - {"labels"}
    prediction, labels = columns[form], columns.get("labels")
    if not _are_plain(prediction, np.dtype(np.float64), 2) or not _are_plain(labels, np.dtype(np.int64), 1):
        return None
    if len(labels) < LEAST_ROWS or not are_alike("multiclass", prediction.shape, labels.shape):
        return None
    check_class_counts("multiclass", options, prediction.shape[1])
    return Batch(
        "multiclass",
        options,
        form,
        prediction,
        prediction.shape[1],
        labels=labels,
        first_row=first_row,
        judge=Judge(options.tolerance),
    )


def _are_plain(column: Column | None, dtype: np.dtype[Any], n_dimensions: int) -> TypeGuard[NDArray[Any]]:
    """Tell whether a kernel reads a column as it lies in memory."""
    if not isinstance(column, np.ndarray) or column.dtype != dtype or column.ndim != n_dimensions:
        return False
    return column.flags.c_contiguous and column.flags.aligned
