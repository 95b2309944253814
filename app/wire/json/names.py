"""A search for names that an object of JSON has twice, which parsers do not report.

A parser keeps the last of several values without a word. So the names in a text are counted and held against those
that the parser kept; only where the numbers differ are they read. Objects in lists do not count: a list of objects is
no column, and nobody looks at them where it is left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from orjson import loads

from app.core.columns import IntArray
from app.core.kernels.json_columns import count_byte
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, pointer

QUOTE, COLON, OPENING, CLOSING, LIST, LIST_END = b'":{}[]'
SECOND = 2
MAX_PLACES = 20_000
"""The most names and braces that are searched for the name that comes again; a request has fewer than a thousand."""
DEEPEST = 5
"""The most names of a path in an error: a row of a form of a candidate has no more."""


def refuse_repeated(text: bytes | bytearray, n_kept: int) -> None:
    r"""Refuse JSON in which an object has a name twice, however it is escaped.

    Args:
        text: One or several values of JSON, known to be sound.
        n_kept: The number of names that `n_names` finds in these values.

    Raises:
        InvalidInput: A name comes again; the pointers name each.

    >>> try:
    ...     refuse_repeated(rb'{"labels": [1], "l\u0061bels": [0]}', 1)
    ... except InvalidInput as error:
    ...     print(error)
    /labels: must be named once, found the name again
    """
    # A string or a list may hold colons, so there may be more of them than names, never fewer.
    if count_byte(text, b":") == n_kept:
        return
    signs, quotes = _signs(text)
    if len(_outside(signs, quotes, [COLON])) != n_kept:
        raise refusal(repeated(text))


def refusal(paths: Iterable[tuple[str | int, ...]]) -> InvalidInput:
    """The refusal of the names that stand at some paths again: there may be many, and each may be long.

    Without a path it says that there is such a name, as of one that stands beyond `MAX_PLACES`.
    """
    paths = iter(paths)
    listed = [
        FieldError(pointer(*path[:DEEPEST]), "duplicate", "must be named once, found the name again")
        for path in islice(paths, MAX_LISTED_ERRORS)
    ]
    if not listed:
        return InvalidInput.at("", "duplicate", "must hold each name once, found one again")
    return InvalidInput(listed, len(listed) + sum(1 for _ in paths))


def n_names(value: dict[str, Any]) -> int:
    """Count the names of an object and of the objects in it, but for those in lists."""
    n, inner = len(value), [entry for entry in value.values() if type(entry) is dict]
    while inner:
        entries = inner.pop()
        n += len(entries)
        inner += [entry for entry in entries.values() if type(entry) is dict]
    return n


def repeated(text: bytes | bytearray) -> Iterator[tuple[str, ...]]:
    """Yield the path of each name that its object has again, within the first `MAX_PLACES` names and braces."""
    signs, quotes = _signs(text)
    places = _outside(signs, quotes, [COLON, OPENING, CLOSING])[:MAX_PLACES]
    before = np.searchsorted(quotes, places)
    counts: list[Counter[str]] = []
    path: list[str] = []
    for place, n_quotes in zip(places.tolist(), before.tolist(), strict=True):
        if signs[place] == OPENING:
            counts.append(Counter())
            path.append("")
        elif signs[place] == CLOSING:
            counts.pop()
            path.pop()
        else:
            path[-1] = loads(text[quotes[n_quotes - 2] : quotes[n_quotes - 1] + 1])
            counts[-1][path[-1]] += 1
            if counts[-1][path[-1]] == SECOND:
                yield tuple(path)


def _signs(text: bytes | bytearray) -> tuple[NDArray[np.uint8], IntArray]:
    """The bytes of a text without escapes, and where its quotes stand."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"__").replace(rb"\"", b"__")
    signs = np.frombuffer(text, np.uint8)
    return signs, np.flatnonzero(signs == QUOTE)


def _outside(signs: NDArray[np.uint8], quotes: IntArray, wanted: list[int]) -> IntArray:
    """The places of some signs outside of strings and lists."""
    brackets = _unquoted(quotes, np.flatnonzero((signs == LIST) | (signs == LIST_END)))
    depths = np.concatenate(([0], np.cumsum(np.where(signs[brackets] == LIST, 1, -1))))
    places = _unquoted(quotes, np.flatnonzero(np.isin(signs, wanted)))
    outside: IntArray = places[depths[np.searchsorted(brackets, places)] == 0]
    return outside


def _unquoted(quotes: IntArray, places: IntArray) -> IntArray:
    unquoted: IntArray = places[np.searchsorted(quotes, places) % 2 == 0]
    return unquoted
