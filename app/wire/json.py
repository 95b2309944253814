"""JSON bodies: known column fields become arrays, every other field stays as it came.

orjson makes Python objects, and NumPy would convert them silently: `np.array([True, "0.5"], float)` is an
array of two numbers. So the types of all values are looked at first, at C speed, and only then are the values
copied.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from app.core.columns import Column
from app.errors import FieldError, InvalidInput, MalformedBody, describe, pointer
from app.wire.columns import KINDS, LARGEST_INT, SLICE_KINDS, Kind, rows_of
from app.wire.fast_json import lift

UNKNOWN_TO_JSON = re.compile(rb"\b(NaN|Infinity)\b")

Rows: TypeAlias = list[list[Any]]


def decode(body: bytes | bytearray) -> dict[str, Any]:
    """Read one JSON object.

    In a column a list becomes a one-dimensional array, lists of one length become a two-dimensional one,
    uneven lists a `Ragged`. Of a field named twice the last one counts.

    Raises:
        MalformedBody: Not UTF-8, not JSON (which has no NaN and no Infinity), or not an object.
        InvalidInput: A column holds what it may not; the pointers name the elements.

    >>> decode(b'{"labels": [1, 0], "probabilities": [[0.25, 0.75], [1, null]], "unit": "bits"}')
    {'labels': array([1, 0]), 'probabilities': array([[0.25, 0.75], [1.  ,  nan]]), 'unit': 'bits'}
    """
    return _lifted(body) or _filled(_object(body), {})


def column_of(pointer: str, kinds: tuple[Kind, ...], value: object) -> Column | None:
    """The array of a list of values or of lists, of the first of `kinds` that all values are; None of null.

    Raises:
        InvalidInput: Not a list, or the values at `pointer` are not all of one of the kinds.

    >>> column_of("/logits", KINDS["logits"], [[1, 2], [3, 4.5]])
    array([[1. , 2. ], [3. , 4.5]])
    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidInput.at(pointer, "wrong_type", f"must be a list, found {describe(value)}")
    types = set(map(type, value))
    if list not in types:
        return _values(pointer, kinds, [value], nested=False)
    if len(types) > 1:
        raise _uneven_depth(pointer, kinds, value)
    return rows_of(_values(pointer, kinds, value, nested=True), list(map(len, value)))


def _lifted(body: bytes | bytearray) -> dict[str, Any] | None:
    """The same with long columns read apart; None if there are none, or if anything is wrong."""
    text, columns = lift(body, lambda name, values: column_of(f"/{name}", KINDS[name], values))
    if not columns:
        return None
    try:
        fields = _filled(_object(text), columns)
    except (MalformedBody, InvalidInput):
        return None
    return None if columns else fields


def _filled(fields: dict[str, Any], lifted: dict[str, Column]) -> dict[str, Any]:
    """The fields with their columns; those of `lifted` that are found are taken out of it."""
    refusals = []
    for holder, name, place, kinds in _columns(fields):
        value = holder[name]
        known = isinstance(value, str) and value in lifted and kinds is KINDS.get(name)
        try:
            holder[name] = lifted.pop(value) if known else column_of(place, kinds, value)
        except InvalidInput as refusal:
            refusals.append(refusal)
    if refusals:
        raise InvalidInput(chain.from_iterable(r.errors for r in refusals), sum(r.n_errors for r in refusals))
    return fields


def _columns(fields: dict[str, Any]) -> list[tuple[dict[str, Any], str, str, tuple[Kind, ...]]]:
    """Where columns stand: the object that holds each, its name there, its pointer, and what it may hold."""
    columns = [(fields, name, f"/{name}", KINDS[name]) for name in fields if name in KINDS]
    slices = fields.get("slices")
    if isinstance(slices, dict):
        columns += [(slices, name, pointer("slices", name), SLICE_KINDS) for name in slices]
    candidates = fields.get("candidates")
    for name, candidate in candidates.items() if isinstance(candidates, dict) else ():
        if isinstance(candidate, dict):
            forms = [form for form in candidate if form in KINDS]
            columns += [(candidate, form, pointer("candidates", name, form), KINDS[form]) for form in forms]
    return columns


def _object(body: bytes | bytearray) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "; JSON has no NaN and no Infinity" if UNKNOWN_TO_JSON.search(body) else ""
        raise MalformedBody(f"must be JSON: {error}{hint}") from error
    if not isinstance(value, dict):
        raise MalformedBody(f"must be a JSON object, found {describe(value)}")
    return value


def _values(pointer: str, kinds: tuple[Kind, ...], rows: Rows, *, nested: bool) -> NDArray[Any]:
    types = set(map(type, chain.from_iterable(rows)))
    for kind in kinds:
        if types <= kind.types:
            break
    else:
        raise _wrong_types(pointer, kinds, rows, nested=nested)
    try:
        return np.fromiter(chain.from_iterable(rows), kind.dtype, sum(map(len, rows)))
    except OverflowError as error:
        raise _too_large(pointer, rows, nested=nested) from error


def _uneven_depth(pointer: str, kinds: tuple[Kind, ...], values: list[Any]) -> InvalidInput:
    if isinstance(values[0], list):
        return _refusal(pointer, "a list like the first row", frozenset({list}), [values], nested=False)
    return _refusal(pointer, _either(kinds), _types(kinds), [values], nested=False)


def _wrong_types(pointer: str, kinds: tuple[Kind, ...], rows: Rows, *, nested: bool) -> InvalidInput:
    first = type(next(chain.from_iterable(rows)))
    like_first = [kind for kind in kinds if first in kind.types]
    if like_first and len(kinds) > 1:
        kind = like_first[0]
        return _refusal(pointer, f"{kind.word} like the first", kind.types, rows, nested=nested)
    return _refusal(pointer, _either(kinds), _types(kinds), rows, nested=nested)


def _refusal(pointer: str, word: str, types: frozenset[type], rows: Rows, *, nested: bool) -> InvalidInput:
    errors = (
        FieldError(_element(pointer, at), "wrong_type", f"must be {word}, found {describe(value)}")
        for at, value in _elements(rows, nested=nested)
        if type(value) not in types
    )
    counts = Counter(map(type, chain.from_iterable(rows)))
    return InvalidInput(errors, sum(count for type_, count in counts.items() if type_ not in types))


def _too_large(pointer: str, rows: Rows, *, nested: bool) -> InvalidInput:
    errors = (
        FieldError(_element(pointer, at), "out_of_range", f"must be at most {LARGEST_INT}, found {describe(value)}")
        for at, value in _elements(rows, nested=nested)
        if value > LARGEST_INT
    )
    return InvalidInput(errors, sum(value > LARGEST_INT for value in chain.from_iterable(rows)))


def _elements(rows: Rows, *, nested: bool) -> Iterator[tuple[tuple[int, ...], Any]]:
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            yield ((i, j) if nested else (j,)), value


def _element(pointer: str, at: Iterable[int]) -> str:
    return "/".join((pointer, *map(str, at)))


def _either(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(kind.word for kind in kinds)


def _types(kinds: tuple[Kind, ...]) -> frozenset[type]:
    return frozenset[type]().union(*(kind.types for kind in kinds))
