"""Rows that a generator yields one by one, as NDJSON."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from surprisal_client.exchange import Body, Chunk
from surprisal_client.sources import Source
from surprisal_client.sources.memory import jsonable
from surprisal_client.sources.naming import dimensions_of_first, naming_of, query

CHUNK_ROWS = 500


def source_of(rows: Iterator[Mapping[str, Any]], fields: Mapping[str, Any]) -> Source:
    """The source of an iterator of rows: objects with the names of the fields, or with columns that `fields` names."""
    first = next(rows)
    naming = naming_of(fields)
    columns = {name: isinstance(value, list | tuple | np.ndarray) for name, value in first.items()}
    dimensions, untold = dimensions_of_first(naming, columns)
    every = chain([first], rows)
    body = Body("application/x-ndjson", lambda: _chunks(every), can_repeat=False)
    return Source(dimensions, body, query(naming), untold=untold)


def _chunks(rows: Iterator[Mapping[str, Any]]) -> Iterator[Chunk]:
    lines: list[str] = []
    for row in rows:
        lines.append(json.dumps(jsonable(row), allow_nan=False))
        if len(lines) == CHUNK_ROWS:
            yield Chunk(_joined(lines), len(lines))
            lines.clear()
    if lines:
        yield Chunk(_joined(lines), len(lines))


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
