"""Arrow IPC streams: types, places of errors, limits met before anything is allocated, and broken bytes."""

import io
import struct
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app.core.columns import Ragged
from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.arrow import stream as arrow
from app.wire.arrow.ipc import CONTINUATION
from app.wire.limits import Limits
from tests.wire.mapped import own
from tests.wire.streams import stream
from tests.wire.trickle import Trickle

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 24, max_columns=40)
END = CONTINUATION + bytes(4)


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.record_batch({name.replace("__", "."): pa.array(values) for name, values in columns.items()})


def read(body: bytes, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    return list(arrow.parts(io.BytesIO(body), limits, own("multiclass")))


def only(name: str, values: pa.Array) -> Any:
    (part,) = read(stream(pa.record_batch({name: values})))
    return part[name]


def told(body: bytes, limits: Limits = LIMITS) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body, limits)
    return [(error.pointer, error.code, error.detail) for error in caught.value.errors]


def array_of(names: list[str], type_: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(type_):
        return pa.array(names, pa.string()).cast(type_)
    encoded = pa.array(names).dictionary_encode()  # pyarrow casts to no dictionary of views
    return pa.DictionaryArray.from_arrays(
        encoded.indices.cast(type_.index_type), encoded.dictionary.cast(type_.value_type)
    )


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("labels", pa.array([1, 0, -100], pa.int8()), np.array([1, 0, -100])),
        ("labels", pa.array([1, 2**63 - 1], pa.uint64()), np.array([1, 2**63 - 1])),
        ("labels", pa.array([True, False, True]), np.array([True, False, True])),
        ("labels", pa.array([[1, 0], [0, 1]], pa.list_(pa.uint8())), np.array([[1, 0], [0, 1]])),
        ("probabilities", pa.array([1, 0, 2], pa.uint16()), np.array([1.0, 0.0, 2.0])),
        ("probabilities", pa.array([0.5, None], pa.float64()), np.array([0.5, np.nan])),
        ("probabilities", pa.array([1, None], pa.int64()), np.array([1.0, np.nan])),
        ("probabilities", pa.array([0.1, None], pa.float32()), np.array([0.1, np.nan], np.float32)),
        ("probabilities", pa.array([0.1, None], pa.float16()), np.array([np.float16(0.1), np.nan], np.float64)),
        ("probabilities", pa.array([[0.1, None]], pa.list_(pa.float64(), 2)), np.array([[0.1, np.nan]])),
        ("probabilities", pa.array([[0.1]], pa.large_list(pa.float32())), np.array([[0.1]], np.float32)),
        ("logits", pa.array([0.5, 0.5, None]).dictionary_encode(), np.array([0.5, 0.5, np.nan])),
        ("labels", pa.array([5, 5, 7]).dictionary_encode(), np.array([5, 5, 7])),
        ("mask", pa.array([[True, False]], pa.list_(pa.bool_(), 2)), np.array([[True, False]])),
        ("n_bytes", pa.array([3], pa.int32()), np.array([3])),
        ("slices.region", pa.array([3], pa.int32()), np.array([3])),
    ],
)
def test_a_type_becomes_the_array_of_its_field(name: str, values: pa.Array, expected: np.ndarray) -> None:
    (part,) = read(stream(pa.record_batch({name: values})))
    column = part["slices"]["region"] if name == "slices.region" else part[name]
    assert column.dtype == expected.dtype
    assert column.flags.c_contiguous
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
        pa.dictionary(pa.uint64(), pa.string()),
        pa.dictionary(pa.int16(), pa.string_view()),
    ],
)
def test_strings_of_every_type(type_: pa.DataType) -> None:
    names = ["ant", "", "βήτα, longer than a view holds", "ant", "z"]
    array = array_of(names, type_)
    column = only("cluster_id", array)
    assert column.dtype == object
    assert column.tolist() == names
    assert only("labels", array.slice(2, 2)).tolist() == names[2:4]


def test_a_tensor_is_read_and_eight_bytes_a_number_are_not_copied() -> None:
    table = np.random.default_rng(5).random((1000, 8))
    body = stream(pa.record_batch({"probabilities": pa.FixedShapeTensorArray.from_numpy_ndarray(table)}))
    before = pa.total_allocated_bytes()
    (part,) = read(body)
    np.testing.assert_array_equal(part["probabilities"], table)
    assert not part["probabilities"].flags.owndata
    assert pa.total_allocated_bytes() - before < 4096


def test_uneven_lists_stay_ragged_and_even_ones_do_not() -> None:
    column = only("log_probabilities", pa.array([[-9.0], [-1.0, -2.0], [], [-3.0]]).slice(1))
    assert isinstance(column, Ragged)
    assert (column.values.tolist(), column.offsets.tolist()) == ([-1, -2, -3], [0, 2, 2, 3])
    assert column.offsets.dtype == np.int64
    assert only("log_probabilities", pa.array([[-1.0], [-2.0]])).tolist() == [[-1], [-2]]
    assert isinstance(only("log_probabilities", pa.array([[], []], pa.list_(pa.float64()))), Ragged)


def test_slices_come_as_dotted_columns_or_as_a_struct() -> None:
    dotted = batch(labels=[0, 1], slices__region=["n", "s"], slices__old=[True, False])
    struct_ = batch(labels=[0, 1], slices=[{"region": "n", "old": True}, {"region": "s", "old": False}])
    for body in (stream(dotted), stream(struct_), stream(struct_.slice(1), struct_.slice(0, 1))):
        parts = read(body)
        regions = np.concatenate([part["slices"]["region"] for part in parts]).tolist()
        assert sorted(regions) == ["n", "s"]
        assert parts[0]["slices"]["old"].dtype == bool
        assert list(parts[0]) == ["labels", "slices"]


def test_a_part_is_a_record_batch_or_a_piece_of_a_large_one() -> None:
    rows = np.arange(200_000)
    assert [len(part["labels"]) for part in read(stream(batch(labels=rows[:10]), batch(labels=rows[:0])))] == [10]
    parts = read(stream(batch(labels=rows), batch(labels=rows[:5])))
    assert [len(part["labels"]) for part in parts] == [65536, 65536, 65536, 3392, 5]
    np.testing.assert_array_equal(np.concatenate([part["labels"] for part in parts]), [*rows, *range(5)])
    wide = pa.record_batch({"probabilities": pa.FixedSizeListArray.from_arrays(np.ones(10 << 20 >> 3), 1 << 10)})
    assert [part["probabilities"].nbytes for part in read(stream(wide))] == [4 << 20, 4 << 20, 2 << 20]


def test_a_stream_without_rows_has_no_parts() -> None:
    schema = pa.schema([("labels", pa.int64())])
    out = io.BytesIO()
    pa.ipc.new_stream(out, schema).close()
    assert read(out.getvalue()) == []


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_read(codec: str) -> None:
    labels = np.arange(5000) % 7
    (part,) = read(stream(batch(labels=labels, cluster_id=["a"] * 5000), compression=codec))
    np.testing.assert_array_equal(part["labels"], labels)


@pytest.mark.parametrize(
    ("name", "values", "detail"),
    [
        ("labels", pa.array([0.5]), "must be an integer, found 0.5; soft or one-hot labels are `targets`"),
        ("labels", pa.array([b"a"]), "must be integers, booleans or strings, found binary"),
        ("labels", pa.array([[0.5]]), "must be an integer, found 0.5; soft or one-hot labels are `targets`"),
        ("labels", pa.array([0.5]).dictionary_encode(), "must be an integer, found 0.5"),
        ("labels", pa.array([Decimal("0.5")]), "must be an integer, found 0.5"),
        ("probabilities", pa.array([True]), "must be numbers, found bool"),
        ("probabilities", pa.array(["0.5"]), "must be numbers, found string"),
        ("probabilities", pa.array([[["0.5"]]]), "must be numbers, found list<item: string>"),
        (
            "probabilities",
            pa.array([{"a": 1}]),
            "must be numbers, found struct<a: int64>; send a list column, or numbered columns probabilities_0",
        ),
        ("logits", pa.array([1], pa.date32()), "must be numbers, found date32[day]"),
        ("logits", pa.RunEndEncodedArray.from_arrays([2**31 - 1], [0.5]), "must be numbers, found run_end_encoded"),
        ("mask", pa.array([1]), "must be booleans, found int64"),
        ("n_bytes", pa.array([1.5]), "must be an integer, found 1.5"),
        ("mask", pa.array([1.0]), "must be booleans, found double; cast them to booleans"),
        ("cluster_id", pa.array([True]), "must be integers or strings, found bool"),
        ("slices", pa.array([1]), "must be a column of a scoring request or slices.<name>"),
        ("logits", pa.array([[]], pa.list_(pa.float64(), 0)), "must hold lists of at least one value"),
    ],
)
def test_a_type_that_a_field_may_not_hold_is_refused(name: str, values: pa.Array, detail: str) -> None:
    ((pointer, _, text),) = told(stream(pa.record_batch({name: values})))
    assert pointer.startswith(f"/{name}")
    assert detail in text


@pytest.mark.parametrize(
    ("name", "values", "place"),
    [
        ("labels", pa.array([1, None, 2]), "/labels/4"),
        ("labels", pa.array(["a", None, "b"]), "/labels/4"),
        ("labels", pa.array(["a", None, "b"]).dictionary_encode(), "/labels/4"),
        ("labels", pa.DictionaryArray.from_arrays([0, 1, 0], pa.array(["a", None])), "/labels/4"),
        ("mask", pa.array([[True], [None], [True]]), "/mask/4/0"),
        ("labels", pa.array([[1], [0, 1, None], [1]]), "/labels/4/2"),
        ("probabilities", pa.array([[0.5], None, [0.5]]), "/probabilities/4"),
        ("probabilities", pa.array([[0.5], None, [0.5]], pa.list_(pa.float64(), 1)), "/probabilities/4"),
    ],
)
def test_a_null_is_located_in_the_whole_body(name: str, values: pa.Array, place: str) -> None:
    sound = values.take(pa.array([0, 0, 2]))
    ((pointer, code, detail),) = told(stream(*(pa.record_batch({name: a}) for a in (sound, values))))
    assert (pointer, code) == (place, "wrong_type")
    assert detail.endswith(", found null")


def test_an_integer_beyond_64_bits_is_refused() -> None:
    values = pa.array([[1, 2], [3, 2**63]], pa.list_(pa.uint64()))
    expected = ("/labels/1/1", "out_of_range", f"must be at most {2**63 - 1}, found {2**63}")
    assert told(stream(pa.record_batch({"labels": values}))) == [expected]
    assert only("logits", pa.array([2**63], pa.uint64())).tolist() == [2.0**63]


def test_unknown_and_repeated_names_are_refused() -> None:
    table = pa.RecordBatch.from_arrays([pa.array([1])] * 4, ["labels", "labels", "probabilites", "epsilon"])
    assert [(pointer, code) for pointer, code, _ in told(stream(table))] == [
        ("/probabilites", "unknown_field"),
        ("/epsilon", "unknown_field"),
        ("/labels", "duplicate"),
    ]
    assert 'did you mean "probabilities"?' in told(stream(table))[0][2]
    assert "query string" in told(stream(table))[1][2]
    both = pa.record_batch({"slices.a": pa.array([1]), "slices": pa.array([{"a": 1}])})
    assert told(stream(both)) == [("/slices/a", "duplicate", "must be one column, found several")]
    assert told(stream(pa.record_batch([], names=[]))) == [("", "missing", "must have columns, found none")]


def test_many_columns_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 40 columns, found 41"):
        read(stream(pa.record_batch({f"slices.{i}": pa.array([1]) for i in range(41)})))
    with pytest.raises(TooLarge, match="at most 40 columns, found 41"):
        read(stream(pa.record_batch({"slices": pa.array([{str(i): 1 for i in range(41)}])})))


class Fused:
    """A source that must not be read beyond its beginning."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def read(self, n: int) -> bytes:
        assert n <= 1 << 20, "asked for more than the limit allows"
        return self._body.read(n)


def places(body: bytes) -> list[int]:
    """The positions at which the messages of a stream begin."""
    starts = [0]
    while body[starts[-1] :] != END:
        start = starts[-1]
        (n_metadata,) = struct.unpack_from("<i", body, start + 4)
        n_body = pa.ipc.read_message(body[start:]).body
        starts.append(start + 8 + n_metadata + (n_body.size if n_body else 0))
    return starts


def test_messages_that_claim_too_much_are_refused_before_they_are_read() -> None:
    body = stream(batch(probabilities=np.ones(1000)))
    start = places(body)[1]
    limits = Limits(1 << 40, 1000, 1 << 20, 10)
    length_at = body.index(struct.pack("<q", 8000), start)
    for claim in (1 << 21, 1 << 40, 2**63 - 1):
        lying = bytearray(body)
        struct.pack_into("<q", lying, length_at, claim)
        with pytest.raises(SurprisalError):
            list(arrow.parts(Fused(bytes(lying)), limits, own("multiclass")))
    with pytest.raises(TooLarge, match="metadata, found 2000000"):
        list(arrow.parts(Fused(CONTINUATION + struct.pack("<i", 2_000_000)), limits, own("multiclass")))
    with pytest.raises(TooLarge, match="an Arrow message must hold at most 4096 bytes, found 8000: write smaller"):
        read(body, Limits(1 << 40, 1000, 1 << 12, 10))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_that_become_too_large_are_not_decoded(codec: str) -> None:
    zeros = batch(probabilities=np.zeros(1 << 20))
    body = stream(zeros, zeros, compression=codec)
    before = pa.default_memory_pool().max_memory()
    for limits, words in [
        (Limits(1 << 40, 1e9, 1 << 20, 10), "an Arrow record batch must hold at most 1048576 bytes, found 8388608"),
        (Limits(1 << 20, 1e9, 1 << 30, 10), "the decoded body must hold at most 1048576"),
    ]:
        with pytest.raises(TooLarge, match=words):
            read(body, limits)
    assert pa.default_memory_pool().max_memory() == before
    with pytest.raises(TooLarge, match="more than 3 times"):
        read(body, Limits(1 << 40, 3, 9 << 20, 10))


def test_a_lie_about_the_length_of_a_compressed_buffer_is_found() -> None:
    body = bytearray(stream(batch(probabilities=np.zeros(1000)), compression="zstd"))
    at = body.index(struct.pack("<q", 8000) + b"\x28\xb5\x2f\xfd")
    for claim in (0, 7992, 8008, 1 << 19, -2, -1):
        struct.pack_into("<q", body, at, claim)
        with pytest.raises(MalformedBody):
            read(bytes(body))


@pytest.mark.slow
def test_one_long_string_named_often_does_not_take_its_length_each_time() -> None:
    text = "x" * 1_000_000
    named = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), [text])
    assert len(set(map(id, only("labels", named)))) == 1
    view = pa.array([text], pa.string_view())
    body = view.buffers()
    views = pa.py_buffer(body[1].to_pybytes()[:16] * 60_000)
    many = pa.Array.from_buffers(pa.string_view(), 60_000, [None, views, body[2]])
    with pytest.raises(TooLarge, match="strings of a record batch"):
        only("labels", many)


def example(codec: str | None = None) -> bytes:
    views = pa.dictionary(pa.int8(), pa.string_view())
    columns = {
        "slices.t": pa.array(["a", "b", "a"]).dictionary_encode(),
        "log_probabilities": pa.array([[-1.0, -2.0], [-3.0], []]),
        "probabilities": pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[0.5, 0.5]] * 3)),
        "cluster_id": pa.array(["one", "two, long enough for a view", "x"], pa.string_view()),
        "mask": pa.array([True, False, True]),
        "slices": pa.StructArray.from_arrays([pa.array([1, 2, 3]), array_of(["a", "b", "a"], views)], ["s", "v"]),
        "targets": pa.array([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]], pa.list_view(pa.float64())),
        "labels_0": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, 1], pa.int8())),
    }
    rows = pa.record_batch(columns)
    return stream(rows, rows.slice(1), compression=codec)


@pytest.mark.slow
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_every_prefix_and_every_tail_is_refused(codec: str | None) -> None:
    body = example(codec)
    assert [len(part["labels"]) for part in read(body)] == [5]
    for n in range(len(body)):
        with pytest.raises(MalformedBody):
            read(body[:n])
    for tail in (b"\0", END, body):
        with pytest.raises(MalformedBody, match="found more bytes"):
            read(body + tail)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "flip"), [(None, 0x01), (None, 0xFF), ("lz4", 0x80), ("zstd", 0x01)])
def test_a_changed_byte_is_refused_or_gives_columns(codec: str | None, flip: int) -> None:
    body = bytearray(example(codec))
    refused = 0
    for i in range(len(body)):
        body[i] ^= flip
        try:
            read(bytes(body))
        except SurprisalError:
            refused += 1
        body[i] ^= flip
    assert refused > len(body) // 20


@pytest.mark.parametrize("body", [b"", b"{}", b"ARROW1\0\0" + bytes(100), END, CONTINUATION + struct.pack("<i", -8)])
def test_what_is_no_stream_is_refused(body: bytes) -> None:
    with pytest.raises((MalformedBody, TooLarge)):
        read(body)


def test_a_source_may_give_a_few_bytes_at_a_time_and_is_read_no_further_than_the_part() -> None:
    body = stream(*(batch(labels=[i] * 1000) for i in range(4)))
    source = Trickle(body, 7)
    for i, part in enumerate(arrow.parts(source, LIMITS, own("multiclass"))):
        assert part["labels"].tolist() == [i] * 1000
        assert source.tell() == places(body)[i + 2]
    assert source.tell() == len(body)


def one_row(value: float) -> pa.RecordBatch:
    return batch(labels=[1], logits=[[value, 0.5]])


def test_small_batches_are_joined_and_large_ones_left() -> None:
    n, large = arrow.MOST_JOINED, batch(labels=[1] * 300, logits=[[0.5, 1]] * 300)
    nothing = large.slice(0, 0)
    parts = read(
        stream(*[one_row(i) for i in range(n + 1)], nothing, one_row(n + 1), nothing, large, one_row(7), large)
    )
    assert [len(part["labels"]) for part in parts] == [n, 2, 300, 1, 300]
    assert np.concatenate([part["logits"] for part in parts[:2]])[:, 0].tolist() == list(range(n + 2))


@pytest.mark.parametrize("seed", range(10))
def test_no_row_is_lost_or_moved_however_a_stream_is_cut(seed: int) -> None:
    random = Random(seed)
    sizes = [
        random.choice([0, 1, 1, 2, arrow.SMALL_ROWS, arrow.SMALL_ROWS + 1]) for _ in range(random.randrange(1, 40))
    ]
    n_rows = sum(sizes)
    whole = batch(labels=[1] * n_rows, logits=[[float(i), 0.5] for i in range(n_rows)])
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    parts = read(stream(*[whole.slice(start, size) for start, size in zip(starts, sizes, strict=True)]))
    assert [row[0] for part in parts for row in part["logits"]] == list(range(n_rows))


def test_small_batches_whose_types_cannot_be_joined_are_read_one_by_one() -> None:
    row = pa.record_batch({"labels": pa.array(["a"], pa.string_view()), "logits": pa.array([[0.5, 1]])})
    assert sum(len(part["labels"]) for part in read(stream(row, row))) == 2


def test_rows_before_a_fault_come_first() -> None:
    wrong = pa.record_batch({"labels": pa.array([None], pa.int64()), "logits": pa.array([[0.5, 1]])})
    whole = stream(one_row(1), one_row(1), wrong, one_row(1))
    assert told(whole) == told(whole[: -len(END) - 8])
    assert told(whole)[0][0] == "/labels/2"


def test_rows_are_given_before_a_fault_behind_them() -> None:
    arriving = arrow.parts(io.BytesIO(stream(one_row(1), one_row(2))[:-9]), LIMITS, own("multiclass"))
    assert len(next(arriving)["labels"]) == 1
    with pytest.raises(MalformedBody):
        next(arriving)
