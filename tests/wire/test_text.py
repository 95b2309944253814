"""Blocks of whole rows: how they are cut, that each byte is looked at once, and what is kept of an endless row."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from app.errors import MalformedBody, TooLarge
from app.wire.csv import table as csv
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.ndjson import reader as ndjson
from app.wire.sources import Source
from app.wire.text import BLOCK, blocks
from tests.wire.mapped import own
from tests.wire.trickle import Trickle

Parts = Callable[[Source, Limits, ColumnMap], Iterator[dict[str, Any]]]


class Repeated:
    """A start and then the same bytes for ever, or so many of them; it counts what was taken."""

    def __init__(self, start: bytes, unit: bytes, n_bytes: int = 1 << 40) -> None:
        self._start, self._unit = start, unit
        self._end = len(start) + n_bytes
        self.n_taken = 0

    def read(self, n: int) -> bytes:
        piece = self._start[self.n_taken : self.n_taken + n]
        if not piece and self.n_taken < self._end:
            place = (self.n_taken - len(self._start)) % len(self._unit)
            units = self._unit * (min(n, 1 << 16) // len(self._unit) + 2)
            piece = units[place : place + min(n, 1 << 16, self._end - self.n_taken)]
        self.n_taken += len(piece)
        return piece


def limits(max_line_bytes: int) -> Limits:
    return Limits(1, 1, 1, 12, max_line_bytes=max_line_bytes)


def line_end(text: bytearray, start: int) -> int:
    return text.rfind(b"\n", start) + 1


def test_each_byte_is_looked_at_once() -> None:
    looked_at = []

    def row_end(text: bytearray, start: int) -> int:
        looked_at.append(len(text) - start)
        return line_end(text, start)

    lengths = [1, 3 * BLOCK, 7, BLOCK - 1, BLOCK, 5, 5, 2 * BLOCK + 1]
    text = b"".join(b"x" * (length - 1) + b"\n" for length in lengths)
    source = Repeated(text, b"", 0)
    found = list(blocks(source, limits(4 * BLOCK), row_end, str))
    assert b"".join(found) == text
    assert sum(looked_at) == len(text)
    assert len(found) > 4


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_row_with_its_end_may_be_as_long_as_the_bound(end: bytes) -> None:
    for n in (998, 999):
        (block,) = blocks(Repeated(b"x" * n + end, b"", 0), limits(1000), line_end, str)
        assert block == b"x" * n + b"\n"
    with pytest.raises(TooLarge, match="row 3 must hold at most 1000 bytes, found more"):
        list(blocks(Repeated(b"x" * 1000 + end, b"", 0), limits(1000), line_end, lambda: "row 3"))


@pytest.mark.parametrize(
    ("parts", "start", "unit"),
    [
        (csv.parts, b"labels,logits\n1,2\n", b'"'),
        (csv.parts, b'labels,logits\n1,2\n"', b"a\n"),
        (csv.parts, b"labels,logits\n1,2\n", b","),
        (csv.parts, b"labels,logits\n1,2\n", b'"",'),
        (csv.parts, b"labels,logits\n1,2\n", b"1,2\r"),
        (ndjson.parts, b'{"logits":[1]}\n{"logits":[', b"1,"),
    ],
)
def test_an_endless_row_is_refused_while_it_is_read_in_little_memory(parts: Parts, start: bytes, unit: bytes) -> None:
    source, bound = Repeated(start, unit), 2 * BLOCK
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=f"row 1 must hold at most {bound} bytes"):
            list(parts(source, limits(bound), own("multiclass")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert source.n_taken <= bound + BLOCK
    assert peak < 4 * bound


@pytest.mark.parametrize("unit", [b",", b"xx,", b'"",', b"xy"])
def test_a_row_as_long_as_the_bound_that_is_wrong_takes_little_memory(unit: bytes) -> None:
    source = Repeated(b"labels,logits\n1,2\n", unit, (4 * BLOCK - 10) // len(unit) * len(unit))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedBody, match="row 1 must have 2 fields like the header"):
            list(csv.parts(source, limits(4 * BLOCK), own("multiclass")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * 4 * BLOCK


def test_rows_of_any_length_are_the_same_however_they_arrive() -> None:
    rng = np.random.default_rng(5)
    rows = [f'"{"x" * int(n)}\n",{i}\n' for i, n in enumerate(rng.geometric(1e-5, 40))]
    text = ("slices.a,logits\n" + "".join(rows)).encode()
    sources: list[Source] = [Repeated(text, b"", 0), Trickle(text, 5000, 5)]
    whole, trickled = (
        [
            (len(part["logits"]), part["slices"]["a"].tolist())
            for part in csv.parts(source, limits(8 * BLOCK), own("multiclass"))
        ]
        for source in sources
    )
    assert whole == trickled
    assert len(whole) > 3
