"""JSON bodies: known column fields become arrays, every other field stays as it came."""

import re
from codecs import BOM_UTF8
from typing import Any, TypeAlias

import numpy as np
import orjson

from app.core.columns import BoolArray, Column
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody, describe, pointer
from app.wire.columns import RULES, SLICE_RULE, Rule
from app.wire.foreign import likeness, not_utf_8
from app.wire.json.lists import column_of
from app.wire.json.long_columns import LEAST_CHARACTERS, lift
from app.wire.json.names import n_names, refuse_repeated

NO_NUMBER = re.compile(rb"\b(NaN|Infinity)\b")
NUMBERS = '; JSON has no NaN and no Infinity: null is NaN, and "-Infinity" may stand for a logit or a log-probability'
ROWS = "rows are sent as NDJSON (application/x-ndjson) to the path that ends in /rows; here each field is a column"

Holder: TypeAlias = tuple[dict[str, Any], str, str, Rule]
"""The object that holds a column, its name there, its pointer, and what it may be."""


def decode(body: bytes | bytearray, task: TaskName) -> dict[str, Any]:
    """Read one JSON object, with or without a byte order mark.

    In a column a list becomes a one-dimensional array, lists of one length become a two-dimensional one,
    uneven lists a `Ragged`. What `mask` leaves out is not looked at.

    Raises:
        MalformedBody: Not UTF-8, not JSON (which has no NaN and no Infinity), or not an object.
        InvalidInput: A column holds what it may not, or a name comes twice; the pointers name the places.

    >>> decode(b'{"labels": [1, 0], "probabilities": [[0.25, 0.75], [1, null]], "unit": "bits"}', "multiclass")
    {'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  ,  nan]]), 'unit': 'bits'}
    """
    body = body.removeprefix(BOM_UTF8) if body.startswith(BOM_UTF8) else body
    return _lifted(body, task) or _filled(_object(body), {}, task)


def no_json(text: bytes | bytearray, error: orjson.JSONDecodeError) -> str:
    """The fault of a text that is no JSON, and the advice about it."""
    if words := likeness(text):
        return f"must be JSON, found {words}"
    hint = NUMBERS if NO_NUMBER.search(text) else ""
    return not_utf_8(text) or f"must be JSON: {error}{hint}"


def _lifted(body: bytes | bytearray, task: TaskName, least: int = LEAST_CHARACTERS) -> dict[str, Any] | None:
    """The same with long columns read apart; None if there are none, or if anything is wrong."""
    text, columns = lift(body, least)
    if not columns:
        return None
    try:
        fields = _filled(_object(text), columns, task)
    except (MalformedBody, InvalidInput):
        return None
    return None if columns else fields


def _filled(fields: dict[str, Any], lifted: dict[str, Column], task: TaskName) -> dict[str, Any]:
    """The fields with their columns; those of `lifted` that are found are taken out of it."""
    refusals = []
    scored: BoolArray | None = None
    for holder, name, place, rule in _columns(fields, RULES[task]):
        value = holder[name]
        known = isinstance(value, str) and value in lifted and rule is RULES[task].get(name)
        try:
            holder[name] = lifted.pop(value) if known else column_of(place, rule, value, scored)
        except InvalidInput as refusal:
            refusals.append(refusal)
        if name == "mask" and isinstance(mask := holder[name], np.ndarray):
            scored = mask
    if refusals:
        raise InvalidInput.joined(refusals)
    return fields


def _columns(fields: dict[str, Any], rules: dict[str, Rule]) -> list[Holder]:
    """The places of columns, that of the mask first."""
    columns = [(fields, name, f"/{name}", rules[name]) for name in fields if name in rules]
    if "mask" in fields:
        columns.sort(key=lambda holder: holder[1] != "mask")
    slices = fields.get("slices")
    if isinstance(slices, dict):
        columns += [(slices, name, pointer("slices", name), SLICE_RULE) for name in slices]
    candidates = fields.get("candidates")
    for name, candidate in candidates.items() if isinstance(candidates, dict) else ():
        if isinstance(candidate, dict):
            forms = [form for form in candidate if form in rules]
            columns += [(candidate, form, pointer("candidates", name, form), rules[form]) for form in forms]
    return columns


def _object(body: bytes | bytearray) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(no_json(body, error) + _rows_hint(body)) from error
    if not isinstance(value, dict):
        hint = f"; {ROWS}" if isinstance(value, list) else ""
        raise MalformedBody(f"must be a JSON object, found {describe(value)}{hint}")
    refuse_repeated(body, n_names(value))
    return value


def _rows_hint(body: bytes | bytearray) -> str:
    """The way for rows where a body begins with one and goes on with another line."""
    line, _, rest = body.lstrip().partition(b"\n")
    if not rest.strip().startswith(b"{"):
        return ""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    return f"; {ROWS}"
