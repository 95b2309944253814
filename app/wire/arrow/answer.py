"""The losses of rows as an Arrow IPC stream."""

import numpy as np
import pyarrow as pa

from app.core.columns import FloatArray

BATCH_ROWS = 1 << 16
"""The rows of each record batch in an answer."""


def stream_of(losses: FloatArray, facts: bytes) -> bytes:
    """Write a stream of one column `cross_entropy`: the losses (n,), null where they are NaN.

    Args:
        facts: JSON that goes along in the metadata of the schema, under `surprisal`.
    """
    column = pa.array(losses, mask=np.isnan(losses))
    table = pa.table({"cross_entropy": column}).replace_schema_metadata({"surprisal": facts})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)
    return bytes(sink.getvalue())
