"""Long columns of numbers, read from the text of a body without a Python object for each number.

A column of anything but numbers and nulls, and one that is not JSON, stays in the text: nothing here decides what is
wrong with it.
"""

import re
from collections.abc import Iterator
from functools import cache
from secrets import token_hex
from typing import NamedTuple, TypeAlias

from app.core.columns import Column
from app.core.kernels import json_column
from app.wire.columns import KINDS, rows_of

Text: TypeAlias = bytes | bytearray

ARE_INTEGERS = {name: kinds[0].dtype.kind == "i" for name, kinds in KINDS.items() if kinds[0].dtype.kind in "if"}
"""By the name of a column of numbers."""

LEAST_CHARACTERS = 1024
"""Length from which a column is long: shorter ones are read as fast where they stand."""


@cache
def _beginning(least: int) -> re.Pattern[bytes]:
    """The name, the bracket, and so many characters of numbers behind it at least."""
    space, numbers = rb"[ \t\r\n]*", rb"[][0-9+.eEnul, \t\r\n-]{%d}" % least
    return re.compile(rb'"(%b)"%b:%b(?=%b)\[' % ("|".join(ARE_INTEGERS).encode(), space, space, numbers))


class Place(NamedTuple):
    """Where the list of a column stands in a body."""

    name: str
    start: int
    end: int


def lift(body: Text, least: int = LEAST_CHARACTERS) -> tuple[Text, dict[str, Column]]:
    """A body with a mark in place of each long column of numbers, and these columns by their marks.

    The marks are drawn here and now, so no string of the body is one. If the new body is JSON, and each mark a value
    in it, then the body was JSON with the columns as these values: a list takes the place of a value, and a mark
    inside of a string would have ended it. The caller sees to it that each mark is the value of its column.

    Args:
        least: How many characters a long column has.
    """
    columns: dict[str, Column] = {}
    if len(body) < least:
        return body, columns
    drawn = token_hex(16)
    parts: list[Text] = []
    kept = 0
    for place in _places(body, least):
        column = _column(body, place)
        if column is not None:
            mark = f"{drawn}{len(columns)}"
            columns[mark] = column
            parts += body[kept : place.start], b'"%b"' % mark.encode()
            kept = place.end
    return b"".join((*parts, body[kept:])), columns


def _places(body: Text, least: int) -> Iterator[Place]:
    # A list of numbers holds no quote, so it ends with the last bracket before the next one.
    stop = 0
    while start := _beginning(least).search(body, stop):
        stop = body.find(b'"', start.end())
        stop = len(body) if stop < 0 else stop
        yield Place(start[1].decode(), start.end() - 1, body.rfind(b"]", start.end(), stop) + 1)


def _column(body: Text, place: Place) -> Column | None:
    read = json_column(body, place.start, place.end, of_integers=ARE_INTEGERS[place.name])
    if read is None:
        return None
    values, lengths = read
    return values if lengths is None else rows_of(values, lengths)
