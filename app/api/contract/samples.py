"""Rows to try: the columns of an example in every format, as text to edit or as a file to download."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.api.contract.examples import EXAMPLES
from app.core.tasks import COLUMN_NAMES, TaskName

Columns = Mapping[str, list[Any]]


def sample(task: TaskName, format_: str) -> bytes | None:
    """The rows of the first example of a task; None in a format that is unknown or cannot hold them."""
    if format_ not in WRITERS:
        return None
    body = next(iter(EXAMPLES[task].values())).body
    columns = {name: values for name, values in body.items() if name in COLUMN_NAMES}
    if format_ in RECTANGULAR and any(map(_is_ragged, columns.values())):
        return None
    return WRITERS[format_](columns)


def _is_ragged(values: list[Any]) -> bool:
    return len({len(value) for value in values if isinstance(value, list)}) > 1


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
"""By name of the format, in the order in which they are offered: first what a person can read."""
TEXTS = ("csv", "ndjson")
RECTANGULAR = ("csv", "npz")
"""Formats without lists of uneven length."""
SUFFIXES = {"csv": "csv", "ndjson": "ndjson", "parquet": "parquet", "arrow": "arrows", "npz": "npz"}
FORMATS = {suffix: format_ for format_, suffix in SUFFIXES.items()}
