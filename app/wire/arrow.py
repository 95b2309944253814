"""Arrow IPC streams: a part for each record batch, or several where one is large."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from app.wire.arrays import names_of, parts_of, translated
from app.wire.ipc import RECORD_BATCH, Message, messages
from app.wire.limits import Limits
from app.wire.sources import Readable, Source


def parts(source: Source, limits: Limits) -> Iterator[dict[str, Any]]:
    """Columns of an Arrow IPC stream, of some rows at a time; none of a stream without rows.

    The messages are read and looked at here and only then given to pyarrow, which so never waits for bytes.

    Raises:
        MalformedBody: No Arrow IPC stream, or not a whole one.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the whole body.
        TooLarge: More bytes or columns than the limits allow.
    """
    arriving = messages(source, limits)
    queue = list(islice(arriving, 1))
    with translated("an Arrow IPC stream"):
        reader = pa.ipc.open_stream(_file(queue), options=pa.ipc.IpcReadOptions(use_threads=False))
        fields = names_of(reader.schema, limits)
    first_row = 0
    for message in arriving:
        queue.append(message)
        if message.kind == RECORD_BATCH:
            with translated("an Arrow IPC stream"):
                batch = reader.read_next_batch()
                batch.validate(full=True)
            yield from parts_of(batch, fields, first_row)
            first_row += len(batch)


def _file(queue: list[Message]) -> pa.PythonFile:
    def pieces() -> Iterator[bytes | bytearray]:
        while queue:
            yield from queue.pop(0).pieces

    return pa.PythonFile(Readable(pieces()), mode="r")
