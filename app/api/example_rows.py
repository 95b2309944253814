"""Examples of JSON bodies as rows of text."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.core.tasks import COLUMN_NAMES


def ndjson_rows(body: Mapping[str, Any]) -> str:
    """The columns of a body, an object a row."""
    return "".join(orjson.dumps(row).decode() + "\n" for row in _rows(body))


def csv_rows(body: Mapping[str, Any]) -> str:
    """The columns of a body with a header, lists as one column for each place; empty where lists are uneven."""
    rows = [_cells(row) for row in _rows(body)]
    if len({tuple(row) for row in rows}) > 1:
        return ""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(",".join(str(cell) for cell in line) + "\n" for line in lines)


def _rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = {name: values for name, values in body.items() if name in COLUMN_NAMES}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in row.items():
        cells |= {f"{name}_{i}": item for i, item in enumerate(value)} if isinstance(value, list) else {name: value}
    return cells


ROWS_AS_TEXT: dict[str, Callable[[Mapping[str, Any]], str]] = {"ndjson": ndjson_rows, "csv": csv_rows}
"""The formats that a person can read."""
