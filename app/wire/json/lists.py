"""Columns made of Python lists, as they come out of JSON.

NumPy would convert silently: `np.array([True, "0.5"], float)` is an array of two numbers. So the types of all values
are looked at first, at C speed, and only then are the values copied.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core.columns import Column, Ragged, marked_rows
from app.errors import FieldError, InvalidInput, describe
from app.wire.columns import LARGEST_INT, LARGEST_WHOLE, NAMES, STRING, Kind, Rule, rows_of

TO_LISTS = '; of a data frame of pandas, to_dict("list") makes lists'
AS_STRINGS = "; send them as strings"

Rows: TypeAlias = list[list[Any]]


def column_of(place: str, rule: Rule, value: object, scored: Column | None = None) -> Column | None:
    """The array of a list of values or of lists, in the first kind of the rule that fits all values; None of null.

    Lists of one length become a two-dimensional array, others a `Ragged`. A column that is all lists where values
    belong, or all values where lists do, is an array too: the batch says what is wrong with all of it.

    Args:
        place: The pointer of the column.
        scored: The mask, of a value a row or of lists; where it is False, anything may stand.

    Raises:
        InvalidInput: Not a list, or the values are not all of one of the kinds; the pointers name those at fault.

    >>> from app.wire.columns import RULES
    >>> column_of("/logits", RULES["multiclass"]["logits"], [[1, 2], [3, "-Infinity"]])
    array([[  1.,   2.],
           [  3., -inf]])
    """
    if value is None:
        return None
    if not isinstance(value, list):
        hint = TO_LISTS if isinstance(value, dict) else ""
        raise InvalidInput.at(place, "wrong_type", f"must be a list, found {describe(value)}{hint}")
    if scored is None or len(scored) != len(value):
        return _column(place, rule, value)
    try:
        return _column(place, rule, value)
    except InvalidInput:
        return _column(place, rule, _without_left_out(rule, value, scored))


def _column(place: str, rule: Rule, values: list[Any]) -> Column:
    types = set(map(type, values))
    if types == {list}:
        return rows_of(_values(place, rule, values, nested=True), list(map(len, values)))
    are_lists = rule.nested
    if are_lists is None:
        are_lists = 2 * sum(type(value) is list for value in values) >= len(values) > 0
    if are_lists and (list in types or not types <= _types(rule.kinds) - {type(None)}):
        lists = Kind("a list", frozenset({list}), np.dtype(np.object_))
        raise _refusal(place, (lists,), [values], nested=False)
    return _values(place, rule, [values], nested=False)


def _with_integers(values: list[Any]) -> list[Any]:
    """The values of a row, with integers in place of numbers that are written with a point and have no fraction."""
    return [
        int(value) if type(value) is float and value.is_integer() and abs(value) <= LARGEST_WHOLE else value
        for value in values
    ]


def _without_left_out(rule: Rule, values: list[Any], scored: Column) -> list[Any]:
    """The values, with the first scored value or an empty list in place of each that is not scored."""
    rows = marked_rows(scored)
    first = next((v for v, kept in zip(values, rows.tolist(), strict=True) if kept), _nothing(rule.kinds))
    blank = [] if rule.nested else first
    kept = [value if kept else blank for value, kept in zip(values, rows.tolist(), strict=True)]
    if isinstance(scored, Ragged):
        return _without_elements(rule, kept, [row.tolist() for row in np.split(scored.values, scored.offsets[1:-1])])
    return kept if scored.ndim == 1 else _without_elements(rule, kept, scored.tolist())


def _without_elements(rule: Rule, values: list[Any], marks: Rows) -> list[Any]:
    are_full = [type(row) is list and len(row) == len(mark) for row, mark in zip(values, marks, strict=True)]
    full = [(row, mark) for row, mark, is_full in zip(values, marks, are_full, strict=True) if is_full]
    chosen = (v for row, mark in full for v, kept in zip(row, mark, strict=True) if kept)
    blank = next(chosen, _nothing(rule.kinds))
    return [
        [v if kept else blank for v, kept in zip(row, mark, strict=True)] if is_full else row
        for row, mark, is_full in zip(values, marks, are_full, strict=True)
    ]


def _nothing(kinds: tuple[Kind, ...]) -> Any:
    return np.zeros(1, kinds[0].dtype)[0].item() if kinds[0] != STRING else ""


def _values(place: str, rule: Rule, rows: Rows, *, nested: bool) -> NDArray[Any]:
    kinds, types = rule.kinds, set(map(type, chain.from_iterable(rows)))
    if rule.takes_whole and float in types:
        rows = list(map(_with_integers, rows))
        types = set(map(type, chain.from_iterable(rows)))
    kind = next((kind for kind in kinds if types <= kind.types), None) or _with_texts(kinds, types, rows)
    if kind is None:
        raise _refusal(place, kinds, rows, nested=nested)
    try:
        return np.fromiter(chain.from_iterable(rows), kind.dtype, sum(map(len, rows)))
    except OverflowError as error:
        raise _too_large(place, rows, nested=nested) from error


def _with_texts(kinds: tuple[Kind, ...], types: set[type], rows: Rows) -> Kind | None:
    """The first kind that fits all values when some are words such as "-Infinity", which NumPy reads."""
    texts = {value for value in chain.from_iterable(rows) if type(value) is str} if str in types else set()
    return next((kind for kind in kinds if texts <= kind.texts and types - {str} <= kind.types), None)


def _refusal(place: str, kinds: tuple[Kind, ...], rows: Rows, *, nested: bool) -> InvalidInput:
    """An error for each value that is not of the kind of most."""
    counts = Counter(map(type, chain.from_iterable(rows)))
    first = next(chain.from_iterable(rows))
    usual = max(kinds, key=lambda kind: (sum(counts[type_] for type_ in kind.types), kind.holds(first)))
    is_known = len(kinds) > 1 and any(counts[type_] for type_ in usual.types)
    wanted = f"{usual.wanted} like the others" if is_known else _either(kinds)
    right = (usual,) if is_known else kinds

    def is_wrong(value: object) -> bool:
        return not any(kind.holds(value) for kind in right)

    errors = (
        FieldError(
            _element(place, at), "wrong_type", f"must be {wanted}, found {describe(value)}{_hint(place, value, kinds)}"
        )
        for at, value in _elements(rows, nested=nested)
        if is_wrong(value)
    )
    return InvalidInput(errors, sum(map(is_wrong, chain.from_iterable(rows))))


def _hint(place: str, value: object, kinds: tuple[Kind, ...]) -> str:
    """The advice about a wrong value: an object, a label with a fraction, or an integer beyond 64 bits."""
    if isinstance(value, dict) and any(kind.holds([]) for kind in kinds):
        return "; send its values as a list, in the order of the classes"
    if isinstance(value, dict) and place.endswith("log_probabilities"):
        return "; send its `logprob` alone"
    if isinstance(value, float) and place == "/labels":
        return "; send integers (soft or one-hot labels are `targets`)"
    return AS_STRINGS if place.startswith(NAMES) and isinstance(value, float) and value > LARGEST_INT else ""


def _too_large(place: str, rows: Rows, *, nested: bool) -> InvalidInput:
    hint = AS_STRINGS if place.startswith(NAMES) else ""
    large = [(at, value) for at, value in _elements(rows, nested=nested) if value > LARGEST_INT]
    errors = (
        FieldError(_element(place, at), "out_of_range", f"must be at most {LARGEST_INT}, found {describe(value)}{hint}")
        for at, value in large
    )
    return InvalidInput(errors, len(large))


def _elements(rows: Rows, *, nested: bool) -> Iterator[tuple[tuple[int, ...], Any]]:
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            yield ((i, j) if nested else (j,)), value


def _element(place: str, at: tuple[int, ...]) -> str:
    return "/".join((place, *map(str, at)))


def _either(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(kind.wanted for kind in kinds)


def _types(kinds: tuple[Kind, ...]) -> frozenset[type]:
    return frozenset[type]().union(*(kind.types for kind in kinds))
