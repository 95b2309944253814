"""Summaries of large batches in one pass: rows are checked as they are summed up, while they are in the cache."""

from collections.abc import Mapping
from dataclasses import replace

from app.core.batch.unjudged import Unsound, unjudged
from app.core.columns import Column
from app.core.options import Options
from app.core.sums.layout import Needs, layout_of
from app.core.sums.summary import Summary, summarize


def summary_at_once(
    columns: Mapping[str, Column], options: Options, needs: Needs, *, first_row: int = 0, n_threads: int = 1
) -> Summary | None:
    """The summary of a large batch `multiclass`, the same as that of checked rows; its inspected rows are kept.

    Args:
        columns: The labels and the prediction, unchecked.
        first_row: The number of rows of the body before these.

    Returns:
        None where the batch is not large and plain, or where a row is not: then the checks must look at it.
    """
    batch = unjudged(columns, options)
    if batch is None or not layout_of(batch, needs).kernel:
        return None
    try:
        return summarize(replace(batch, first_row=first_row), needs, n_threads=n_threads, inspected=True)
    except Unsound:
        return None
