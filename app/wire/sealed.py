"""Sealed forms: JSON that is stored or sent between processes of this service, compressed, with a checksum."""

from hashlib import blake2b
from typing import Any

import orjson
import pyarrow as pa

from app.errors import StoreCorrupt

MARK = b"SSF1"
"""The first bytes of a sealed form, whose last one is the version."""
N_DIGEST, N_SIZE = 16, 8
HEAD = len(MARK) + N_DIGEST + N_SIZE
_WRITING = orjson.OPT_SERIALIZE_NUMPY


def sealed(form: Any) -> bytes:
    """The bytes of a form."""
    text = orjson.dumps(form, option=_WRITING)
    size = len(text).to_bytes(N_SIZE, "little")
    packed: bytes = pa.compress(text, codec="zstd", asbytes=True)
    return MARK + _digest(size, packed) + size + packed


def opened(data: bytes) -> Any:
    """The form in some bytes.

    Raises:
        StoreCorrupt: They are not those that were written.
    """
    digest, size, packed = data[len(MARK) : HEAD - N_SIZE], data[HEAD - N_SIZE : HEAD], data[HEAD:]
    if data[: len(MARK)] != MARK or len(data) < HEAD or digest != _digest(size, packed):
        raise StoreCorrupt("stored sums must be those that were written, found other bytes")
    try:
        return orjson.loads(pa.decompress(packed, int.from_bytes(size, "little"), "zstd", asbytes=True))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreCorrupt("stored sums must be those that were written, found others") from error


def _digest(size: bytes, packed: bytes) -> bytes:
    return blake2b(size + packed, digest_size=N_DIGEST).digest()
