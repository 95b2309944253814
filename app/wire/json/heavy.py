"""The bound on what the parser of JSON makes at once, since all threads wait for it: the event loop too.

The columns that the walk in C reads do not count. Those are plain numbers, booleans or strings, however many. What is
left are options, and columns of anything else.
"""

import re
from typing import TypeAlias

import orjson

from app.core.kernels.json_columns import Stop, count_byte, json_signs
from app.errors import InvalidInput, MalformedBody, TooLarge, describe, pointer
from app.wire.columns import Rule

MAX_VALUES, MAX_NAMES, MAX_HOLDERS = 800_000, 40_000, 100_000
"""The most values, names, and lists and objects, that are parsed at once: some 30 ms. A string counts as two values. A
list as an option has at most 100,000 values, and a request fewer than a thousand names."""
MIN_BYTES = 2**18
"""The bytes of a text up to which it cannot be heavy: it takes some 10 ms."""
VALUE = re.compile(rb'"(?:[^"\\\\]|\\\\.)*"|[^"\s,\]}]+')
"""A string, a number or a word, at the beginning of a text."""
N_SHOWN = 1000
"""The number of bytes of a value that are read to name it in an error."""

Text: TypeAlias = bytes | bytearray


def is_heavy(text: Text) -> bool:
    """Tell if a text of JSON is more than the parser may read at once."""
    return bool(too_many(text))


def too_many(text: Text) -> str:
    """The rule that a heavy text breaks, with what was found; empty if it is not heavy."""
    if len(text) <= MIN_BYTES:
        return ""
    n_values, n_names, n_holders = json_signs(text)
    if n_names > MAX_NAMES:
        return f"must hold at most {MAX_NAMES} names, found {n_names}: a slice, a candidate or an option has one"
    if n_holders > MAX_HOLDERS:
        return f"must hold at most {MAX_HOLDERS} lists and objects outside of columns of numbers, found {n_holders}"
    n_values += count_byte(text, b'"') // 2
    if n_values > MAX_VALUES:
        rule = f"must hold at most {MAX_VALUES} values outside of columns of numbers or strings, found {n_values}"
        return f"{rule}, a string counting as two"
    return ""


def check_weight(text: Text, what: str) -> None:
    """Refuse a text before it is parsed.

    Raises:
        TooLarge: It is heavy.
    """
    if words := too_many(text):
        raise TooLarge(f"{what} {words}")


def refusal_of(body: Text, stop: Stop | None, rest: Text, rule: Rule | None) -> InvalidInput | MalformedBody | TooLarge:
    """The refusal of a body that leaves too much to the parser.

    Args:
        stop: The place at which the walk in C stopped to read a column.
        rest: The text that is left.
        rule: The rule of that column.
    """
    if stop is None or rule is None:
        return TooLarge(f"the body {too_many(rest)}")
    wanted = " or ".join(kind.wanted for kind in rule.kinds)
    rows = (stop.row,) if stop.place < 0 else (stop.row, stop.place)
    place = pointer(*(_name(name) for name in stop.path), *rows)
    found = _value(body, stop.offset)
    words = f"must be {wanted}, found {found}; columns of {MAX_VALUES} values or {MAX_HOLDERS} lists hold nothing else"
    return InvalidInput.at(place, "wrong_type", words)


def _name(text: bytes) -> str:
    try:
        name: str = orjson.loads(b'"%b"' % text)
    except orjson.JSONDecodeError:
        return "…"
    return name


def _value(body: Text, offset: int) -> str:
    text = bytes(body[offset : offset + N_SHOWN]) if offset >= 0 else b""
    if text.startswith((b"[", b"{")):
        return describe([] if text.startswith(b"[") else {})
    written = VALUE.match(text)
    if text.startswith(b'"') and not written:
        return "a long string"
    try:
        return describe(orjson.loads(written[0] if written else b""))
    except orjson.JSONDecodeError:
        return "no JSON, which has neither NaN nor Infinity: null is NaN"
