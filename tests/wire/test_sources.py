from collections.abc import Callable

import pytest

from app.errors import MalformedBody
from app.wire.sources import FEW_BYTES, Pieces, Source, Text, exactly, many

PIECE = 300_000


@pytest.mark.parametrize("n", [0, 1, PIECE, FEW_BYTES, FEW_BYTES + 1])
@pytest.mark.parametrize("read", [exactly, many])
def test_bytes_come_from_many_pieces(read: Callable[[Source, int], Text], n: int) -> None:
    body = bytes(i % 251 for i in range(n)) + b"rest"
    source = Pieces(iter([body[i : i + PIECE] for i in range(0, len(body), PIECE)]))
    assert read(source, n) == body[:n]
    assert exactly(source, 4) == b"rest"


@pytest.mark.parametrize("n", [1, FEW_BYTES + 1])
@pytest.mark.parametrize("read", [exactly, many])
def test_bytes_that_are_not_there_are_told(read: Callable[[Source, int], Text], n: int) -> None:
    with pytest.raises(MalformedBody, match="the end of the body"):
        read(Pieces(iter([bytes(n - 1)])), n)
