"""Parquet files: row groups to parts, limits met before pages are decoded, and broken bytes."""

import io
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow_parquet

from app.core.columns import Ragged
from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.arrow.arrays import PART_ROWS
from app.wire.limits import Limits
from app.wire.parquet import file as parquet
from app.wire.parquet.footer import Chunk, Decoded, RowGroup
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=12)


def file_of(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    arrow_parquet.write_table(table, out, **options)
    return out.getvalue()


def read(body: bytes, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    return list(parquet.parts(io.BytesIO(body), limits, own("multiclass")))


def told(body: bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body)
    return [(error.pointer, error.code, error.detail) for error in caught.value.errors]


def rows(n: int) -> pa.Table:
    probabilities = np.random.default_rng(n).random((n, 3))
    return pa.table(
        {
            "labels": pa.array([f"name {i % 3}" for i in range(n)]),
            "probabilities": pa.FixedSizeListArray.from_arrays(probabilities.ravel(), 3),
            "mask": pa.array([i % 2 == 0 for i in range(n)]),
            "log_probabilities": pa.array([[-1.0] * (i % 3) for i in range(n)]),
            "cluster_id": pa.array(range(n), pa.int16()),
            "slices": pa.array([{"a": i % 7, "b": "x"} for i in range(n)]),
        }
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"compression": "gzip", "use_dictionary": False},
        {"compression": "none", "column_encoding": {"cluster_id": "DELTA_BINARY_PACKED"}, "use_dictionary": False},
        {"compression": "lz4", "write_page_checksum": True, "data_page_size": 100},
        {"compression": "brotli", "dictionary_pagesize_limit": 10},
        {"store_schema": False, "use_compliant_nested_type": False},
    ],
)
def test_files_of_every_sort_give_the_same_columns(options: dict[str, Any]) -> None:
    table = rows(1000)
    parts = read(file_of(table, row_group_size=300, **options))
    assert [len(part["labels"]) for part in parts] == [300, 300, 300, 100]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in ("labels", "probabilities", "mask")}
    assert columns["labels"].tolist() == table["labels"].to_pylist()
    assert columns["probabilities"].tolist() == table["probabilities"].to_pylist()
    assert columns["mask"].tolist() == table["mask"].to_pylist()
    assert np.concatenate([part["cluster_id"] for part in parts]).tolist() == list(range(1000))
    assert isinstance(parts[0]["log_probabilities"], Ragged)
    assert parts[0]["log_probabilities"].offsets[:5].tolist() == [0, 0, 1, 3, 3]
    assert parts[-1]["slices"]["a"].tolist() == [i % 7 for i in range(900, 1000)]
    assert set(parts[-1]["slices"]["b"].tolist()) == {"x"}


@pytest.mark.parametrize("type_", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_strings_of_every_type(type_: pa.DataType) -> None:
    names = ["ant", "", "βήτα, longer than a view holds", "ant"]
    body = file_of(pa.table({"labels": pa.array(names, pa.string()).cast(type_)}))
    assert read(body)[0]["labels"].tolist() == names


def test_a_large_row_group_is_read_in_pieces() -> None:
    n = 200_000
    labels = np.random.default_rng(1).integers(0, 1 << 40, n)
    parts = read(file_of(pa.table({"labels": labels}), row_group_size=n))
    assert [len(part["labels"]) for part in parts] == [65536, 65536, 65536, 3392]
    wide = pa.table({"logits": pa.FixedSizeListArray.from_arrays(np.random.default_rng(1).random(1 << 21), 1 << 10)})
    parts = read(file_of(wide, use_dictionary=False, data_page_size=1 << 16))
    assert max(part["logits"].nbytes for part in parts) <= 8 << 20
    assert sum(map(len, (part["logits"] for part in parts))) == 2048


def test_a_file_without_rows_has_no_parts() -> None:
    assert read(file_of(rows(1).schema.empty_table())) == []


def test_a_file_of_the_system_is_read() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(file_of(rows(10)))
        assert [len(part["labels"]) for part in parquet.parts(file, LIMITS, own("multiclass"))] == [10]


@pytest.mark.parametrize(
    ("name", "values", "place", "detail"),
    [
        (
            "labels",
            pa.array([1.0, 0.0, 0.5]),
            "/102",
            "must be an integer, found 0.5; soft or one-hot labels are `targets`",
        ),
        ("labels", pa.array([1, 1, None]), "/102", "must be a value, found null"),
        ("labels", pa.array(["a", "a", None]), "/102", "must be a value, found null"),
        ("logits", pa.array([[1.0], [1.0], None]), "/102", "must be a list, found null"),
        ("logits", pa.array([1, 1, 1], pa.timestamp("ms")), "", "must be numbers, found timestamp[ms]"),
        ("mask", pa.array([[True], [True], [None]]), "/102/0", "must be a value, found null"),
    ],
)
def test_what_a_field_may_not_hold_is_located_in_the_whole_file(
    name: str, values: pa.Array, place: str, detail: str
) -> None:
    sound = pa.concat_tables([pa.table({name: values.slice(0, 1)})] * 100)
    body = file_of(pa.concat_tables([sound, pa.table({name: values})]), row_group_size=40)
    assert told(body) == [(f"/{name}{place}", "wrong_type", detail)]


def test_unknown_names_and_many_columns_are_refused() -> None:
    ((pointer, code, _),) = told(file_of(pa.table({"labels": [1], "index": [0]})))
    assert (pointer, code) == ("/index", "unknown_field")
    with pytest.raises(TooLarge, match="at most 12 columns, found 13"):
        read(file_of(pa.table({f"slices.{i}": [1] for i in range(13)})))


def test_a_constant_column_of_many_rows_is_a_bomb() -> None:
    body = file_of(pa.table({"labels": np.zeros(4 << 20, np.int64)}))
    assert len(body) < 1 << 15
    for limits, words in [
        (Limits(1 << 24, 1e9, 1 << 22, 12), "the decoded body must hold at most"),
        (Limits(1 << 40, 100, 1 << 22, 12), "more than 100 times"),
    ]:
        with pytest.raises(TooLarge, match=words):
            read(body, limits)


def test_a_long_string_in_many_rows_is_kept_once() -> None:
    indices = pa.array(np.zeros(50_000, np.int32))
    table = pa.table({"labels": pa.DictionaryArray.from_arrays(indices, ["x" * 1_000_000])})
    body = file_of(table)
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    (part,) = read(body)
    assert len({id(label) for label in part["labels"]}) == 1
    assert pool.bytes_allocated() - before < 1 << 24


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("labels", "DELTA_LENGTH_BYTE_ARRAY"),
        ("labels", "DELTA_BYTE_ARRAY"),
        ("cluster_id", "DELTA_BINARY_PACKED"),
        ("cluster_id", "BYTE_STREAM_SPLIT"),
        ("probabilities.list.element", "BYTE_STREAM_SPLIT"),
        ("probabilities.list.element", "PLAIN"),
        ("mask", "RLE"),
    ],
)
def test_every_encoding_gives_the_same_columns(name: str, encoding: str, version: str) -> None:
    table = rows(1000)
    options = {"use_dictionary": False, "column_encoding": {name: encoding}, "data_page_version": version}
    (expected,), (found,) = read(file_of(table)), read(file_of(table, **options, data_page_size=1000))
    for field in ("labels", "probabilities", "mask", "cluster_id"):
        np.testing.assert_array_equal(found[field], expected[field])


def test_few_rows_are_read_at_a_time_where_strings_may_be_long_and_are_not_in_a_dictionary() -> None:
    group = RowGroup(1000, [Chunk(1000, 0, 1), Chunk(1000, 1, 2)])
    chunks = {0: Decoded(8000, 1 << 20, is_delta=True), 1: Decoded(8000, 1 << 22, is_delta=False)}
    assert parquet._step(group, chunks, {0}) == 16
    assert parquet._step(group, chunks, set()) == PART_ROWS
    assert parquet._step(group, chunks, {0, 1}) == 4


@pytest.mark.parametrize("encoding", ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
def test_lists_of_strings_in_a_delta_encoding_are_refused(encoding: str) -> None:
    table = pa.table({"labels": [["a"], ["b"]]})
    name = "labels.list.element"
    with pytest.raises(MalformedBody, match="lists of strings"):
        read(file_of(table, use_dictionary=False, column_encoding={name: encoding}))
    assert read(file_of(table))[0]["labels"].tolist() == [["a"], ["b"]]


def test_strings_that_share_a_long_beginning_are_decoded_some_at_a_time() -> None:
    strings = ["x" * (1 << 18) + str(i) for i in range(300)]
    body = file_of(pa.table({"labels": strings}), use_dictionary=False, column_encoding={"labels": "DELTA_BYTE_ARRAY"})
    assert len(body) < 1 << 16
    pool = pa.default_memory_pool()
    before, peak, read_back = pool.bytes_allocated(), 0, []
    for part in parquet.parts(io.BytesIO(body), LIMITS, own("multiclass")):
        peak = max(peak, pool.bytes_allocated() - before)
        read_back += [label[1 << 18 :] for label in part["labels"]]
    assert read_back == [str(i) for i in range(300)]
    assert 1 << 20 < peak < 40 << 20


def test_a_page_that_becomes_too_large_is_refused_before_it_is_decoded() -> None:
    body = file_of(
        pa.table({"logits": np.zeros(1 << 17)}), use_dictionary=False, compression="zstd", data_page_size=1 << 24
    )
    with pytest.raises(TooLarge, match="a Parquet page must hold at most 65536 bytes, found"):
        read(body, Limits(1 << 40, 1e9, 1 << 16, 12))


@pytest.mark.parametrize("magic", [b"PARE", b"PAR2", b"    "])
def test_other_files_are_refused(magic: bytes) -> None:
    body = file_of(rows(3))
    with pytest.raises(MalformedBody):
        read(body[:-4] + magic)


def example(**options: Any) -> bytes:
    columns = ["labels", "probabilities", "log_probabilities"]
    return file_of(rows(5).select(columns), store_schema=False, row_group_size=3, **options)


def test_every_prefix_is_refused() -> None:
    body = example()
    for n in range(len(body)):
        with pytest.raises(MalformedBody):
            read(body[:n])


@pytest.mark.slow
@pytest.mark.parametrize(("flip", "version"), [(0x01, "1.0"), (0xFF, "2.0")])
def test_a_changed_byte_is_refused_or_gives_columns(flip: int, version: str) -> None:
    body = bytearray(example(data_page_version=version, write_page_checksum=True))
    refused = 0
    for i in range(len(body)):
        body[i] ^= flip
        try:
            read(bytes(body))
        except SurprisalError:
            refused += 1
        body[i] ^= flip
    assert refused > len(body) // 3
