"""Rows to try: the columns of an example in every format, as text to edit or as a file to download."""

from functools import cache
from typing import Any

from app.api.contract.examples import EXAMPLES
from app.api.contract.model_examples import CALIBRATE_EXAMPLES, COMPARE_EXAMPLES
from app.core.tasks import COLUMN_NAMES, TaskName, candidate_column
from app.wire.fields import SLICE
from app.wire.writers import WRITERS

BY_NOUN = {"score": EXAMPLES, "compare": COMPARE_EXAMPLES, "calibrate": CALIBRATE_EXAMPLES}
"""The examples of operations that take rows too; the first of each task has columns only, as a file has, but for
options that must be set."""


def formats_of(task: TaskName, noun: str = "score") -> list[str]:
    """The formats that can hold the rows of the first example of a task, in the order in which they are offered."""
    is_ragged = any(map(_is_ragged, _columns(task, noun).values()))
    return [format_ for format_ in WRITERS if not (is_ragged and format_ in RECTANGULAR)]


def sample(task: TaskName, format_: str, noun: str = "score") -> bytes:
    """The rows of the first example of a task, in one of its formats."""
    return WRITERS[format_](_columns(task, noun))


def file_name(task: TaskName, format_: str, noun: str = "score") -> str:
    """The name of a sample as a file."""
    return f"{task if noun == 'score' else f'{noun}-{task}'}.{SUFFIXES[format_]}"


@cache
def files() -> dict[str, tuple[TaskName, str, str]]:
    """The task, the format and the noun of each sample, by the name of its file."""
    return {
        file_name(task, format_, noun): (task, format_, noun)
        for noun, tasks in BY_NOUN.items()
        for task in tasks
        for format_ in formats_of(task, noun)
    }


def _columns(task: TaskName, noun: str) -> dict[str, list[Any]]:
    body = first_body(task, noun)
    columns = {name: values for name, values in body.items() if name in COLUMN_NAMES}
    columns |= {f"{SLICE}{name}": values for name, values in body.get("slices", {}).items()}
    for name, fields in body.get("candidates", {}).items():
        columns |= {candidate_column(name, field): values for field, values in fields.items()}
    return columns


def first_body(task: TaskName, noun: str) -> dict[str, Any]:
    """The body of the first example of a task."""
    return next(iter(BY_NOUN[noun][task].values())).body


def _is_ragged(values: list[Any]) -> bool:
    return len({len(value) for value in values if isinstance(value, list)}) > 1


TEXTS = ("csv", "ndjson")
RECTANGULAR = ("csv", "npz")
"""Formats without lists of uneven length."""
SUFFIXES = {"csv": "csv", "ndjson": "ndjson", "parquet": "parquet", "arrow": "arrows", "npz": "npz"}
