"""Bodies that are answered on the event loop, where others would wait for them, because a thread takes longer still."""

from app.core.kernels import JsonColumns

MAX_BYTES, MAX_NUMBERS = 2**18, 2**14
"""Plain rows of this size take one or two milliseconds, and more than twice that in a thread: the interpreter and what
it works on would go back and forth between two processors."""


def is_long(body: bytes | bytearray, walked: JsonColumns | None, n_times: int = 1) -> bool:
    """Tell if a body takes so long that it is answered in a thread, even if nothing in it makes it slow.

    Args:
        walked: The body as it was walked over.
        n_times: How many of the bodies above one may be worth.
    """
    if len(body) <= n_times * MAX_NUMBERS:
        return False
    if walked is None or not walked.is_whole:
        return True
    return walked.n_bytes >= 8 * n_times * MAX_NUMBERS or len(walked.rest) > n_times * MAX_NUMBERS
