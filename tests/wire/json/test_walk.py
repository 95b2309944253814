"""Bodies of JSON are read by the walk in C as without it, whatever stands in them."""

import threading
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from app.core.columns import Ragged
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import InvalidInput, SurprisalError
from app.wire.columns import RULES
from app.wire.json import reader as json

SPACES = ["", "", "", " ", "\n\t", "\r\n  "]
NUMBERS = [
    *("0", "-0", "-0.0", "0.0", "1", "7", "0.25", "1E5", "1e+5", "1e-5", "-1.5e3", "0.1e1", "0e99", "1e-400", "5e-324"),
    *("2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "1.7976931348623157e308"),
    *("9007199254740993", "9007199254740993.0", "9223372036854775807", "9223372036854775808", "9223372036854776833"),
    *("-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616"),
    *("1.00000000000000011102230246251565404236316680908203125", "0." + "3" * 60, "1" * 60, "1" + "0" * 40 + "e-41"),
]
STRANGE = [
    *("null", "true", "false", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", ".5", "5.", "1.e5", "1e", "0x1"),
    *("1_0", "1 2", "1e400", "-1e400", "1" * 400, "[]", "[1]", "[[1]]", "{}", '{"a": 1}', '"0.5"', '"é"', '"[1, 2]"'),
    *('"\\ud800"', "", ",", "]", "[", "}", '"', "\x00", "\ufeff", "\v", "\u00a0"),
]
TEXTS = ['"a"', '""', '"é"', '"\\u00e9"', '"\\""', '"[1, 2"', '"\\\\"']
"""Strings of JSON."""
WHOLE = ["labels", "n_bytes", "n_words", "cluster_id"]
"""Columns that hold integers, and whose names slices of integers have here."""
SOUND = sorted(COLUMN_NAMES)
NAMES = [*SOUND, "x", "probab\\u0069lities", 'x\\"labels', "labels\\", "é", "labels:ib targets"]


def bits(value: Any) -> Any:
    """The content that two equal results have in common, to the last bit."""
    match value:
        case np.ndarray():
            content = value.tolist() if value.dtype == object else value.tobytes()
            return value.dtype.str, value.shape, value.flags.c_contiguous, value.flags.writeable, content
        case Ragged():
            return "ragged", bits(value.values), bits(value.offsets)
        case dict():
            return [(name, bits(entry)) for name, entry in value.items()]
        case list():
            return [bits(entry) for entry in value]
        case _:
            return type(value), repr(value)


def exactly(body: bytes | bytearray, task: TaskName = "multiclass") -> dict[str, Any]:
    return json.fields_of(body, None, task)


def decode(body: bytes | bytearray, task: TaskName = "multiclass") -> dict[str, Any]:
    return json.decode(body, task)


def outcome(reader: Any, body: bytes | bytearray, task: TaskName = "multiclass") -> Any:
    try:
        return bits(reader(body, task))
    except SurprisalError as error:
        return type(error), str(error), getattr(error, "errors", None), getattr(error, "n_errors", None)


def walked(body: bytes, task: TaskName = "multiclass") -> str:
    found = json.walk(body, task)
    if found is None:
        return "not walked"
    return "walked whole" if found.is_whole else "walked in part"


class Writer:
    """JSON bodies, most of them good: a hypothesis strategy of this grammar takes a hundred times as long."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._is_broken = self._happens(0.4)
        self._spaces = SPACES if self._happens(0.3) else []

    def bodies(self) -> list[bytes]:
        """A body, and the same with some bytes dropped or put in: to write one takes longer than to read several."""
        body = self._body().encode()
        return [body, *(self._damaged(body) for _ in range(4))]

    def _body(self) -> str:
        pick = self._random.randrange(4)
        if pick == 0:
            return f'{{"candidates": {{"a": {self._fields()}, "b/~": {self._fields()}}}, "x": [1]}}'
        if pick == 1:
            return f'{{"slices": {self._fields(WHOLE)}, "targets": {self._column("targets")}}}'
        return self._fields()

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def _space(self) -> str:
        return self._random.choice(self._spaces) if self._spaces else ""

    def _fields(self, sound: Sequence[str] = SOUND) -> str:
        n = self._random.randint(1, len(sound[:4]))
        names = self._random.choices(NAMES, k=n) if self._is_broken else self._random.sample(sound, n)
        fields = [f'{self._space()}"{name}"{self._space()}:{self._space()}{self._column(name)}' for name in names]
        return f"{{{','.join(fields)}{self._space()}}}"

    def _column(self, name: str) -> str:
        if self._is_broken and self._happens(0.1):
            return self._random.choice(STRANGE)
        count = self._random.randrange(16)
        if name == "mask":
            return self._list([self._random.choice(["true", "false"]) for _ in range(count)])
        whole = name in WHOLE
        match self._random.randrange(5 if whole else 4):
            case 0:
                return self._list([self._number(whole=whole) for _ in range(count)])
            case 4:
                return self._list([self._random.choice(TEXTS) for _ in range(count)])
            case 1:
                return self._list([self._row(self._random.randrange(5), whole=whole) for _ in range(count)])
            case _:
                width = self._random.randint(1, 4)
                return self._list([self._row(width, whole=whole) for _ in range(count)])

    def _row(self, width: int, *, whole: bool) -> str:
        return self._list([self._number(whole=whole) for _ in range(width)])

    def _list(self, elements: list[str]) -> str:
        if self._is_broken and self._happens(0.02):
            elements = [*elements, self._random.choice(STRANGE)]
            self._random.shuffle(elements)
        if self._is_broken and self._happens(0.02):
            elements = [self._list(elements), *elements]
        return f"[{','.join(f'{self._space()}{element}{self._space()}' for element in elements) or self._space()}]"

    def _number(self, *, whole: bool) -> str:
        pick = self._random.randrange(4)
        if whole or pick == 0:
            return str(self._random.randint(-9, 9) if pick else self._random.randint(-(2**63), 2**63 - 1))
        if pick == 1:
            return self._random.choice(NUMBERS)
        return repr(np.uint64(self._random.randrange(2046 << 52)).view(np.float64).item())

    def _damaged(self, body: bytes) -> bytes:
        at = self._random.randint(0, len(body))
        if self._happens(0.1):
            return body[:at]
        put = self._random.choice(
            [b"", b" ", b"7", b"0", b"[", b"]", b",", b'"', b"\\", b"{", b"}", b"\xff", b"\xef\xbb\xbf", b"null", b"[]"]
        )
        return body[:at] + put + body[at + self._random.randrange(2) :]


def check_bodies(seed: int, n: int) -> None:
    random, seen, tasks = Random(seed), Counter[str](), list(TASKS)
    while seen.total() < n:
        for body in Writer(random).bodies():
            task = random.choice(tasks)
            expected = outcome(exactly, body, task)
            assert outcome(decode, body, task) == expected, (task, body)
            seen[f"{walked(body, task)}, {'read' if isinstance(expected, list) else 'refused'}"] += 1
    shares = {what: count / n for what, count in seen.items()}
    frequent = ("walked whole, read", "walked in part, read", "walked in part, refused", "not walked, refused")
    assert min(shares[what] for what in frequent) > 0.03, shares


def test_any_body_is_read_as_without_the_walk() -> None:
    check_bodies(1, 10_000)


@pytest.mark.slow
def test_ten_times_as_many_bodies_are_read_as_without_the_walk() -> None:
    check_bodies(10, 100_000)


ROWS = b"[1,2],[3,4],[5,6.5],[7,8]"
LONG = b"[" + ROWS + b"]"
NASTY = {
    "a column in a string": b'{"x": "\\"logits\\": %b", "logits": [1]}' % LONG,
    "a name in a string, unescaped": b'{"x": "logits": %b}' % LONG,
    "a string that ends with a name": b'{"x\\"logits": %b}' % LONG,
    "an escaped name": b'{"log\\u0069ts": %b, "targets": %b}' % (LONG, LONG),
    "twice": b'{"logits": %b, "logits": [[9, 9]]}' % LONG,
    "twice, the last a null": b'{"logits": %b, "logits": null}' % LONG,
    "twice long": b'{"logits": %b, "logits": [[9,9],[10,11]]}' % LONG,
    "a candidates object twice": b'{"candidates": {"a": {"logits": %b}}, "candidates": {}}' % LONG,
    "no column there": b'{"x": {"logits": %b}}' % LONG,
    "an object in a column": b'{"logits": {"logits": %b}}' % LONG,
    "in a list": b'{"labels": [{"logits": %b}]}' % LONG,
    "a slice of that name": b'{"slices": {"logits": [1.5, 2.5], "labels": [1, 2, 3]}}',
    "a slice of integers": b'{"slices": {"logits": [1, 2, 3, 4]}}',
    "a flat column with a null": b'{"logits": [1, null], "targets": [null]}',
    "a string that ends with an escape": b'{"x": "\\\\", "logits": [1], "y": "\\\\\\"", "labels": [1]}',
    "a brace in place of a bracket": b'{"logits": [1], "x": [1}, "labels": [1]}',
    "no value": b'{"logits": [1], "x": , "labels": [1]}',
    "no name": b'{"logits": [1], , "labels": [1]}',
    "a mask and what it leaves out": b'{"labels": [1, "x"], "mask": [true, false]}',
    "a value behind the object": b'{"logits": [1]} {"logits": [1]}',
    "closed within": b'{"slices": {"a": [1]}',
    "closed too early": b'{"logits": [%b], [%b]}' % (ROWS, ROWS),
    "closed and opened": b'{"logits": [%b]], [[%b]}' % (ROWS, ROWS),
    "a comma too much": b'{"logits": [%b,,%b]}' % (ROWS, ROWS),
    "a comma first": b'{"logits": [,%b]}' % ROWS,
    "a comma last": b'{"logits": [%b,]}' % ROWS,
    "a comma missing": b'{"logits": [%b %b]}' % (ROWS, ROWS),
    "digits after a row": b'{"logits": [%b.5,%b]}' % (ROWS, ROWS),
    "digits after a column": b'{"logits": %b5}' % LONG,
    "a number among rows": b'{"logits": [%b,5,%b]}' % (ROWS, ROWS),
    "rows among numbers": b'{"logits": [1,2,3,4,5,6,7,8,9,10,11,[12],13,14,15]}',
    "deeper, as many lists and numbers": b'{"logits": [[1,[2]],[3,4],[[5],6],[7,8]]}',
    "deeper throughout": b'{"logits": [[[1,2],[3,4]],[[5,6],[7,8]]]}',
    "an empty row": b'{"logits": [%b,[],[1,2,3]]}' % ROWS,
    "an empty row first": b'{"logits": [[],%b]}' % ROWS,
    "only empty rows": b'{"logits": [[],[],[],[],[],[],[],[]]}',
    "an empty object among rows": b'{"logits": [%b,{},%b]}' % (ROWS, ROWS),
    "uneven, the same mean": b'{"logits": [[1],[2,3,4],[5,6],[7,8],[9],[10,11,12]]}',
    "null": b'{"logits": [%b,[null,1],%b]}' % (ROWS, ROWS),
    "a boolean": b'{"logits": [%b,[true,1],%b]}' % (ROWS, ROWS),
    "a string": b'{"logits": [%b,["1",1],%b]}' % (ROWS, ROWS),
    "integers, then booleans": b'{"labels": [1,0,1,0,1,0,1,0,1,0,true,false,true,false]}',
    "integers, then a piece of booleans": b'{"labels": [1,0,1,0,1,0,1,0,1,true,false,true]}',
    "booleans": b'{"labels": [true,false,true,false,true]}',
    "integers, then a double": b'{"labels": [1,0,1,0,1,0,1,0,1,0,1,1.0,1,0,1]}',
    "2^63 for a label": b'{"labels": [1,0,1,0,1,0,1,0,1,9223372036854775808]}',
    "2^64 for a logit": b'{"logits": [1,0,1,0,1,0,1,0,1,18446744073709551616]}',
    "too large for a double": b'{"logits": [1,0,1,0,1,0,1,0,1,1e400,1]}',
    "no number at all": b'{"logits": [1,0,1,0,1,0,1,0,1,NaN,1]}',
    "invalid UTF-8 elsewhere": b'{"logits": %b, "x": "\xff"}' % LONG,
    "a byte order mark": b'\xef\xbb\xbf{"logits": %b}' % LONG,
    "half a surrogate": b'{"logits": %b, "x": "\\ud800"}' % LONG,
    "trailing bytes": b'{"logits": %b} 5' % LONG,
    "no end": b'{"logits": [%b' % ROWS,
    "no bracket": b'{"logits": [1,2,3,4,5,6',
    "a list around": b'[{"logits": %b}]' % LONG,
    "wrong elsewhere": b'{"logits": %b, "mask": [1, 2]}' % LONG,
    "other bytes in space": b'{"logits":\v%b}' % LONG,
    "a NUL": b'{"logits": [1,2,3,4,5,6,7,8,\x00 9]}',
    "space everywhere": b' {\n"logits"\t:\r\n [ [ 1 , 2 ] , [ 3\n,4\t] ,[5,6 ]\n]\r} ',
}


@pytest.mark.parametrize("body", NASTY.values(), ids=NASTY)
def test_a_nasty_body_is_read_as_without_the_walk(body: bytes) -> None:
    for task in TASKS:
        assert outcome(decode, body, task) == outcome(exactly, body, task)
        assert outcome(decode, bytearray(body), task) == outcome(exactly, body, task)


@pytest.mark.parametrize(
    "name",
    ["space everywhere", "uneven, the same mean", "null", "an empty row", "2^64 for a logit", "booleans"],
)
def test_these_are_walked_whole(name: str) -> None:
    assert walked(NASTY[name]) == "walked whole"


TWICE = [
    b'{"logits": [1], "logits": [1]}',
    b'{"logits": [1], "unit": 1, "unit": 1}',
    b'{"slices": {"a": [1], "a": [2]}}',
    b'{"slices": {"a": ["x"], "\\u0061": ["x"]}}',
    b'{"candidates": {"a": {"logits": [1]}, "a": {"logits": [2]}}}',
    b'{"candidates": {"a": {"logits": [1], "logits": [2]}}}',
    b'{"candidates": {"a": {}}, "candidates": {}}',
]


@pytest.mark.parametrize("body", TWICE)
def test_names_that_come_twice_stay_in_the_text(body: bytes) -> None:
    """A cache has the text without its columns as key, and two bodies of unlike meaning must not share one."""
    found = json.walk(body, "multiclass")
    assert found is not None
    with pytest.raises(InvalidInput, match="must be named once"):
        json.object_of(found.rest)


@pytest.mark.parametrize(
    "body",
    [
        b'{"log\\u0069ts": [1]}',
        b'{"logits": [1], "un\\u0069t": 1}',
        b'{"candidates": {"a": {"log\\u0069ts": [1]}}}',
        b'{"sl\\u0069ces": {"a": [1]}}',
    ],
)
def test_an_escaped_name_may_be_that_of_a_column(body: bytes) -> None:
    assert walked(body) == "walked in part"
    assert outcome(decode, body) == outcome(exactly, body)


@pytest.mark.parametrize(
    "body",
    [b'{"slices": {"\xff": [1]}}', b'{"slices": {"\\x": [1]}}', b'{"labels": ["\xff"]}', b'{"labels": ["\\x", "a"]}'],
)
def test_strings_that_are_none_end_the_walk(body: bytes) -> None:
    assert json.walk(body, "multiclass") is None


STRINGS = {
    "plain": b'{"labels": ["a", "", "\xc3\xa9", "[1, {"]}',
    "escapes": b'{"labels": ["\\"", "\\\\", "\\u0061\\n", "\\ud83d\\ude00"], "slices": {"\\u00e9": ["x"]}}',
    "of slices and clusters": b'{"slices": {"a": ["x", "y"]}, "cluster_id": ["1", "2"]}',
    "minus infinity": b'{"logits": [[1, "-Infinity"], ["-Infinity", null]]}',
}
ODD_STRINGS = {
    "minus infinity in a list of numbers": b'{"log_probabilities": ["-Infinity", -1]}',
    "a number among them": b'{"labels": ["a", 1]}',
    "a null among them": b'{"labels": ["a", null], "mask": [true, false]}',
    "in lists": b'{"labels": [["a"], ["b"]]}',
    "where numbers belong": b'{"logits": ["1"], "probabilities": ["-Infinity"]}',
    "another infinity": b'{"logits": [1, "Infinity"]}',
    "a control sign": b'{"labels": ["a\n"]}',
    "half a surrogate": b'{"labels": ["\\ud800"]}',
    "no end": b'{"labels": ["a]}',
    "a comma last": b'{"labels": ["a",]}',
    "no comma": b'{"labels": ["a" "b"]}',
}


@pytest.mark.parametrize("body", [*STRINGS.values(), *ODD_STRINGS.values()], ids=[*STRINGS, *ODD_STRINGS])
def test_strings_are_read_as_without_the_walk(body: bytes) -> None:
    for task in TASKS:
        assert outcome(decode, body, task) == outcome(exactly, body, task)


@pytest.mark.parametrize("body", STRINGS.values(), ids=STRINGS)
def test_plain_strings_are_walked(body: bytes) -> None:
    assert walked(body) == "walked whole"


def test_many_strings_arrive_as_they_are() -> None:
    strings = [f"\u00e9{i}" if i % 3 else f'"{i}\n' for i in range(30_000)]
    body = orjson.dumps({"labels": strings})
    assert walked(body) == "walked whole"
    assert decode(body)["labels"].tolist() == strings


@pytest.mark.parametrize("field", [b'"bootstrap": {"seed": 1, "seed": 2}', b'"x": {"a": {"b": 1, "\\u0062": 1}}'])
def test_other_names_that_come_twice_stay_in_the_text(field: bytes) -> None:
    found = json.walk(b'{"logits": [1], %b}' % field, "multiclass")
    assert found is not None
    with pytest.raises(InvalidInput, match="must be named once"):
        json.object_of(found.rest)


def test_an_empty_list_is_no_column_that_was_read() -> None:
    """The text holds an empty list in place of each column that was read."""
    for body in (b'{"logits": []}', b'{"slices": {"a": []}}', b'{"candidates": {"a": {"logits": []}}}'):
        assert walked(body) == "walked in part"


def test_every_name_of_a_column_is_walked_over() -> None:
    for task, rules in RULES.items():
        for name, rule in rules.items():
            value = {"f": b"[0.5,1]", "i": b"[1,2]", "b": b"[true]"}[rule.kinds[0].dtype.kind]
            found = json.walk(b'{"%b": %b}' % (name.encode(), value), task)
            assert found is not None
            assert (list(found.columns), found.is_whole) == ([name], True)


def test_an_object_of_very_many_names_is_walked_in_part() -> None:
    body = orjson.dumps({"logits": [1.5], "slices": {str(i): [i] for i in range(5_000)}})
    assert walked(body) == "walked in part"
    assert outcome(decode, body) == outcome(exactly, body)


def test_a_long_body_arrives_to_the_last_bit() -> None:
    random = np.random.default_rng(3)
    numbers = random.integers(0, 2**63 - 2**53, (8_000, 5)).view(np.float64)
    labels = random.integers(-(2**63), 2**63, 40_000)
    body = orjson.dumps({"labels": labels.tolist(), "logits": numbers.tolist(), "unit": "bits"})
    assert walked(body) == "walked whole"
    assert bits(json.decode(body, "multiclass")) == bits({"labels": labels, "logits": numbers, "unit": "bits"})


def test_threads_that_read_at_once_read_the_same() -> None:
    numbers = np.random.default_rng(4).normal(size=(8, 20_000, 2))
    read: dict[int, Any] = {}

    def reader(at: int) -> None:
        read[at] = json.decode(orjson.dumps({"logits": numbers[at].tolist()}), "multiclass")["logits"]

    threads = [threading.Thread(target=reader, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([read[at] for at in range(8)], numbers)
