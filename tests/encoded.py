"""Columns written in every format that is read."""

import csv
import gzip
import io
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.api.negotiation.formats import FORMATS


def encoded(format_: str, columns: dict[str, list[Any]], rows_at_once: int = 7) -> bytes:
    """The columns, lists of values or of lists; where the format has batches, of so many rows."""
    return ENCODERS[format_](columns, rows_at_once)


def compressed(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body)
    return bytes(pa.compress(body, "zstd", asbytes=True)) if encoding == "zstd" else body


def _npz(columns: dict[str, list[Any]], _: int) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **{name: np.array(values) for name, values in columns.items()})
    return sink.getvalue()


def table(columns: dict[str, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _arrow(columns: dict[str, list[Any]], rows_at_once: int) -> bytes:
    rows = table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=rows_at_once)
    return bytes(sink.getvalue())


def _parquet(columns: dict[str, list[Any]], rows_at_once: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table(columns), sink, row_group_size=rows_at_once)
    return sink.getvalue()


def _ndjson(columns: dict[str, list[Any]], _: int) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return b"".join(orjson.dumps(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


def _csv(columns: dict[str, list[Any]], _: int) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    widths = {name: len(values[0]) if isinstance(values[0], list) else 0 for name, values in columns.items()}
    writer.writerow([cell for name, k in widths.items() for cell in ([f"{name}_{i}" for i in range(k)] or [name])])
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_text(item) for value in row for item in (value if isinstance(value, list) else [value])])
    return sink.getvalue().encode()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


ENCODERS = {"npz": _npz, "arrow": _arrow, "parquet": _parquet, "ndjson": _ndjson, "csv": _csv}
MEDIA_TYPES = {name: FORMATS[name].media_type for name in ENCODERS}
