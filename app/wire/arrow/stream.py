"""The reader of Arrow IPC streams: a part for each record batch, or several where one is large."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from app.core.checkpoints import at_checkpoints
from app.errors import MalformedBody
from app.wire.arrow.arrays import parts_of, translated
from app.wire.arrow.dictionaries import Dictionaries
from app.wire.arrow.ipc import RECORD_BATCH, messages
from app.wire.arrow.schema import chosen_of_schema
from app.wire.arrow.wide import refuse_wide
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.sources import Readable, Source, Text


def parts(source: Source, limits: Limits, columns: ColumnMap) -> Iterator[dict[str, Any]]:
    """Yield the columns of an Arrow IPC stream, some rows at a time; none of a stream without rows.

    The messages are read and looked at here and only then given to pyarrow, which so never waits for bytes. No more
    than one record batch is in memory: nothing here holds one while the next arrives.

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
    for message in at_checkpoints(arriving):
        queue.extend(message.pieces)
        is_batch = message.kind == RECORD_BATCH
        del message
        if is_batch:
            batch = _next_batch(reader)
            n_rows = len(batch)
            yield from parts_of(batch, chosen, first_row, dictionaries)
            del batch
            first_row += n_rows


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
