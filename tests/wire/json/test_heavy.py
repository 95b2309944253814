"""Bodies that would keep the parser of JSON busy for long are refused before it begins, with the place of the fault."""

import io

import orjson
import pytest

from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.json import heavy, reader
from app.wire.json.heavy import MAX_HOLDERS, MAX_NAMES, MAX_VALUES
from app.wire.limits import Limits
from app.wire.ndjson import reader as ndjson
from tests.wire.mapped import own

MANY = MAX_VALUES + 1
OBJECTS, LISTS = b"{}," * (MAX_HOLDERS + 1), b"[]," * (MAX_HOLDERS + 1)
PLACES = {
    "objects as labels": (b'{"labels": [1, %b2]}' % OBJECTS, "/labels/1", "an object"),
    "objects as slices": (b'{"slices": {"\\u00e9": [%b2]}}' % OBJECTS, "/slices/é/0", "an object"),
    "objects in lists": (b'{"logits": [[1, 2], [3, %b4]]}' % OBJECTS, "/logits/1/1", "an object"),
    "lists as labels": (b'{"logits": [[1, 2], %b5]}' % OBJECTS, "/logits/1", "an object"),
    "lists as a slice": (b'{"slices": {"a": [true, %bfalse]}}' % LISTS, "/slices/a/1", "a list"),
    "of candidates": (b'{"candidates": {"a": {"logits": [1, %b1]}}}' % OBJECTS, "/candidates/a/logits/1", "an object"),
    "a string": (b'{"logits": ["x", %b1]}' % OBJECTS, "/logits/0", 'the string "x"'),
    "a long string": (b'{"logits": ["%b", %b1]}' % (b"x" * 2000, OBJECTS), "/logits/0", "a long string"),
    "no number": (b'{"logits": [%bNaN]}' % (b"1," * MANY), f"/logits/{MANY}", "no JSON, which has"),
    "a null": (b'{"labels": [%bnull]}' % (b"1," * MANY), f"/labels/{MANY}", "null"),
    "no string": (b'{"labels": ["a", 1%b]}' % (b",1" * MANY), "/labels/1", "1"),
    "no comma": (b'{"logits": [1 %b]}' % (b"1," * MANY), "/logits/1", "no JSON, which has"),
}


@pytest.mark.parametrize(("body", "place", "found"), PLACES.values(), ids=PLACES)
def test_the_first_value_at_fault_is_named(body: bytes, place: str, found: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        reader.decode(body, "multiclass")
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == (place, "wrong_type")
    assert f", found {found}" in error.detail


TOO_LARGE = {
    "names": b'{"slices": {%b}}' % b",".join(b'"%d":[1]' % i for i in range(MAX_NAMES)),
    "unknown names": b"{%b}" % b",".join(b'"%d":1' % i for i in range(MAX_NAMES + 1)),
    "values": b'{"classes": [%b1]}' % (b"1," * MANY),
    "strings, which count as two": b'{"classes": [%b1]}' % (b'"",' * (MANY // 2 + 1)),
    "lists": b'{"classes": [%b1]}' % LISTS,
}


@pytest.mark.parametrize("body", TOO_LARGE.values(), ids=TOO_LARGE)
def test_too_much_elsewhere_is_too_large(body: bytes) -> None:
    with pytest.raises(TooLarge, match="the body must hold at most"):
        reader.decode(body, "multiclass")


MALFORMED = {
    "a list": (b"[%b1]" % OBJECTS, "found a list; rows are sent as NDJSON"),
    "brackets": (b'{"labels": [%b1}' % LISTS, "whose brackets and strings must end"),
    "no UTF-8": (b'{"labels": ["\xff"], "logits": [%b1}' % LISTS, "must be UTF-8"),
    "lines": (b'{"labels": 1, "probabilities": [%b1]}\n{}' % LISTS, "rows are sent as NDJSON"),
}


@pytest.mark.parametrize(("body", "words"), MALFORMED.values(), ids=MALFORMED)
def test_a_text_that_is_no_object_is_malformed(body: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=words):
        reader.decode(body, "multiclass")


def test_a_row_of_lines_is_refused_before_it_is_parsed() -> None:
    body = b'{"labels": 1, "logits": [1]}\n{"labels": 1, "logits": [%b1]}\n' % LISTS
    limits = Limits(2**24, 10, 2**24, 10)
    with pytest.raises(TooLarge, match="row 1 must hold at most"):
        list(ndjson.parts(io.BytesIO(body), limits, own("multiclass")))


@pytest.mark.parametrize(
    "row", [b"{}\n", b'{"labels": 1, "logits": [%b1]}\n' % (b"[]," * 50_000)], ids=["objects", "lists"]
)
def test_rows_of_very_many_lists_and_objects_are_refused(row: bytes) -> None:
    body = row * (2**20 // len(row))
    with pytest.raises(TooLarge, match="rows from 0 on must hold at most 200000 lists and objects"):
        list(ndjson.parts(io.BytesIO(body), Limits(2**24, 10, 2**24, 10), own("multiclass")))


def test_what_is_large_and_plain_is_no_weight() -> None:
    names = [f"a:{{[,{i}" for i in range(100_000)]
    body = orjson.dumps({"labels": names * 3, "slices": {"é": names}, "classes": names, "logits": [[0.5]] * 200_000})
    walked = reader.walk(body, "multiclass")
    assert walked is not None
    assert walked.is_whole
    assert not heavy.is_heavy(walked.rest)
    assert reader.decode(body, "multiclass")["labels"].tolist() == names * 3


@pytest.mark.parametrize("body", [b'{"logits": [%bNaN]}' % (b"1," * 1000), b"[%b1]" % (b"{}," * 1000)])
def test_a_short_body_is_explained_by_the_parser(body: bytes) -> None:
    with pytest.raises(SurprisalError) as caught:
        reader.decode(body, "multiclass")
    assert "nothing else" not in str(caught.value)
