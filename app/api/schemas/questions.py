"""A cache of questions: bodies that differ in their numbers alone ask the same, which is checked once and kept."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from starlette.datastructures import QueryParams

from app.api.schemas.query import RowsSchema, query_options
from app.api.schemas.validation import check_width
from app.core.kernels.json_columns import JsonColumns, count_byte
from app.core.options import MAX_KEPT_ENTRIES
from app.core.paying import hold
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody
from app.service import ApplyRequest, CalibrateRequest, CompareRequest, ScoreRequest
from app.wire.json import reader as json
from app.wire.json.weight import STRING_BYTES

Asked = TypeVar("Asked", ScoreRequest, CompareRequest, CalibrateRequest, ApplyRequest)
Schema: TypeAlias = Callable[[TaskName, Mapping[str, Any]], Asked]
"""A function that makes a request of the fields of a body; of columns it looks at the names only."""

Names: TypeAlias = str | tuple[str, tuple[str, ...]]
"""The name of a column, or that of a candidate with those of its fields."""

NUMBER_BYTES = 8

MAX_KEPT = 256
"""The most questions that are kept of each kind."""
MAX_KEPT_BYTES = 2**14
"""The longest text, in bytes, whose question is kept; longer ones hold thousands of class names or weights."""


def asked(schema: Schema[Asked], task: TaskName, body: bytes | bytearray, max_columns: int) -> Asked:
    """The request that a JSON body makes.

    Raises:
        MalformedBody: It is no JSON object.
        InvalidInput: A column holds what it may not, or the schema refuses a field.
        TooLarge: A table has more than `max_columns` columns, or the body could never fit into memory.
        Unavailable: Others hold the memory at present.
    """
    # the walk makes columns of numbers and strings, and a text of the rest; the body itself is joined from its pieces
    hold("decoded", 2 * len(body) + NUMBER_BYTES * count_byte(body, b","))
    hold("objects", STRING_BYTES * (count_byte(body, b'"') // 2))
    return asked_of(schema, task, body, json.walk(body, task), max_columns)


def asked_of(
    schema: Schema[Asked], task: TaskName, body: bytes | bytearray, walked: JsonColumns | None, max_columns: int
) -> Asked:
    """The request of a body whose columns the walk in C has read already, as far as it could."""
    if walked is not None and walked.is_whole:
        text = walked.rest
        try:
            alike = (_asked_with if len(text) <= MAX_KEPT_BYTES else _asked_with.__wrapped__)(schema, task, text)
        except (MalformedBody, InvalidInput):
            pass  # the whole body is read below, which names the place of the error
        else:
            if walked.width > max_columns:
                check_width(walked.columns, max_columns)
            return alike.with_columns(walked.columns)  # type: ignore[no-any-return]
    fields = json.fields_of(body, walked, task)
    check_width(fields, max_columns)
    return schema(task, fields)


@lru_cache(maxsize=MAX_KEPT)
def _asked_with(schema: Schema[Any], task: TaskName, text: bytes) -> Any:
    """The request of a text with an empty list in place of each column; errors are not kept."""
    return schema(task, json.object_of(text))


def asked_of_rows(
    schema: RowsSchema,
    task: TaskName,
    query: bytes,
    columns: Mapping[str, Any],
    classes: tuple[str, ...] | None = None,
) -> Any:
    """The request that columns and a query make.

    Args:
        schema: The fields of the operation.
        query: The query of the URL, as it came.
        columns: The columns as a format has read them: by name, those of slices as one entry.
        classes: The class names that were found in the body, if the query asks for that.

    Raises:
        InvalidInput: The schema refuses a column or a parameter.
    """
    is_kept = len(query) <= MAX_KEPT_BYTES and len(classes or ()) <= MAX_KEPT_ENTRIES
    with_names = _asked_with_names if is_kept else _asked_with_names.__wrapped__
    names = tuple(name for name in columns if name != "candidates")
    candidates = tuple((name, tuple(fields)) for name, fields in columns.get("candidates", {}).items())
    return with_names(schema, task, query, (*names, *candidates), classes).with_columns(columns)


@lru_cache(maxsize=MAX_KEPT)
def _asked_with_names(
    schema: RowsSchema, task: TaskName, query: bytes, names: tuple[Names, ...], classes: tuple[str, ...] | None
) -> Any:
    columns: dict[str, Any] = {name: {} if name == "slices" else () for name in names if isinstance(name, str)}
    if candidates := dict(name for name in names if not isinstance(name, str)):
        columns["candidates"] = {name: dict.fromkeys(fields, ()) for name, fields in candidates.items()}
    found = {} if classes is None else {"classes": classes}
    return schema.request(task, columns | query_options(schema, task, QueryParams(query)) | found)
