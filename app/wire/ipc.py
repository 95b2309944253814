"""The messages of an Arrow IPC stream, each held to the limits before it is read or decoded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import MalformedBody, TooLarge
from app.wire.flatbuffers import Table, root
from app.wire.limits import Limits, Tally, check_part
from app.wire.sources import Source, exactly

CONTINUATION = b"\xff\xff\xff\xff"
MAX_METADATA_BYTES = 1 << 20
MAX_DICTIONARY_BYTES = 4 << 20
"""Of all dictionaries of a stream: each batch looks through those it uses."""

SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it is, and its bytes in the pieces that a reader asks for."""

    kind: int
    pieces: tuple[bytes | bytearray, ...]


def messages(source: Source, limits: Limits) -> Iterator[Message]:
    """The messages of a stream up to the marker of its end, which must be there: without it a cut would go unseen.

    Raises:
        MalformedBody: No Arrow stream, or not a whole one.
        TooLarge: A message says that it is, or becomes, larger than the limits allow; it is not read then.
    """
    tally, n_dictionary = Tally(limits), 0
    while metadata := _metadata(source):
        try:
            message = root(metadata)
            kind, n_body, header = message.scalar(1, "<B"), message.scalar(3, "<q"), message.table(2)
        except struct.error as error:
            raise MalformedBody(f"must be Arrow messages: {error}") from error
        if n_body < 0 or header is None:
            raise MalformedBody("must be Arrow messages with a header and a body, found one without")
        check_part(n_body, limits, "an Arrow message")
        body = exactly(source, n_body)
        n_decoded = _decoded_size(kind, header, body)
        check_part(n_decoded, limits, "an Arrow record batch")
        tally.add(len(metadata) + n_body, len(metadata) + n_decoded)
        if kind == DICTIONARY_BATCH:
            n_dictionary += n_decoded
            _check_dictionaries(n_dictionary)
        yield Message(kind, (CONTINUATION, struct.pack("<i", len(metadata)), metadata, body))
    if source.read(1):
        raise MalformedBody("must end with the Arrow stream, found more bytes")


def _metadata(source: Source) -> bytes | bytearray:
    """The metadata of the next message; none at the end of the stream."""
    if exactly(source, 4) != CONTINUATION:
        raise MalformedBody("must be an Arrow IPC stream (not a file), found other bytes")
    (size,) = struct.unpack("<i", exactly(source, 4))
    if not 0 <= size <= MAX_METADATA_BYTES:
        raise TooLarge(f"an Arrow message must have at most {MAX_METADATA_BYTES} bytes of metadata, found {size}")
    return exactly(source, size)


def _check_dictionaries(n_bytes: int) -> None:
    if n_bytes > MAX_DICTIONARY_BYTES:
        rule = f"the dictionaries of an Arrow stream must hold at most {MAX_DICTIONARY_BYTES} bytes together"
        raise TooLarge(f"{rule}; send such strings plain")


def _decoded_size(kind: int, header: Table, body: bytes | bytearray) -> int:
    """Bytes of a body with its buffers decompressed, by the lengths that these begin with.

    Raises:
        MalformedBody: A buffer lies outside the body, or two share bytes, which then would count twice.
    """
    if kind not in {DICTIONARY_BATCH, RECORD_BATCH}:
        return len(body)
    try:
        batch = header.table(1) if kind == DICTIONARY_BATCH else header
        buffers = [] if batch is None else [(start, length) for start, length in batch.pairs(2) if length]
        is_compressed = batch is not None and batch.table(3) is not None
    except struct.error as error:
        raise MalformedBody(f"must be Arrow messages: {error}") from error
    ends = [0, *(start + length for start, length in buffers)]
    starts = [*(start for start, _ in buffers), len(body)]
    if any(start < end for end, start in zip(ends, starts, strict=True)):
        raise MalformedBody("must have Arrow buffers one after the other in their message, found others")
    return sum(_decoded_length(body, start, length) for start, length in buffers) if is_compressed else len(body)


def _decoded_length(body: bytes | bytearray, start: int, length: int) -> int:
    decoded = struct.unpack_from("<q", body, start)[0] if length >= 8 else -2
    if decoded < -1:
        raise MalformedBody("must have compressed Arrow buffers that begin with a length, found another")
    return int(decoded if decoded >= 0 else length - 8)
