"""Summaries of large batches in one pass: rows are checked as they are summed up, while they are in the cache."""

from app.core.batch.batches import Batch
from app.core.batch.unjudged import Unsound
from app.core.sums.layout import Needs, layout_of
from app.core.sums.summary import Summary, summarize


def summary_at_once(batch: Batch, needs: Needs, n_threads: int = 1) -> Summary | None:
    """The summary of an unjudged batch, the same as that of checked rows.

    Returns:
        None where no kernel judges the rows, or one is at fault: then the checks must look at them.
    """
    if not layout_of(batch, needs).kernel:
        return None
    try:
        return summarize(batch, needs, n_threads=n_threads, inspected=True)
    except Unsound:
        return None
