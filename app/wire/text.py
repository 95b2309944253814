"""Text in whole lines, a block at a time."""

from collections.abc import Callable, Iterator

from app.errors import TooLarge
from app.wire.limits import Limits
from app.wire.sources import Source

BLOCK = 1 << 20


def blocks(source: Source, limits: Limits, rows_end: Callable[[bytearray], int]) -> Iterator[bytes]:
    """Blocks of whole rows, of `BLOCK` bytes or less, and more only where one row takes more.

    Where the cuts fall depends on the text alone, not on how it arrives.

    Args:
        rows_end: Where the last whole row of a text ends; 0 if there is none.

    Raises:
        TooLarge: A row takes more than `max_part_bytes`.
    """
    text, size, more = bytearray(), min(BLOCK, limits.max_part_bytes), True
    while more:
        more = _filled(text, source, size)
        end = rows_end(text) if more else len(text)
        if end:
            yield bytes(text[:end])
            del text[:end]
            size = min(BLOCK, limits.max_part_bytes)
        elif more and size == limits.max_part_bytes:
            raise TooLarge(f"a row must hold at most {size} bytes, found more")
        else:
            size = min(2 * size, limits.max_part_bytes)


def _filled(text: bytearray, source: Source, size: int) -> bool:
    """Read until a text has a size; whether the source had as much."""
    while len(text) < size:
        piece = source.read(size - len(text))
        if not piece:
            return False
        text += piece
    return True
