"""Content encodings: what they give back, what they refuse, and how little room a bomb takes."""

import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable

import pyarrow as pa
import pytest

from app.errors import MalformedBody, SurprisalError, TooLarge
from app.wire.compression import decoded
from app.wire.limits import Limits
from app.wire.sources import Source
from tests.wire.trickle import Trickle

LIMITS = Limits(max_decoded_bytes=1 << 26, max_ratio=1e6, max_part_bytes=1 << 22, max_columns=100)
TEXT = b"".join(b"%d,%d\n" % (i, i * i) for i in range(60_000))
EMPTY_SKIPPABLE = struct.pack("<II", 0x184D2A5F, 0)
SKIPPABLE = struct.pack("<II", 0x184D2A50, 3) + b"any"


def zstd(text: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(text))


def window_descriptor(exponent: int, mantissa: int = 0) -> bytes:
    """A frame with nothing in it that asks for a window of (8 + mantissa) * 2 ** (exponent + 7) bytes."""
    return struct.pack("<IBB", 0xFD2FB528, 0, exponent << 3 | mantissa) + b"\x01\x00\x00"


def drained(source: Source, n: int = 1 << 16) -> bytes:
    return b"".join(iter(lambda: source.read(n), b""))


def text_of(body: bytes, encoding: str, limits: Limits = LIMITS) -> bytes:
    return drained(decoded(io.BytesIO(body), encoding, limits))


ENCODERS = [("gzip", gzip.compress), ("zstd", zstd)]
encodings = pytest.mark.parametrize(("encoding", "encode"), ENCODERS)


@encodings
@pytest.mark.parametrize("step", [1, 3, 1000, 1 << 20])
def test_text_comes_back_however_it_arrives(encoding: str, encode: Callable[[bytes], bytes], step: int) -> None:
    text = TEXT[:5000] if step < 1000 else TEXT
    assert drained(decoded(Trickle(encode(text), step), encoding, LIMITS), 777) == text


@encodings
def test_members_and_frames_follow_each_other(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    assert text_of(encode(TEXT) + encode(b"") + encode(b"more"), encoding) == TEXT + b"more"


def test_frames_to_skip_are_skipped() -> None:
    assert text_of(SKIPPABLE + zstd(b"a") + EMPTY_SKIPPABLE + zstd(b"b") + SKIPPABLE, "zstd") == b"ab"


@pytest.mark.parametrize(("exponent", "mantissa"), [(0, 0), (13, 0), (12, 7)])
def test_a_window_of_eight_mebibytes_is_accepted(exponent: int, mantissa: int) -> None:
    assert text_of(window_descriptor(exponent, mantissa), "zstd") == b""


@pytest.mark.parametrize(("exponent", "mantissa"), [(13, 1), (17, 0), (31, 7)])
def test_a_larger_window_is_refused_also_in_a_later_frame(exponent: int, mantissa: int) -> None:
    for before in (b"", zstd(b"text"), SKIPPABLE):
        with pytest.raises(MalformedBody, match="windows of at most 8388608 bytes, found"):
            text_of(before + window_descriptor(exponent, mantissa), "zstd")


def test_a_frame_of_one_segment_that_claims_much_is_refused() -> None:
    frame = struct.pack("<IBI", 0xFD2FB528, 0b1010_0000, 1 << 31) + b"\x01\x00\x00"
    with pytest.raises(MalformedBody, match=f"found {1 << 31}"):
        text_of(frame, "zstd")


@encodings
def test_every_prefix_is_refused(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    body = encode(TEXT[:3000])
    for n in range(len(body)):
        with pytest.raises(MalformedBody):
            text_of(body[:n], encoding)


@encodings
@pytest.mark.parametrize("garbage", [b"\0", b"x", b"garbage that is long enough for a header", b"\0" * 512])
def test_what_follows_the_end_is_refused(encoding: str, encode: Callable[[bytes], bytes], garbage: bytes) -> None:
    with pytest.raises(MalformedBody):
        text_of(encode(b"text") + garbage, encoding)


@encodings
def test_a_changed_byte_is_refused_or_gives_text(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    body = bytearray(encode(TEXT[:300]))
    refused = 0
    for i in range(len(body)):
        for flip in (0x01, 0x10, 0xFF):
            body[i] ^= flip
            try:
                text_of(bytes(body), encoding)
            except SurprisalError:
                refused += 1
            body[i] ^= flip
    assert refused > len(body) // 3


@encodings
def test_a_bomb_is_refused_by_size_and_by_ratio(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(bytes(1 << 25))
    for limits, words in [
        (Limits(1 << 23, 1e6, 1, 1), "at most 8388608 bytes"),
        (Limits(1 << 40, 50, 1, 1), "more than 50 times"),
    ]:
        with pytest.raises(TooLarge, match=words):
            text_of(bomb, encoding, limits)


@encodings
def test_a_short_body_may_decode_to_many_times_its_size(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    text = bytes(1 << 20)
    assert text_of(encode(text), encoding, Limits(1 << 20, 2, 1 << 20, 1)) == text
    with pytest.raises(TooLarge, match="2 times its size"):
        text_of(encode(text), encoding, Limits(1 << 20, 2, (1 << 20) - 1, 1))


@encodings
def test_a_bomb_takes_little_room(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(bytes(1 << 26))
    source = decoded(io.BytesIO(bomb), encoding, Limits(1 << 40, 1e9, 1, 1))
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    source.read(1 << 30)
    peak = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_checksum_is_checked() -> None:
    body = bytearray(gzip.compress(b"text"))
    body[-8] ^= 1
    with pytest.raises(MalformedBody, match="Incorrect checksum"):
        text_of(bytes(body), "gzip")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("error", [TimeoutError("slow"), TooLarge("the body"), ConnectionResetError()])
def test_errors_of_the_source_pass_through(encoding: str, error: Exception) -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise error

    with pytest.raises(type(error)):
        drained(decoded(Broken(), encoding, LIMITS))


def test_nothing_is_left_of_frames_that_end_too_soon() -> None:
    """The room that `read` of pyarrow makes is lost for ever where it raises an error, 256 KiB each time."""
    body = zstd(TEXT)[:-1_000]
    tracemalloc.start()
    for _ in range(20):
        with pytest.raises(MalformedBody):
            text_of(body, "zstd")
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 1 << 20
