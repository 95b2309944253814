"""Long columns of numbers, read from the text of a body without a Python object for each number.

A column is cut into pieces, and simdjson reads one after another: a piece fits the processor's cache, its memory
serves the next one too, and between two of them other threads run. A piece that simdjson refuses, and every piece
where it is not installed, is read as short columns are. A column of anything but numbers stays in the text: nothing
here decides what is wrong with it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from secrets import token_hex
from threading import Lock
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from app.core.columns import Column, Ragged
from app.errors import InvalidInput
from app.wire.columns import rows_of

# There is none for Python 3.14 yet.
simdjson: Any = import_module("simdjson") if find_spec("simdjson") else None

Text: TypeAlias = bytes | bytearray
Exact: TypeAlias = Callable[[str, list[Any]], Column | None]
Piece: TypeAlias = tuple[NDArray[Any], list[int]]

LEAST_BYTES = 2**13 if simdjson is not None else 2**19
PIECE_BYTES = 2**17
# Parsers hold the interpreter lock: more than one at a time would only be queued before the event loop.
TURN = Lock()

FORMS: dict[str, Literal["d", "i"]] = {
    "labels": "i",
    "targets": "d",
    "probabilities": "d",
    "log_probabilities": "d",
    "logits": "d",
    "sample_weight": "d",
    "n_bytes": "i",
    "n_words": "i",
    "cluster_id": "i",
}
DTYPES = {"d": np.dtype(np.float64), "i": np.dtype(np.int64)}


def starts(least: int) -> re.Pattern[bytes]:
    """What a column that begins with so many characters of numbers begins with: name, bracket and perhaps another."""
    numbers = rb"[][0-9+.eE, \t\r\n-]{%d}" % least
    space = rb"[ \t\r\n]*"
    return re.compile(rb'"(%b)"%b:%b(?=%b)(\[)%b(\[)?' % ("|".join(FORMS).encode(), space, space, numbers, space))


START = starts(LEAST_BYTES // 4)


class Place(NamedTuple):
    """Where the list of a column stands in a body, and whether its first element is a list."""

    name: str
    start: int
    end: int
    nested: bool


def lift(body: Text, exact: Exact) -> tuple[Text, dict[str, Column]]:
    """A body with a mark in place of each long column of numbers, and these columns by their marks.

    The marks are drawn here and now, so no string of the body is one. If the new body is JSON, and each mark a value
    in it, then the body was JSON with the columns as these values: a list takes the place of a value, and a mark
    inside of a string would have ended it. The caller sees to it that each mark is the value of its column.

    Args:
        exact: The column of a name and its values, however slow; raises `InvalidInput`.
    """
    columns: dict[str, Column] = {}
    if len(body) < LEAST_BYTES:
        return body, columns
    drawn = token_hex(16)
    parts: list[Text] = []
    kept = 0
    for place in _places(body):
        column = _column(body, place, exact)
        if column is not None:
            mark = f"{drawn}{len(columns)}"
            columns[mark] = column
            parts += body[kept : place.start], b'"%b"' % mark.encode()
            kept = place.end
    return b"".join((*parts, body[kept:])), columns


def _places(body: Text) -> Iterator[Place]:
    # A list of numbers holds no quote, so it ends with the last bracket before the next one.
    stop = 0
    while start := START.search(body, stop):
        stop = body.find(b'"', start.end())
        stop = len(body) if stop < 0 else stop
        place = Place(start[1].decode(), start.start(2), body.rfind(b"]", start.end(2), stop) + 1, start[3] is not None)
        if place.end > place.start + len("[]"):
            yield place


def _column(body: Text, place: Place, exact: Exact) -> Column | None:
    parser = None if simdjson is None else simdjson.Parser()
    one_piece = place.end - place.start <= PIECE_BYTES
    turn: AbstractContextManager[object] = nullcontext() if one_piece else TURN
    pieces = []
    for text in _texts(body, place):
        with turn:
            piece = _simdjson_piece(parser, text, place) or _exact_piece(text, place, exact)
        if piece is None:
            return None
        pieces.append(piece)
    values = np.concatenate([values for values, _ in pieces])
    return rows_of(values, [length for _, lengths in pieces for length in lengths]) if place.nested else values


def _texts(body: Text, place: Place) -> Iterator[bytes]:
    """The elements as JSON lists, some at a time, each list after an empty one.

    A bracket stands between what was joined, so nothing grows together, and the pieces are JSON if the whole is, and
    the whole if they are.
    """
    view = memoryview(body)
    opening, at, end = b"[[],", place.start + 1, place.end - 1
    while at < end:
        cut = body.find(b"]", at + PIECE_BYTES, end) + 1 if place.nested else body.find(b",", at + PIECE_BYTES, end)
        stop = cut if cut > 0 else end
        yield b"".join((opening, view[at:stop], b"]"))
        opening, at = b"[[]", stop


def _simdjson_piece(parser: Any, text: bytes, place: Place) -> Piece | None:
    if parser is None:
        return None
    form = FORMS[place.name]
    try:
        array = parser.parse(text)
        lengths = list(map(len, array))[1:] if place.nested else []
        values = np.frombuffer(array.as_buffer(of_type=form), DTYPES[form])
    except (ValueError, TypeError, RuntimeError):
        return None
    return (values, lengths) if _is_flat(text, lengths) else None


def _exact_piece(text: bytes, place: Place, exact: Exact) -> Piece | None:
    try:
        rows = orjson.loads(text)[1:]
        lengths = list(map(len, rows)) if place.nested else []
        column = exact(place.name, rows)
    except (ValueError, TypeError, InvalidInput):
        return None
    values = column.values if isinstance(column, Ragged) else np.ravel(np.asarray(column))
    plain = values.dtype == DTYPES[FORMS[place.name]] and _is_flat(text, lengths)
    return (values, lengths) if plain else None


def _is_flat(text: bytes, lengths: list[int]) -> bool:
    """Whether the piece has no list but itself, the empty one and the rows; flattened numbers do not tell."""
    return len(text) - len(text.replace(b"[", b"")) == 2 + len(lengths)
