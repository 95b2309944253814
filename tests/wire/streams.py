"""Arrow streams as pyarrow writes them."""

import io
from typing import Any

import pyarrow as pa


def stream(*batches: pa.RecordBatch, **options: Any) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return out.getvalue()
