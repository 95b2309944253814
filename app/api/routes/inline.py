"""The choice of requests that are answered on the event loop, where all others wait; a thread would take longer."""

from app.core.kernels.json_columns import JsonColumns
from app.core.options import Options
from app.service import ScoreRequest

MAX_BYTES, MAX_NUMBERS = 2**18, 2**15
"""The sizes up to which plain rows are scored on the event loop. They take 1 to 2 ms there, and more than twice that in
a thread, since the interpreter and its data would go back and forth between two processors."""

_DEFAULTS = Options()


def is_long(walked: JsonColumns | None, n_scores: int = 1) -> bool:
    """Tell if what stands in a body of more than `MAX_NUMBERS` bytes calls for a thread.

    Args:
        walked: The columns that the walk in C has read of it.
        n_scores: The factor on the sizes that hold for scoring.
    """
    if walked is None or not walked.is_whole:
        return True
    return walked.n_bytes >= 8 * MAX_NUMBERS * n_scores or len(walked.rest) > MAX_NUMBERS


def is_listing(request: ScoreRequest) -> bool:
    """Tell if the answer holds a number for each pair of classes: a million make two megabytes of JSON."""
    return "confusion" in request.question.include


def is_light(request: ScoreRequest) -> bool:
    """Tell if a small body is no long work: rows are not drawn again and again, and the answer is no long list."""
    return not request.question.bootstrap and not is_listing(request)


def is_quick(request: ScoreRequest) -> bool:
    """Tell if no column, option or section makes even a small body expensive, so that it would get a thread."""
    question = request.question
    if question.include or question.metrics or question.bootstrap or request.slices:
        return False
    return "cluster_id" not in question.columns and question.options.n_bins <= _DEFAULTS.n_bins
