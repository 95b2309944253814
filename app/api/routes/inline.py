"""Requests that are answered on the event loop, where others wait for them: a thread would take even longer."""

from app.core.kernels import JsonColumns
from app.core.options import Options
from app.service import ScoreRequest

MAX_BYTES, MAX_NUMBERS = 2**18, 2**14
"""Plain rows of this size take one or two milliseconds, and more than twice that in a thread: the interpreter and what
it works on would go back and forth between two processors."""

_DEFAULTS = Options()


def is_long(body: bytes | bytearray, walked: JsonColumns | None, n_scores: int = 1) -> bool:
    """Tell if a body takes so long that it is answered in a thread, even if nothing in it makes it slow.

    Args:
        walked: The body as it was walked over.
        n_scores: How many bodies to score it may be as long as.
    """
    if len(body) <= MAX_NUMBERS:
        return False
    if walked is None or not walked.is_whole:
        return True
    return walked.n_bytes >= 8 * MAX_NUMBERS * n_scores or len(walked.rest) > MAX_NUMBERS


def is_slow(request: ScoreRequest) -> bool:
    """Tell if a column or an option can make the work of a small body large."""
    question = request.question
    return bool(request.slices) or "cluster_id" in question.columns or question.options.n_bins > _DEFAULTS.n_bins


def unchecked() -> None:
    """Let work go on even if the client has left: it is as short as that."""
