"""The reader of Arrow IPC streams: a part for each record batch, or several where one is large."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from app.core.checkpoints import at_checkpoints
from app.errors import MalformedBody, SurprisalError
from app.wire.arrow.arrays import parts_of, translated
from app.wire.arrow.dictionaries import Dictionaries
from app.wire.arrow.ipc import RECORD_BATCH, Message, messages
from app.wire.arrow.schema import chosen_of_schema
from app.wire.arrow.wide import refuse_wide
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.sources import Readable, Source, Text

SMALL_ROWS, SMALL_BYTES = 2**8, 2**16
"""The size up to which a record batch is small: to read its columns takes longer than to score them."""
MOST_JOINED, JOINED_BYTES = 2**10, 2**20
"""The number of small batches, and their size, at which they are joined; one takes some kilobytes while it is kept."""


def parts(source: Source, limits: Limits, columns: ColumnMap) -> Iterator[dict[str, Any]]:
    """Yield the columns of an Arrow IPC stream, some rows at a time; none of a stream without rows.

    The messages are read and looked at here and only then given to pyarrow, which so never waits for bytes. No more
    than one record batch is in memory, but for small ones: nothing here holds another while the next arrives.

    Raises:
        MalformedBody: No Arrow IPC stream, or not a whole one.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the whole body.
        TooLarge: More bytes or columns than the limits allow.
    """
    arriving = messages(source, limits)
    queue: deque[Text] = deque()
    for message in islice(arriving, 1):
        queue.extend(message.pieces)
    pieces = list(queue)
    reader = _opened(queue)
    with translated("an Arrow IPC stream"):  # names of columns may be no UTF-8
        chosen = chosen_of_schema(reader.schema, limits, columns)
        if chosen.is_partial:
            queue.extendleft(reversed(pieces))
            reader = _opened(queue, chosen.places)
    dictionaries, first_row = Dictionaries(), 0
    for batch in _joined(_batches(arriving, queue, reader)):
        n_rows = len(batch)
        yield from parts_of(batch, chosen, first_row, dictionaries)
        del batch
        first_row += n_rows


def _batches(
    arriving: Iterator[Message], queue: deque[Text], reader: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch | None]:
    """Yield the record batches that have rows, and None where a dictionary comes between them."""
    for message in at_checkpoints(arriving):
        queue.extend(message.pieces)
        is_batch = message.kind == RECORD_BATCH
        del message
        batch = _next_batch(reader) if is_batch else None
        if batch is None or len(batch):
            yield batch
        del batch


def _joined(batches: Iterator[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch]:
    """Yield the record batches, small ones joined: some writers make one of each row.

    What precedes an error is given first, as it would be if it were not kept here.
    """
    kept: list[pa.RecordBatch] = []
    n_bytes = 0
    try:
        for batch in batches:
            if batch is not None and _is_small(batch):
                n_bytes += batch.get_total_buffer_size()
                kept.append(batch)
                if n_bytes < JOINED_BYTES and len(kept) < MOST_JOINED:
                    continue
                batch = None  # noqa: PLW2901 it is among those that are kept
            yield from _one(kept)
            kept, n_bytes = [], 0
            if batch is not None:
                yield batch
            del batch  # while the next one arrives
    except SurprisalError:
        yield from _one(kept)
        raise
    yield from _one(kept)


def _is_small(batch: pa.RecordBatch) -> bool:
    return len(batch) <= SMALL_ROWS and batch.get_total_buffer_size() <= SMALL_BYTES


def _one(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """One batch of several, or these if their types cannot be joined."""
    if len(batches) <= 1:
        return batches
    try:
        return [pa.concat_batches(batches, memory_pool=pa.system_memory_pool())]
    except pa.ArrowNotImplementedError:
        return batches


def _opened(queue: deque[Text], places: list[int] | None = None) -> pa.RecordBatchReader:
    """A reader of the messages in a queue, the first of which is the schema; it decodes only the columns at places."""
    pieces = list(queue)
    # decompressed bytes go back to the system, not to a pool that would keep them for the next request
    pool, options = pa.system_memory_pool(), pa.ipc.IpcReadOptions(use_threads=False, included_fields=places)
    try:
        with translated("an Arrow IPC stream"):
            return pa.ipc.open_stream(_file(queue), options=options, memory_pool=pool)
    except MalformedBody:
        refuse_wide(bytes(pieces[2]) if pieces else b"")
        raise


def _next_batch(reader: pa.RecordBatchReader) -> pa.RecordBatch:
    with translated("an Arrow IPC stream"):
        batch = reader.read_next_batch()
        batch.validate(full=True)
    return batch


def _file(queue: deque[Text]) -> pa.PythonFile:
    def pieces() -> Iterator[Text]:
        while queue:
            yield queue.popleft()

    return pa.PythonFile(Readable(pieces()), mode="r")
