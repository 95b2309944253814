"""Rows to try: the columns of an example in every format, as text to edit or as a file to download."""

from typing import Any

from app.api.contract.examples import EXAMPLES
from app.core.tasks import COLUMN_NAMES, TaskName
from app.wire.writers import WRITERS


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


TEXTS = ("csv", "ndjson")
RECTANGULAR = ("csv", "npz")
"""Formats without lists of uneven length."""
SUFFIXES = {"csv": "csv", "ndjson": "ndjson", "parquet": "parquet", "arrow": "arrows", "npz": "npz"}
FORMATS = {suffix: format_ for format_, suffix in SUFFIXES.items()}
