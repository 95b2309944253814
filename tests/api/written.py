"""Rows written in every format that can say them, null, NaN and minus infinity included."""

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from app.api.negotiation.formats import FORMATS

JSON_PATH, ROWS_PATH = "/v1/score/{}", "/v1/score/{}/rows"
Columns = dict[str, list[Any]]
Pairs = list[tuple[str, list[Any]]]


class UnsayableError(Exception):
    """A format has no words for some values."""


def written(columns: Columns | Pairs) -> Iterator[tuple[str, bytes]]:
    """The columns in every format, and way to write it, that can say them; slices are named `slices.{name}`."""
    pairs = list(columns.items()) if isinstance(columns, dict) else columns
    for way, writer in WRITERS.items():
        try:
            yield way, writer(pairs)
        except UnsayableError:
            continue


async def sent(client: httpx.AsyncClient, task: str, way: str, body: bytes, options: dict[str, Any]) -> httpx.Response:
    """The answer to a body that `written` made."""
    format_ = FORMATS[way.partition(",")[0]]
    headers = {"content-type": format_.media_type}
    if not format_.is_json:
        return await client.post(ROWS_PATH.format(task), params=options, content=body, headers=headers)
    text = json.dumps(options)[1:-1]
    whole = body if not text else body[: body.rindex(b"}")] + b", " + text.encode() + b"}"
    return await client.post(JSON_PATH.format(task), content=whole, headers=headers)


def text_of(value: Any) -> str:
    """A value as JSON has it: null for NaN, a string for minus infinity."""
    match value:
        case list():
            return f"[{', '.join(map(text_of, value))}]"
        case float() if math.isnan(value):
            return "null"
        case float() if value == -math.inf:
            return '"-Infinity"'
        case float() if value == math.inf:
            raise UnsayableError
    return json.dumps(value)


def _json(pairs: Pairs) -> bytes:
    return _object([(name, text_of(values)) for name, values in pairs]).encode()


def _object(pairs: list[tuple[str, str]]) -> str:
    plain = [f"{json.dumps(name)}: {text}" for name, text in pairs if not name.startswith("slices.")]
    slices = [f"{json.dumps(name[7:])}: {text}" for name, text in pairs if name.startswith("slices.")]
    if slices:
        plain.append('"slices": {' + ", ".join(slices) + "}")
    return f"{{{', '.join(plain)}}}"


def _ndjson(pairs: Pairs) -> bytes:
    rows = [_object([(name, text_of(values[i])) for name, values in pairs]) for i in range(len(pairs[0][1]))]
    return "\n".join(rows).encode()


def _csv(pairs: Pairs) -> bytes:
    columns = [entry for name, values in pairs for entry in numbered(name, values)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows(zip(*([_cell(value) for value in values] for _, values in columns), strict=True))
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def numbered(name: str, values: list[Any]) -> Pairs:
    """The columns `name_0` and so on of lists of one length; a null list is null in all of them."""
    rows = [value for value in values if isinstance(value, list)]
    if not rows:
        return [(name, values)]
    width = len(rows[0])
    if not width or any(len(row) != width for row in rows) or any(not isinstance(v, list | None) for v in values):
        raise UnsayableError
    full = [value or [None] * width for value in values]
    return [(f"{name}_{j}", [row[j] for row in full]) for j in range(width)]


def table(pairs: Pairs) -> pa.Table:
    """The columns as pyarrow understands them."""
    try:
        arrays = [pa.array(values, _type(values), from_pandas=False) for _, values in pairs]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UnsayableError from error
    return pa.Table.from_arrays(arrays, [name for name, _ in pairs])


def _type(values: list[Any]) -> pa.DataType | None:
    flat = [v for row in values for v in (row if isinstance(row, list) else [row]) if v is not None]
    is_large = flat and all(type(v) is int for v in flat) and max(flat) >= 2**63
    if any(type(v) is float for v in flat) and any(type(v) is int for v in flat):
        return pa.list_(pa.float64()) if isinstance(next(v for v in values if v is not None), list) else pa.float64()
    return pa.uint64() if is_large else None


def _arrow(rows: int, shape: Callable[[Pairs], Pairs]) -> Callable[[Pairs], bytes]:
    def writer(pairs: Pairs) -> bytes:
        out, whole = io.BytesIO(), table(shape(pairs))
        with pa.ipc.new_stream(out, whole.schema) as stream:
            stream.write_table(whole, max_chunksize=rows)
        return out.getvalue()

    return writer


def _parquet(pairs: Pairs) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table(pairs), out, row_group_size=2)
    return out.getvalue()


def _apart(pairs: Pairs) -> Pairs:
    return [entry for name, values in pairs for entry in numbered(name, values)]


def _npz(pairs: Pairs) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, values in pairs:
            member = io.BytesIO()
            np.save(member, _array(values), allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    return out.getvalue()


def _array(values: list[Any]) -> np.ndarray:
    flat = [v for row in values for v in (row if isinstance(row, list) else [row])]
    if any(isinstance(v, list) for v in values):
        width = len(next(v for v in values if isinstance(v, list)))
        values = [[math.nan] * width if v is None else v for v in values]
    if None in flat and not any(isinstance(v, float) for v in flat):
        raise UnsayableError
    kinds = {type(v) for v in flat} - {type(None)}
    if len(kinds - {int, float}) > 1 or (len(kinds) > 1 and not kinds <= {int, float}):
        raise UnsayableError
    nan = [[math.nan if v is None else v for v in row] if isinstance(row, list) else row for row in values]
    try:
        return np.array(
            [math.nan if v is None else v for v in nan], np.uint64 if _type(values) == pa.uint64() else None
        )
    except ValueError as error:
        raise UnsayableError from error


WRITERS: dict[str, Callable[[Pairs], bytes]] = {
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "arrow": _arrow(1000, list),
    "arrow, a row a batch": _arrow(1, list),
    "arrow, numbered": _arrow(1000, _apart),
    "parquet": _parquet,
    "npz": _npz,
}
