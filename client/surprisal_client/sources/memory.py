"""Fields in memory as a source, and the formats that it may be sent in."""

import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from surprisal_client.exchange import Body, Chunk
from surprisal_client.fields import wrong
from surprisal_client.optional import arrow
from surprisal_client.sources import Source, stream
from surprisal_client.sources.arrays import Column, column_of, dimensions_of

SMALL = 2000
"""Numbers up to which JSON is no larger a cost than the request itself, and keeps options beside the columns."""
CHUNK_BYTES = 1 << 20
"""Bytes of a record batch: large enough that its head costs nothing, small enough to be scored as it arrives."""


def source_of(given: Mapping[str, Any]) -> Source:
    """The source of fields that are arrays or lists.

    Raises:
        InputError: A field mixes types, or fields differ in length.
    """
    fields = columns_of(given)
    dimensions = {name: dimensions_of(column) for name, column in fields.items() if name.partition(".")[0] != "slices"}
    if sum(map(n_values, fields.values())) <= SMALL and not _has_rare_slices(fields):
        return Source(dimensions, columns=nested(fields))
    return Source(dimensions, body=compact(fields), columns=nested(fields))


def _has_rare_slices(fields: Mapping[str, Column]) -> bool:
    """Tell slices that JSON does not take, which are numbers with fractions and values with gaps."""
    slices = (column for name, column in fields.items() if name.startswith("slices."))
    return any(isinstance(column, list) or column.dtype.kind not in "biuU" for column in slices)


def columns_of(given: Mapping[str, Any]) -> dict[str, Column]:
    """A column of each field, and of each slice under `slices.{name}`.

    >>> columns_of({"slices": {"site": ["x", "y"]}})
    {'slices.site': array(['x', 'y'], dtype='<U1')}
    """
    flat = {name: values for name, values in given.items() if name != "slices"}
    flat |= {f"slices.{name}": values for name, values in _slices(given.get("slices", {})).items()}
    fields = {name: column_of(name, values) for name, values in flat.items()}
    _check_lengths(fields)
    return fields


def _slices(slices: Any) -> dict[str, Any]:
    if isinstance(slices, Mapping):
        return dict(slices)
    if hasattr(slices, "columns"):  # a frame
        return {str(name): slices[name] for name in slices.columns}
    if getattr(slices, "name", None):  # a series
        return {str(slices.name): slices}
    raise wrong("slices", "wrong_type", 'must be an object of name and values, such as {"site": [...]}')


def _check_lengths(fields: Mapping[str, Column]) -> None:
    lengths = {name: len(column) for name, column in fields.items()}
    first = next(iter(lengths), "")
    for name, length in lengths.items():
        if length != lengths[first]:
            raise wrong(
                name, "wrong_length", f"must hold as many rows as {first}, {lengths[first]:,}; found {length:,}"
            )


def n_values(column: Column) -> int:
    """The numbers and names in a column.

    >>> n_values([[-0.5], [-1.0, -2.0]])
    3
    """
    if isinstance(column, np.ndarray):
        return column.size
    return sum(len(row) if isinstance(row, list) else 1 for row in column)


def nested(fields: Mapping[str, Column]) -> dict[str, Any]:
    """Fields as a JSON body holds them: slices and candidates in objects.

    >>> nested({"slices.site": ["x"], "candidates.v1.2.logits": [0.5]})
    {'slices': {'site': ['x']}, 'candidates': {'v1.2': {'logits': [0.5]}}}
    """
    found: dict[str, Any] = {}
    for name, column in fields.items():
        first, _, rest = name.partition(".")
        if first == "candidates":
            candidate, _, form = rest.rpartition(".")
            found.setdefault(first, {}).setdefault(candidate, {})[form] = column
        elif rest:
            found.setdefault(first, {})[rest] = column
        else:
            found[name] = column
    return found


def compact(fields: Mapping[str, Column]) -> Body | None:
    """The smallest body that holds the fields: Arrow, else npz; none if neither does."""
    n_rows = len(next(iter(fields.values()), []))
    if arrow():
        return Body("application/vnd.apache.arrow.stream", lambda: _arrow_chunks(fields, n_rows), total_rows=n_rows)
    return npz(fields)


def npz(fields: Mapping[str, Column]) -> Body | None:
    """A body of npz; none if a field is of uneven length or has gaps."""
    n_rows = len(next(iter(fields.values()), []))
    if all(isinstance(column, np.ndarray) for column in fields.values()):
        return Body("application/x-npz", lambda: _npz_chunks(fields, n_rows), total_rows=n_rows)
    return None


def _arrow_chunks(fields: Mapping[str, Column], n_rows: int) -> Iterator[Chunk]:
    table = stream.table_of(fields)
    step = max(1, CHUNK_BYTES * n_rows // max(1, table.nbytes))
    yield from stream.chunks(table.schema, table.to_batches(max_chunksize=step))


def _npz_chunks(fields: Mapping[str, Column], n_rows: int) -> Iterator[Chunk]:
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **fields)
    yield Chunk(content.getvalue(), n_rows)


def json_body(fields: Mapping[str, Any]) -> Body:
    """A JSON body; minus infinity is the word for it, NaN is null."""
    content = json.dumps(jsonable(fields), allow_nan=False, separators=(",", ":")).encode()
    return Body("application/json", lambda: iter([Chunk(content)]), total_bytes=len(content))


def jsonable(value: Any) -> Any:
    """A value that `json.dumps` takes.

    >>> jsonable({"logits": np.array([0.5, -np.inf])})
    {'logits': [0.5, '-Infinity']}
    """
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and (value.dtype.kind != "f" or bool(np.isfinite(value).all())):
        return value.tolist()
    if isinstance(value, list | tuple | set | np.ndarray) or hasattr(value, "to_numpy"):
        return [jsonable(item) for item in (value.to_numpy() if hasattr(value, "to_numpy") else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return value
