"""Writers of plain columns in every format that is read: they make samples for people who try the service."""

import io
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Columns: TypeAlias = Mapping[str, list[Any]]


def _npz(columns: Columns) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{name: np.array(values) for name, values in columns.items()})
    return file.getvalue()


def _arrow(columns: Columns) -> bytes:
    table, file = pa.table(dict(columns)), io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def _parquet(columns: Columns) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file)
    return file.getvalue()


def _ndjson(columns: Columns) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return b"".join(orjson.dumps(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


def _csv(columns: Columns) -> bytes:
    """A header and rows, lists as one column for each place."""
    cells: dict[str, list[Any]] = {}
    for name, values in columns.items():
        is_list = isinstance(values[0], list)
        places = zip(*values, strict=True) if is_list else [values]
        cells |= {f"{name}_{i}" if is_list else name: list(place) for i, place in enumerate(places)}
    lines = [list(cells), *zip(*cells.values(), strict=True)]
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


WRITERS: dict[str, Callable[[Columns], bytes]] = {
    "csv": _csv,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "arrow": _arrow,
    "npz": _npz,
}
"""The writers by name of the format, in the order in which they are offered: first those that a person can read."""
