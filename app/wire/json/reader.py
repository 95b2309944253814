"""The reader of JSON bodies: columns become arrays, every other field stays as it came."""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import orjson

from app.core.checkpoints import at_checkpoints
from app.core.columns import Column, Ragged
from app.core.kernels.json_columns import JsonColumns, Stop, json_columns
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput, MalformedBody, describe, pointer
from app.wire.columns import RULES, SLICE_RULE, Rule
from app.wire.foreign import likeness, not_utf_8
from app.wire.json.heavy import is_heavy, refusal_of
from app.wire.json.lists import column_of
from app.wire.json.names import n_names, refuse_repeated
from app.wire.json.weight import pay_for_objects

NO_NUMBER = re.compile(rb"\b(NaN|Infinity)\b")
NUMBERS = '; JSON has no NaN and no Infinity: null is NaN, and "-Infinity" may stand for a logit or a log-probability'
MAX_DEPTH = 1024
"""The most lists and objects within each other that the parser reads."""
ROWS = "rows are sent as NDJSON (application/x-ndjson) to the path that ends in /rows; here each field is a column"

Text: TypeAlias = bytes | bytearray
Columns: TypeAlias = Mapping[str, Any]
"""The columns by name; under `slices` and `candidates` stand columns by name again."""
Holder: TypeAlias = tuple[dict[str, Any], str, str, Rule, Columns]
"""A column: the object that holds it, its name there, its pointer, its rule, and the columns read of that object."""


def walk(body: Text, task: TaskName) -> JsonColumns | None:
    """Read in C the columns that hold only numbers or booleans, and leave the text without them; see `json_columns`."""
    return json_columns(body, _NAMES[task], orjson.loads)


def decode(body: Text, task: TaskName) -> dict[str, Any]:
    """Read one JSON object, with or without a byte order mark.

    In a column a list becomes a one-dimensional array, lists of one length become a two-dimensional one,
    uneven lists a `Ragged`. Values that `mask` leaves out are not checked.

    Raises:
        MalformedBody: Not UTF-8, not JSON (which has no NaN and no Infinity), or not an object.
        InvalidInput: A column holds what it may not, or a name comes twice; the pointers name the places.

    >>> decode(b'{"labels": [1, 0], "probabilities": [[0.25, 0.75], [1, null]], "unit": "bits"}', "multiclass")
    {'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  ,  nan]]), 'unit': 'bits'}
    """
    return fields_of(body, walk(body, task), task)


def fields_of(body: Text, walked: JsonColumns | None, task: TaskName) -> dict[str, Any]:
    """The fields of a body like those of `decode`, once `walk` has read it."""
    if walked is not None:
        if is_heavy(walked.rest):
            raise refusal_of(body, walked.stop, walked.rest, _rule_of(walked.stop, task))
        try:
            fields = object_of(walked.rest)
        except MalformedBody:
            pass  # the whole body is read below, which names the place of the fault
        else:
            return _filled(fields, walked.columns, task)
    return _filled(object_of(body.removeprefix(BOM_UTF8)), {}, task)


def no_json(text: Text, error: orjson.JSONDecodeError) -> str:
    """The error of a text that is no JSON, with advice."""
    if words := likeness(text):
        return f"must be JSON, found {words}"
    hint = NUMBERS if NO_NUMBER.search(text) else ""
    return not_utf_8(text) or f"must be JSON{syntax_fault(error, str(error))}{hint}"


def syntax_fault(error: orjson.JSONDecodeError, words: str) -> str:
    """The fault that the parser found, in `words` unless it is the depth: of some deep texts it says memory lacks."""
    deep = error.msg in {"depth limit exceeded", "failed to allocate memory"}
    return f" of at most {MAX_DEPTH} levels, found more" if deep else f": {words}"


def _filled(fields: dict[str, Any], read: Columns, task: TaskName) -> dict[str, Any]:
    """The fields with columns as arrays: those in `read`, and others made of their lists."""
    refusals = []
    shared: Column | None = None
    own: Column | None = None
    owner = fields
    for holder, name, place, rule, known in at_checkpoints(_columns(fields, read, RULES[task])):
        if holder is not owner:
            owner, own = holder, None
        scored = shared if own is None else own
        try:
            holder[name] = known[name] if name in known else column_of(place, rule, holder[name], scored)
        except InvalidInput as refusal:
            refusals.append(refusal.with_traceback(None))  # which would hold this frame, and so itself
        if name == "mask" and rule is not SLICE_RULE and isinstance(mask := holder[name], np.ndarray | Ragged):
            shared, own = (mask, None) if holder is fields else (shared, mask)
    if refusals:
        raise InvalidInput.joined(refusals)
    return fields


def _columns(fields: dict[str, Any], read: Columns, rules: dict[str, Rule]) -> list[Holder]:
    """The columns of a body with their places, the mask first, and those of candidates with their own masks first."""
    columns = [(fields, name, f"/{name}", rules[name], read) for name in fields if name in rules]
    if "mask" in fields:
        columns.sort(key=lambda holder: holder[1] != "mask")
    slices = fields.get("slices")
    if isinstance(slices, dict):
        known = read.get("slices", {})
        columns += [(slices, name, pointer("slices", name), SLICE_RULE, known) for name in slices]
    candidates = fields.get("candidates")
    for name, candidate in candidates.items() if isinstance(candidates, dict) else ():
        if isinstance(candidate, dict):
            known = read.get("candidates", {}).get(name, {})
            forms = sorted((form for form in candidate if form in rules), key=lambda form: form != "mask")
            columns += [(candidate, form, pointer("candidates", name, form), rules[form], known) for form in forms]
    return columns


def object_of(body: Text) -> dict[str, Any]:
    """The fields of a JSON object as they stand there.

    Raises:
        MalformedBody: It is none.
        InvalidInput: A name comes twice.
    """
    if is_heavy(body):
        raise MalformedBody(_unread(body))
    pay_for_objects(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(no_json(body, error) + _rows_hint(body)) from error
    if not isinstance(value, dict):
        hint = f"; {ROWS}" if isinstance(value, list) else ""
        raise MalformedBody(f"must be a JSON object, found {describe(value)}{hint}")
    refuse_repeated(body, n_names(value))
    return value


def _unread(body: Text) -> str:
    """The error of a long text that is not even parsed, for its brackets or strings are not those of an object."""
    if body.lstrip()[:1] == b"[":
        return f"must be a JSON object, found {describe([])}; {ROWS}"
    found = f"found {kind}" if (kind := likeness(body)) else not_utf_8(body)
    return f"must be a JSON object, {found or 'whose brackets and strings must end'}{_rows_hint(body)}"


def _rows_hint(body: Text) -> str:
    """The advice for a body that is JSON Lines."""
    line, _, rest = body.lstrip().partition(b"\n")
    if not rest.strip().startswith(b"{"):
        return ""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    return f"; {ROWS}"


def _rule_of(stop: Stop | None, task: TaskName) -> Rule | None:
    if stop is None:
        return None
    return SLICE_RULE if stop.path[0] == b"slices" else RULES[task].get(stop.path[-1].decode())


_LETTERS = {"i": "i", "b": "b", "O": "s"}


def _letters(rule: Rule) -> str:
    # In a column of lists a null would be a row, and that is none.
    words = ("" if rule.nested else "n") + ("t" if rule.kinds[0].texts else "")
    return f"d{words}" if rule.kinds[0].dtype.kind == "f" else "".join(_LETTERS[kind.dtype.kind] for kind in rule.kinds)


_NAMES = {task: "".join(f"{name}:{_letters(rule)} " for name, rule in RULES[task].items()).encode() for task in TASKS}
"""The columns of each task as `json_columns` wants them."""
