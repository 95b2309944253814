"""Dictionaries of strings: each string is made once, whatever number of rows and batches use it."""

import io
from typing import Any

import pyarrow as pa
import pytest

from app.errors import InvalidInput
from app.wire.arrow import stream
from app.wire.arrow.dictionaries import repeated
from app.wire.limits import Limits
from tests.attacks.clients import GROWTH, growth
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 40, max_ratio=1 << 40, max_part_bytes=1 << 26, max_columns=8)


def batch(strings: pa.Array, indices: list[int | None], mask: list[bool] | None = None) -> pa.RecordBatch:
    n = len(indices)
    columns = {
        "labels": pa.array([1] * n),
        "probabilities": pa.array([0.5] * n),
        "cluster_id": pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), strings),
    }
    return pa.record_batch(columns | ({"mask": pa.array(mask)} if mask else {}))


def read(*batches: pa.RecordBatch) -> list[dict[str, Any]]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for one in batches:
            writer.write_batch(one)
    return list(stream.parts(io.BytesIO(sink.getvalue()), LIMITS, own("binary")))


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_batches_share_the_strings_of_their_dictionary(type_: pa.DataType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SMALL_ROWS", 0)
    strings = pa.array(["long" * 9, "b", "c"], type_)
    first, second = (part["cluster_id"].tolist() for part in read(batch(strings, [1, 0]), batch(strings, [0, 2, 0])))
    assert (first, second) == (["b", "long" * 9], ["long" * 9, "c", "long" * 9])
    assert first[1] is second[0] is second[2]


def test_another_dictionary_takes_the_place_of_the_last() -> None:
    parts = read(*(batch(pa.array(strings), [0, 1]) for strings in (["a", "b"], ["c", "d"], ["a", "b"])))
    assert [part["cluster_id"].tolist() for part in parts] == [["a", "b"], ["c", "d"], ["a", "b"]]


def test_a_string_that_is_null_may_stand_where_nothing_is_scored() -> None:
    long = "x" * 3_000_000  # a row of its own for each would take gigabytes
    strings, n = pa.array([long, None]), 2_000
    (part,) = read(batch(strings, [1, *[0] * n], [False, *[True] * n]))
    assert {id(text) for text in part["cluster_id"].tolist()} == {id(part["cluster_id"][1])}
    (part,) = read(batch(strings, [1, 1], [False, False]))
    assert part["cluster_id"].tolist() == ["", ""]
    with pytest.raises(InvalidInput) as caught:
        read(batch(strings, [0, 1, 1], [True, False, True]))
    assert [error.pointer for error in caught.value.errors] == ["/cluster_id/2"]


def test_many_small_batches_of_one_long_string() -> None:
    strings = pa.array(["x" * 1_000_000])
    small = batch(strings, [0])
    assert growth(lambda n: read(*[small] * n), 300) <= GROWTH


@pytest.mark.parametrize("n", [3, 2_000])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_plain_strings_that_come_many_times_are_made_once(type_: pa.DataType, n: int) -> None:
    whole = pa.array(["left out", *[f"text {i}" for i in range(n)] * 2, ""], type_)
    for array in (whole, whole[1:], whole[1:-1], whole[:0], pa.array([""] * 3, type_)):
        strings = repeated(array)
        assert strings.tolist() == array.to_pylist()
        assert n > 3 or len(set(map(id, strings))) == len(set(strings))
