"""Questions: all that a body asks for but its numbers, checked once for all bodies that are alike in it, and kept."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from starlette.datastructures import QueryParams

from app.api.schemas.query import query_options
from app.api.schemas.score import score_request
from app.api.schemas.validation import check_width
from app.core.kernels import JsonColumns
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody
from app.service import CalibrateRequest, CompareRequest, ScoreRequest
from app.wire.json import reader as json

Asked = TypeVar("Asked", ScoreRequest, CompareRequest, CalibrateRequest)
Schema: TypeAlias = Callable[[TaskName, Mapping[str, Any]], Asked]
"""Makes a request of the fields of a body, and looks at nothing but the names of columns."""

MAX_KEPT = 256
"""The most requests without their columns that are kept, of each kind."""
MAX_KEPT_BYTES = 2**14
"""The longest text that is kept with what it asks for; longer ones hold thousands of class names or weights."""


def asked(schema: Schema[Asked], task: TaskName, body: bytes | bytearray, max_columns: int) -> Asked:
    """The request that a JSON body makes.

    Raises:
        MalformedBody: It is no JSON object.
        InvalidInput: A column holds what it may not, or the schema refuses a field.
        TooLarge: A table has more than `max_columns` columns.
    """
    return asked_of(schema, task, body, json.walk(body, task), max_columns)


def asked_of(
    schema: Schema[Asked], task: TaskName, body: bytes | bytearray, walked: JsonColumns | None, max_columns: int
) -> Asked:
    """The same of a body that was walked over."""
    if walked is not None and walked.is_whole:
        text = walked.rest
        try:
            alike = (_asked_with if len(text) <= MAX_KEPT_BYTES else _asked_with.__wrapped__)(schema, task, text)
        except (MalformedBody, InvalidInput):
            pass  # what is wrong is told below, with its place in the body
        else:
            check_width(walked.columns, max_columns)
            return alike.with_columns(walked.columns)  # type: ignore[no-any-return]
    fields = json.fields_of(body, walked, task)
    check_width(fields, max_columns)
    return schema(task, fields)


@lru_cache(maxsize=MAX_KEPT)
def _asked_with(schema: Schema[Any], task: TaskName, text: bytes) -> Any:
    """The request of a text with an empty list in place of each column; errors are not kept."""
    return schema(task, json.object_of(text))


def asked_of_rows(task: TaskName, query: bytes, columns: Mapping[str, Any]) -> ScoreRequest:
    """The request that columns and a query make.

    Args:
        query: The query of the URL, as it came.
        columns: As a format has read them: by name, and those of slices as one entry.

    Raises:
        InvalidInput: The schema refuses a column or a parameter.
    """
    with_names = _asked_with_names if len(query) <= MAX_KEPT_BYTES else _asked_with_names.__wrapped__
    return with_names(task, query, tuple(columns)).with_columns(columns)


@lru_cache(maxsize=MAX_KEPT)
def _asked_with_names(task: TaskName, query: bytes, names: tuple[str, ...]) -> ScoreRequest:
    columns: dict[str, Any] = {name: {} if name == "slices" else () for name in names}
    return score_request(task, columns | query_options(task, QueryParams(query)))
