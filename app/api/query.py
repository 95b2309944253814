"""Options of requests whose body has no place for them: query parameters of the same names."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from app.api.schemas import MODELS
from app.api.validation import pointer
from app.core.options import option_names
from app.core.tasks import TaskName
from app.errors import FieldError, InvalidInput

FURTHER = ("include", "metrics", "bootstrap")
WORDS = ("unit", "normalization", "denominator", "bin_edges", "classes")
"""Options whose values are texts, whatever they look like."""


def query_names(task: TaskName) -> list[str]:
    """The query parameters that a task knows, in the order of the contract."""
    return [name for name in (*option_names(task), *FURTHER) if name in MODELS[task].model_fields]


def query_options(task: TaskName, query: QueryParams) -> dict[str, Any]:
    """The values that query parameters stand for, as JSON would have sent them; the schema checks them.

    A list is a parameter sent several times, or its values with commas between them; names in `classes` may hold commas
    themselves, so each is a parameter. `bootstrap` is a JSON object.

    Raises:
        InvalidInput: A parameter that the task does not know, or one value too many.
    """
    known = query_names(task)
    unknown = [name for name in query if name not in known]
    if unknown:
        detail = "must be an option, found a query parameter that is none; columns belong into the body"
        raise InvalidInput((FieldError(pointer(name), "unknown_field", detail) for name in unknown), len(unknown))
    return {name: _value(task, name, query.getlist(name)) for name in query}


def refuse_query(task: TaskName, query: QueryParams) -> None:
    """A JSON body has a place for options, so those beside it were sent by mistake.

    Raises:
        InvalidInput: A query parameter has the name of an option.
    """
    misplaced = [name for name in query if name in MODELS[task].model_fields]
    if misplaced:
        detail = "must stand in the JSON body, found it as a query parameter"
        raise InvalidInput((FieldError(pointer(name), "misplaced", detail) for name in misplaced), len(misplaced))


def _value(task: TaskName, name: str, texts: Sequence[str]) -> Any:
    if name == "classes":
        return list(texts)
    kinds, several = _kinds(task)[name], len(texts) > 1 or "," in texts[0]
    if "array" in kinds and (several or "number" not in kinds):
        return [_plain(name, item.strip()) for text in texts for item in text.split(",")]
    if len(texts) > 1:
        raise InvalidInput.at(pointer(name), "duplicate", f"must be sent once, found {len(texts)} values")
    return _plain(name, texts[0])


@cache
def _kinds(task: TaskName) -> dict[str, set[str]]:
    """The JSON types that each field may have."""
    properties = MODELS[task].model_json_schema()["properties"]
    return {name: {kind.get("type", "") for kind in p.get("anyOf", [p])} for name, p in properties.items()}


def _plain(name: str, text: str) -> Any:
    """A number, or what else JSON makes of the text; the text itself where it is a word."""
    if name in WORDS:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
