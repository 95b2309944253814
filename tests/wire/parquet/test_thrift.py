"""Thrift's compact form: what is kept, what is skipped, and what could be read in two ways."""

import pytest

from app.errors import TooLarge
from app.wire.parquet import thrift
from app.wire.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Reader

INTEGERS = b"\x15\x02\x15\x05"
"""The fields 1 and 2: the numbers 1 and -3."""


def read(buffer: bytes, *numbers: int) -> dict[tuple[int, int], int]:
    return Reader(buffer).struct({(number, I32): Reader.integer for number in numbers})


def test_what_is_wanted_is_kept_and_the_rest_skipped() -> None:
    others = [
        b"\x11",  # true
        b"\x12",  # false
        b"\x13\xff",  # a byte
        b"\x16\x80\x80\x01",  # an integer
        b"\x17" + bytes(8),  # a double
        b"\x18\x03abc",  # text
        b"\x19\x28\x01a\x00",  # a list of texts
        b"\x19\xf5\x10" + bytes(16),  # a long list of integers
        b"\x19\x21\x01\x02",  # a list of booleans
        b"\x19\x2c\x11\x00\x00",  # a list of structs
        b"\x1c\x15\x02\x1c\x00\x00",  # a struct with a struct in it
        b"\x05\x06\x02",  # a field with its number, 3, spelled out
    ]
    for other in others:
        reader = Reader(INTEGERS + other + b"\x15\x08\x00rest")
        wanted = {(number, I32): Reader.integer for number in (1, 2, 4)}
        assert reader.struct(wanted) == {(1, I32): 1, (2, I32): -3, (4, I32): 4}
        assert reader.position == len(INTEGERS + other) + 3


def test_a_field_of_another_type_is_another_field() -> None:
    assert read(b"\x16\x02\x00", 1) == {}


def test_every_prefix_is_refused() -> None:
    buffer = INTEGERS + b"\x18\x03abc\x19\x2c\x11\x00\x00\x00"
    assert read(buffer, 1, 2)
    for n in range(len(buffer)):
        with pytest.raises(IndexError):
            read(buffer[:n], 1, 2)


@pytest.mark.parametrize(
    "buffer",
    [
        b"\x15\x02\x05\x02\x04\x00",  # the field 1 again
        b"\x25\x02\x05\x02\x04\x00",  # the field 1 after 2
        b"\x05\x82\x80\x08\x02\x00",  # the field 65537, which others take for 1
        b"\x15" + b"\xff" * 11 + b"\x00\x00",  # an integer of 77 bits
        b"\x1a\x00\x00",  # a set
        b"\x1d\x00\x00",  # no type
        b"\x1c" * 40 + b"\x00" * 41,  # structs in structs
        b"\x19" * 4_000 + b"\x10\x00",  # lists in lists
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(buffer: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        read(buffer, 1)


def test_lists_hold_what_they_must() -> None:
    def skipped(buffer: bytes, elements: int) -> None:
        assert Reader(buffer).struct({}, {(1, LIST): elements, (1, STRUCT): elements}) == {}

    texts, integers, structs = b"\x19\x18\x01a\x00", b"\x19\x15\x01\x00", b"\x19\x1c\x19\x18\x01a\x00\x00"
    skipped(texts, BINARY)
    skipped(integers, I64)
    skipped(b"\x19\x08\x00", I32)
    skipped(structs, 0)
    skipped(b"\x1c" + texts + b"\x00", 0)
    for buffer, elements in [(texts, I32), (integers, BINARY), (structs, STRUCT), (b"\x1c" + texts + b"\x00", I64)]:
        with pytest.raises(ValueError, match="a list of another type"):
            skipped(buffer, elements)
    with pytest.raises(ValueError, match="a list of another type"):
        Reader(texts[1:]).structs(Reader.integer)


def test_elements_are_counted_over_all_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thrift, "MAX_ELEMENTS", 3 << 12)
    few = b"\x19\xfc\x80\x40" + bytes(1 << 13)  # 2 ** 13 structs without fields
    assert Reader(few + b"\x00").struct({}) == {}
    with pytest.raises(TooLarge, match="write larger row groups"):
        Reader(few * 2 + b"\x00").struct({})
    with pytest.raises(TooLarge, match="fewer columns"):
        Reader(b"\xfc\x80\x40").structs(Reader.integer, weight=2)
    integers = b"\x19\xf5\x80\x40" + bytes(1 << 13)
    assert Reader(integers * 2 + b"\x00").struct({}) == {}
