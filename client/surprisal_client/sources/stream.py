"""Arrow streams: columns in memory as a table, and record batches as bytes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from surprisal_client.exchange import Chunk
from surprisal_client.optional import needed
from surprisal_client.sources.arrays import Column

BATCH_BYTES = 2 << 20
"""Bytes of a batch at most: the service bounds it, and scores a smaller one while the next is on its way."""


def table_of(fields: Mapping[str, Column]) -> Any:
    """A table of fields in memory, which it shares where it can."""
    pa = needed("pyarrow", "arrow", "a table")
    return pa.table({name: _array(pa, column) for name, column in fields.items()})


def _array(pa: Any, column: Column) -> Any:
    if isinstance(column, np.ndarray) and column.ndim > 1:
        rows = column.reshape(len(column), -1)
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    return pa.array(column)


def chunks(schema: Any, batches: Iterable[Any]) -> Iterator[Chunk]:
    """Yield the bytes of a stream: the schema with the first batch, each further batch, the end."""
    pa = needed("pyarrow", "arrow", "a stream")
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            for part in small(batch):
                writer.write_batch(part)
                yield Chunk(sink.taken(), part.num_rows)
    yield Chunk(sink.taken())


def small(batch: Any) -> Iterator[Any]:
    """Cut a record batch into parts of bounded size."""
    step = max(1, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes))
    if batch.num_rows <= step:
        yield batch
        return
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)


class _Sink:
    """A file that hands on what is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Take bytes, which are the writer's only for now."""
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        """Do nothing: there is nothing behind it."""

    def close(self) -> None:
        """Do nothing: it is read after its end."""

    def taken(self) -> bytes:
        """Hand out what has been written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data
