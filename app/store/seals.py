"""Bytes that tell if they are those that were written, at the place where they were written."""

from hashlib import blake2b

from app.errors import StoreCorrupt

DIGEST_BYTES = 16


def sealed(content: bytes, *place: object) -> bytes:
    """The content with a digest of it and of its place before it.

    Args:
        place: The place, such as the id of a job and the number of a group: bytes of another place do not fit.
    """
    return _digest(content, place) + content


def opened(stored: bytes, *place: object) -> bytes:
    """The content of sealed bytes.

    Raises:
        StoreCorrupt: They are not those that were sealed for this place.
    """
    content = stored[DIGEST_BYTES:]
    if stored[:DIGEST_BYTES] != _digest(content, place):
        where = " ".join(map(str, place))
        raise StoreCorrupt(
            f"the store must hold what was written, found other bytes in its {where}; submit the job anew"
        )
    return content


def _digest(content: bytes, place: tuple[object, ...]) -> bytes:
    digest = blake2b(repr(place).encode(), digest_size=DIGEST_BYTES)
    digest.update(content)
    return digest.digest()
