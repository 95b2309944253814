"""The errors of pydantic in this service's words: a place, a stable code, what must hold and what was found."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.core.metrics.registry import METRICS
from app.core.synonyms import meant
from app.errors import FieldError, InvalidInput, TooLarge, describe, pointer

Location: TypeAlias = tuple[int | str, ...]

MANY_ITEMS = 200
"""The values of a list beyond which it is looked at before pydantic is: that takes some 20 µs for each wrong value."""

TYPE_WORDS = {
    "float_type": "a number",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "string_type": "a string",
    "tuple_type": "a list",
}
QUOTED = re.compile(r"'([^']+)'")
"""A value of those that pydantic lists."""
ALWAYS = [metric.name for metric in METRICS if not metric.on_request]
"""Metrics that an answer holds without being asked for."""
BOUND_WORDS = {
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "greater than {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "literal_error": "{expected}",
}


def check_width(fields: Mapping[str, Any], max_columns: int) -> None:
    """Refuse tables of too many columns, those of candidates too.

    Raises:
        TooLarge: There are more than `max_columns`.
    """
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            if value.ndim == 2 and value.shape[1] > max_columns:
                raise TooLarge(f"{name} must have at most {max_columns} columns, found {value.shape[1]}")
        elif isinstance(value, dict):
            check_width(value, max_columns)


def check_list(name: str, values: tuple[Any, ...], most: int, item: TypeAdapter[Any] | None) -> None:
    """Refuse a long list that is too long, or has more than `MANY_ITEMS` wrong values, which would take seconds.

    Args:
        most: The most values of it.
        item: The type of one; None if the list must be short.

    Raises:
        InvalidInput: The list is refused; the first errors are told, and all are counted.
    """
    if len(values) > most:
        words = f"must hold at most {most} values, found {len(values)}"
        raise InvalidInput.at(pointer(name), "out_of_range", words)
    if item is None:
        return
    is_right = item.validator.isinstance_python
    wrong = [at for at, value in enumerate(values) if not is_right(value)]
    if len(wrong) > MANY_ITEMS:
        errors = chain.from_iterable(_errors_of_item(item, values[at], (name, at)) for at in wrong)
        raise InvalidInput(errors, len(wrong))


def _errors_of_item(item: TypeAdapter[Any], value: object, place: Location) -> Iterator[FieldError]:
    try:
        item.validate_python(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        for detail in details:
            detail["loc"] = (*place, *detail["loc"])
        yield from _errors_of_field(details)


def field_errors(details: Iterable[ErrorDetails]) -> list[FieldError]:
    """The errors that pydantic found, one a place.

    For a field that may be one thing or another pydantic reports every attempt. Here the one that fits the type of the
    value is told; if none fits, one error names all types.
    """
    fields: dict[Location, list[ErrorDetails]] = defaultdict(list)
    for detail in details:
        is_choice_of_item = len(detail["loc"]) > 2 and isinstance(detail["loc"][1], int)
        fields[detail["loc"][: 1 + is_choice_of_item]].append(detail)
    return list(chain.from_iterable(map(_errors_of_field, fields.values())))


def _errors_of_field(details: list[ErrorDetails]) -> Iterable[FieldError]:
    branches: dict[str, list[ErrorDetails]] = defaultdict(list)
    for detail in details:
        branches[_branch(detail["loc"])].append(detail)
    fitting = [branch for branch in branches.values() if not _is_other_type(branch)]
    if fitting or len(branches) == 1:
        return map(_error, chain.from_iterable(fitting or branches.values()))
    words = " or ".join(TYPE_WORDS[branch[0]["type"]] for branch in branches.values())
    return [_wrong_type(details[0]["loc"], words, details[0]["input"])]


def _branch(location: Location) -> str:
    return next((part for part in location[1:] if isinstance(part, str)), "")


def _is_other_type(branch: list[ErrorDetails]) -> bool:
    return branch[0]["type"] in TYPE_WORDS and isinstance(branch[0]["loc"][-1], str)


def _error(detail: ErrorDetails) -> FieldError:
    if words := TYPE_WORDS.get(detail["type"]):
        return _wrong_type(detail["loc"], words, detail["input"])
    words = BOUND_WORDS[detail["type"]].format(**detail["ctx"])
    found = f"must be {words}, found {describe(detail['input'])}"
    hint = ""
    if detail["loc"][0] == "metrics" and detail["input"] in ALWAYS:
        hint = "; this one stands in the answer without being asked for"
    elif detail["type"] == "literal_error" and isinstance(detail["input"], str):
        close = meant(detail["input"], QUOTED.findall(words))
        hint = f'; did you mean "{close}"?' if close else ""
    return FieldError(_place(detail["loc"]), "out_of_range", found + hint)


def _wrong_type(location: Location, words: str, value: Any) -> FieldError:
    return FieldError(_place(location), "wrong_type", f"must be {words}, found {describe(value)}")


def _place(location: Location) -> str:
    return pointer(location[0], *(part for part in location[1:] if isinstance(part, int)))
