import tracemalloc

import numpy as np
import pytest

from app.api.intake.body import LONG_BYTES, WHOLE_BYTES, Body

LENGTHS = [0, 1, 2, LONG_BYTES // 3, LONG_BYTES - 1, LONG_BYTES, LONG_BYTES + 1, 3 * LONG_BYTES]


@pytest.mark.parametrize("seed", range(20))
def test_a_body_is_its_pieces_in_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    pieces = [random.bytes(length) for length in random.choice(LENGTHS, 25)]
    body = Body(pieces[0])
    for piece in pieces[1:]:
        body.add(piece)
    assert len(body) == sum(map(len, pieces))
    assert body.taken() == b"".join(pieces)
    assert (len(body), body.taken()) == (0, b"")


@pytest.mark.parametrize("n_missing", [0, 1, 2 * LONG_BYTES])
def test_a_long_body_of_known_length_is_its_pieces_in_order(n_missing: int) -> None:
    random = np.random.default_rng(7)
    pieces = [random.bytes(length) for length in random.choice(LENGTHS, WHOLE_BYTES // 2**15)]
    whole = b"".join(pieces)
    assert len(whole) > WHOLE_BYTES
    body = Body(length=len(whole) + n_missing)
    for piece in pieces:
        body.add(piece)
    assert len(body) == len(whole)
    assert body.taken() == whole
    assert (len(body), body.taken()) == (0, b"")


def test_a_body_that_only_says_it_is_long_takes_no_memory() -> None:
    tracemalloc.start()
    body = Body(length=2**40)
    body.add(bytes(LONG_BYTES))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * LONG_BYTES
    assert len(body) == LONG_BYTES


def test_a_body_that_is_one_piece_is_not_copied() -> None:
    piece = bytes(3 * LONG_BYTES)
    assert Body(piece).taken() is piece


def test_a_body_keeps_its_bytes_when_a_buffer_changes() -> None:
    body, buffer = Body(), bytearray(b"x" * LONG_BYTES)
    body.add(buffer)
    buffer.clear()
    assert body.taken() == b"x" * LONG_BYTES


def test_short_pieces_take_little_more_than_their_bytes() -> None:
    body, pieces = Body(), [bytes([i % 256, i // 256]) for i in range(2**16)]
    tracemalloc.start()
    for piece in pieces * 4:
        body.add(piece)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.2 * len(body) + 2 * LONG_BYTES
