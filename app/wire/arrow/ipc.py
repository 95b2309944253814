"""The messages of an Arrow IPC stream, each held to the limits before it is read or decoded."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.core.paying import hold
from app.errors import MalformedBody, TooLarge
from app.wire.arrow.flatbuffers import Table, root
from app.wire.foreign import N_START, likeness
from app.wire.limits import Limits, Tally, check_part
from app.wire.sources import Source, Text, exactly, many

CONTINUATION = b"\xff\xff\xff\xff"
MAGIC = b"ARROW1"
"""The first bytes of a file, and the last ones. Behind the first two more stand, and then a stream with its marker."""
MAX_METADATA_BYTES = 1 << 20
MAX_DICTIONARY_BYTES = 4 << 20
"""The most bytes of the dictionaries in use at once: pyarrow looks through those that a batch uses, for each batch."""

SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
PIECE = 1 << 16
NO_STREAM = "found a file without one: write the stream format (polars: write_ipc_stream), or Parquet"
SMALLER = "write smaller record batches, as with max_chunksize of pyarrow's write_table"


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its kind, and its bytes in the pieces that pyarrow's reader asks for."""

    kind: int
    pieces: tuple[Text, ...]


def messages(source: Source, limits: Limits) -> Iterator[Message]:
    """The messages of a stream up to the marker of its end, which must be there: without it a cut would go unseen.

    A file is read as the stream that it holds. No body of a message is kept here while the next arrives.

    Raises:
        MalformedBody: No Arrow stream, or not a whole one.
        TooLarge: A message says that it is, or becomes, larger than the limits allow; it is not read then.
    """
    stream = _Stream(source, limits)
    kinds = {SCHEMA}
    head = exactly(source, 4)
    is_file = head == MAGIC[:4]
    if is_file:
        if exactly(source, 4) != MAGIC[4:] + bytes(2):
            raise MalformedBody("must begin like an Arrow file, found other bytes")
        head = exactly(source, 4)
        if head != CONTINUATION:
            raise MalformedBody(f"must be an Arrow IPC stream, or a file that holds one, {NO_STREAM}")
    while metadata := _metadata(source, head):
        yield stream.message(metadata, kinds)
        kinds = {DICTIONARY_BATCH, RECORD_BATCH}
        head = exactly(source, 4)
    if is_file:
        _skip_footer(source)
    elif source.read(1):
        raise MalformedBody("must end with the Arrow stream, found more bytes")


def _skip_footer(source: Source) -> None:
    """Read to the end of a file, which tells again where its messages are, and then that it ends."""
    end = b""
    while piece := source.read(PIECE):
        end = (end + piece)[-len(MAGIC) :]
    if end != MAGIC:
        raise MalformedBody("must be a whole Arrow file, found one that ends too early")


class _Stream:
    """The state between messages that is needed to hold the next one to the limits."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._tally = Tally(limits)
        self._dictionaries: dict[int, int] = {}
        self._n_held = self._n_waiting = 0

    def message(self, metadata: bytes | bytearray, kinds: set[int]) -> Message:
        """Read the message that begins with `metadata` and is of one of `kinds`."""
        with _refusing_broken():
            message = root(metadata)
            kind, n_body, header = message.scalar(1, "<B"), message.scalar(3, "<q"), message.table(2)
        if kind not in kinds or n_body < 0 or header is None:
            raise MalformedBody(
                "must be a schema and then Arrow record batches and dictionaries, found another message"
            )
        check_part(n_body, self._limits, "an Arrow message", SMALLER)
        hold("decoded", n_body)
        body = many(self._source, n_body)
        with _refusing_broken():
            n_decoded = len(body) if kind == SCHEMA else _decoded_size(_batch(kind, header), body)
            check_part(n_decoded, self._limits, "an Arrow record batch", SMALLER)
            hold("decoded", n_body + n_decoded)
            self._tally.add(len(metadata) + n_body, len(metadata) + n_decoded)
            self._count(kind, header, len(metadata) + max(n_body, n_decoded))
        return Message(kind, (CONTINUATION, struct.pack("<i", len(metadata)), metadata, body))

    def _count(self, kind: int, header: Table, n_bytes: int) -> None:
        """Count the dictionaries that are held, and those that wait for the record batch with which they are read.

        A delta adds to the dictionary of its number, any other takes its place.
        """
        if kind != DICTIONARY_BATCH:
            self._n_waiting = 0
            return
        number, is_delta = header.scalar(0, "<q"), header.scalar(2, "<?")
        before = self._dictionaries.get(number, 0)
        self._dictionaries[number] = n_bytes + (before if is_delta else 0)
        self._n_held += self._dictionaries[number] - before
        self._n_waiting += n_bytes
        if max(self._n_held, self._n_waiting) > MAX_DICTIONARY_BYTES:
            rule = f"the dictionaries of an Arrow stream must hold at most {MAX_DICTIONARY_BYTES} bytes together"
            raise TooLarge(f"{rule}: send such strings plain")


@contextmanager
def _refusing_broken() -> Iterator[None]:
    try:
        yield
    except struct.error as error:
        raise MalformedBody(f"must be Arrow messages: {error}") from error


def _metadata(source: Source, head: bytes | bytearray) -> bytes | bytearray:
    """The metadata of the next message, which begins with `head`; none at the end of the stream."""
    if head != CONTINUATION:
        words = likeness(head + source.read(N_START)) or "other bytes"
        raise MalformedBody(f"must be an Arrow IPC stream or file, found {words}")
    (size,) = struct.unpack("<i", exactly(source, 4))
    if not 0 <= size <= MAX_METADATA_BYTES:
        raise TooLarge(f"an Arrow message must have at most {MAX_METADATA_BYTES} bytes of metadata, found {size}")
    return exactly(source, size)


def _batch(kind: int, header: Table) -> Table | None:
    return header.table(1) if kind == DICTIONARY_BATCH else header


def _decoded_size(batch: Table | None, body: Text) -> int:
    """The bytes of a body with its buffers decompressed, by the lengths with which these begin.

    Raises:
        MalformedBody: A buffer lies outside the body, or two share bytes, which then would count twice.
    """
    buffers = [] if batch is None else [(start, length) for start, length in batch.pairs(2) if length]
    is_compressed = batch is not None and batch.table(3) is not None
    ends = [0, *(start + length for start, length in buffers)]
    starts = [*(start for start, _ in buffers), len(body)]
    if any(start < end for end, start in zip(ends, starts, strict=True)):
        raise MalformedBody("must have Arrow buffers one after the other in their message, found others")
    return sum(_decoded_length(body, start, length) for start, length in buffers) if is_compressed else len(body)


def _decoded_length(body: Text, start: int, length: int) -> int:
    decoded = struct.unpack_from("<q", body, start)[0] if length >= 8 else -2
    if decoded < -1:
        raise MalformedBody("must have compressed Arrow buffers that begin with a length, found another")
    return int(decoded if decoded >= 0 else length - 8)
