"""The cutting of text into blocks of whole rows."""

from collections.abc import Callable, Iterator

from app.core.checkpoints import checkpoint
from app.errors import MalformedBody, TooLarge
from app.wire.foreign import likeness
from app.wire.limits import Limits
from app.wire.sources import Source

BLOCK = 1 << 20
"""The bytes of text that are parsed at once; a longer row makes a longer block."""


def blocks(
    source: Source, limits: Limits, row_end: Callable[[bytearray, int], int], place: Callable[[], str]
) -> Iterator[bytes]:
    """Yield blocks of whole rows, of `BLOCK` bytes at most unless one row takes more.

    The cuts depend on the text alone, not on how it arrives. Each byte is looked at once. The last row gets
    a line end if it has none.

    Args:
        row_end: A function of the text and a position: the end of the last row that ends there or later; 0 if none
            does.
        place: A function that names the row that comes next, for errors.

    Raises:
        TooLarge: A row takes more than `max_line_bytes`.
        MalformedBody: The text ends before a row does, or its beginning is that of something else.
    """
    text, seen, more, n_blocks = bytearray(), 0, True, 0
    least = size = min(BLOCK, limits.max_line_bytes)
    while more or text:
        checkpoint()
        more = more and _filled(text, source, size)
        if not n_blocks and not seen and (words := likeness(text)):
            raise MalformedBody(f"must be text in UTF-8, found {words}")
        end = row_end(text, seen)
        if end:
            yield bytes(text[:end])
            n_blocks += 1
            del text[:end]
            size = least
        elif text and not more:
            raise MalformedBody(f"{place()} must end before the body does, found a quote that is not closed")
        elif more and size == limits.max_line_bytes:
            raise TooLarge(f"{place()} must hold at most {size} bytes, found more")
        else:
            size = min(2 * size, limits.max_line_bytes)
        seen = len(text)


def _filled(text: bytearray, source: Source, size: int) -> bool:
    """Read until a text has so many bytes; return False if the source ended before."""
    while len(text) < size:
        piece = source.read(size - len(text))
        if not piece:
            if text and not text.endswith(b"\n"):
                text += b"\n"
            return False
        text += piece
    return True
