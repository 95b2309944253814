"""Messages of an Arrow stream: what is held of them, and the dictionaries among them."""

import io
import struct
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app.errors import MalformedBody, TooLarge
from app.wire.arrow import stream as arrow
from app.wire.arrow.arrays import PART_BYTES
from app.wire.arrow.ipc import MAX_DICTIONARY_BYTES, SMALLER
from app.wire.limits import Limits
from tests.wire.mapped import own
from tests.wire.streams import stream

LIMITS = Limits(max_decoded_bytes=1 << 30, max_ratio=1000, max_part_bytes=1 << 25, max_columns=40)
MEBIBYTE = 1 << 20
END = b"\xff\xff\xff\xff" + bytes(4)


def read(body: bytes, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    return list(arrow.parts(io.BytesIO(body), limits, own("multiclass")))


def messages_of(body: bytes) -> list[bytes]:
    """The messages of a stream, without the marker of its end."""
    messages = []
    while body != END:
        n_metadata = struct.unpack_from("<i", body, 4)[0]
        content = pa.ipc.read_message(body).body
        size = 8 + n_metadata + (content.size if content else 0)
        messages.append(body[:size])
        body = body[size:]
    return messages


def named(code: int, *names: str) -> pa.RecordBatch:
    indices = pa.array([code], pa.int32())
    return pa.record_batch({"labels": pa.DictionaryArray.from_arrays(indices, pa.array(names))})


def long(start: str, mebibytes: int) -> str:
    return start + "x" * (mebibytes * MEBIBYTE)


def columns(form: str) -> pa.RecordBatch:
    """16 MiB of rows."""
    rows = np.random.default_rng(1).random((1 << 18, 8))
    if form == "numbers":
        return pa.record_batch({"logits": rows.ravel()})
    if form == "lists":
        return pa.record_batch({"logits": pa.array(list(rows))})
    return pa.record_batch({"logits": pa.FixedSizeListArray.from_arrays(rows.ravel(), 8)})


@pytest.mark.parametrize("form", ["numbers", "lists", "fixed lists"])
def test_one_record_batch_is_held_at_a_time(form: str) -> None:
    """The code that adds up parts keeps the last one until the next one comes."""
    batch = columns(form)
    body = stream(*[batch] * 4)
    source = io.BytesIO(body)
    tracemalloc.start()
    parts = arrow.parts(source, LIMITS, own("multiclass"))
    part = next(parts)
    n_rows = len(part["logits"])
    for part in parts:
        n_rows += len(part["logits"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 4 * len(batch)
    assert part["logits"].dtype == np.float64
    assert batch.nbytes < peak < batch.nbytes + 3.25 * PART_BYTES < 2 * batch.nbytes


def test_a_batch_that_is_too_large_is_refused_with_what_helps() -> None:
    wide = pa.record_batch({"logits": np.ones(1 << 17)})
    for codec in (None, "zstd"):
        with pytest.raises(TooLarge, match="max_chunksize") as refusal:
            read(stream(wide, compression=codec), Limits(1 << 30, 1e9, 1 << 19, 10))
        assert refusal.value.detail.endswith(f"at most 524288 bytes, found {1 << 20}: {SMALLER}")


def test_dictionaries_that_take_the_place_of_others_do_not_add_up() -> None:
    batches = [named(1, "a", long(str(i), 3)) for i in range(5)]
    labels = [part["labels"][0][0] for part in read(stream(*batches))]
    assert labels == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("options", [{"emit_dictionary_deltas": True}, {}])
def test_dictionaries_that_are_held_at_once_are_bounded(options: dict[str, bool]) -> None:
    names = [long(str(i), 1) for i in range(5)]
    batches = [named(n, *names[: n + 1]) for n in range(5)]
    assert len(read(stream(*batches[:3], **options))) == 3
    with pytest.raises(TooLarge, match=f"at most {MAX_DICTIONARY_BYTES} bytes together: send such strings plain"):
        read(stream(*batches, **options))
    both = [
        pa.record_batch([batch.column(0), batch.column(0)], names=["labels", "cluster_id"]) for batch in batches[1:2]
    ]
    with pytest.raises(TooLarge, match="bytes together"):
        read(stream(*both))


def test_delta_dictionaries_are_read() -> None:
    names = ["a", "b", "c"]
    batches = [named(n, *names[: n + 1]) for n in range(3)]
    for options in ({"emit_dictionary_deltas": True}, {}):
        assert [part["labels"].tolist() for part in read(stream(*batches, **options))] == [["a"], ["b"], ["c"]]


def endless(start: bytes, message: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield message


class Source:
    """A source of what an iterator gives, which must not be read without a bound."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest, self._n_read = pieces, b"", 0

    def read(self, n: int) -> bytes:
        self._rest = self._rest or next(self._pieces)
        piece, self._rest = self._rest[:n], self._rest[n:]
        self._n_read += len(piece)
        assert self._n_read < 16 * MEBIBYTE, "read on and on"
        return piece


def test_dictionaries_do_not_wait_for_rows_without_a_bound() -> None:
    schema, dictionary, rows = messages_of(stream(named(0, "a")))
    assert read(schema + dictionary * 3 + rows + END)[0]["labels"].tolist() == ["a"]
    with pytest.raises(TooLarge, match="bytes together"):
        list(arrow.parts(Source(endless(schema, dictionary)), LIMITS, own("multiclass")))


def test_a_schema_comes_once_and_first() -> None:
    schema, dictionary, rows = messages_of(stream(named(0, "a")))
    for body in (rows + END, dictionary + END, schema + schema + dictionary + rows + END, schema * 2 + END):
        with pytest.raises(MalformedBody, match="found another message"):
            read(body)
