"""Arrow arrays of types that tools write: read as the columns of a request, or refused by name."""

import io
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow_parquet

from app.core.columns import Ragged
from app.errors import InvalidInput, TooLarge
from app.wire.arrow import stream as arrow
from app.wire.arrow.arrays import readable
from app.wire.columns import SLICE_RULE
from app.wire.fields import Field
from app.wire.limits import Limits
from app.wire.parquet import file as parquet
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 24, max_columns=40)


def stream(**columns: pa.Array) -> bytes:
    out = io.BytesIO()
    batch = pa.record_batch({name.replace("slices__", "slices."): array for name, array in columns.items()})
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    return out.getvalue()


def read(**columns: pa.Array) -> dict[str, Any]:
    (part,) = arrow.parts(io.BytesIO(stream(**columns)), LIMITS, own("multiclass"))
    return part


def told(**columns: pa.Array) -> tuple[str, str, str]:
    with pytest.raises(InvalidInput) as caught:
        read(**columns)
    (error,) = caught.value.errors
    return error.pointer, error.code, error.detail


def extended(type_: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.ExtensionArray.from_storage(type_, pa.array(values, type_.storage_type))


def named(names: list[str | None], type_: pa.DataType, codes: list[int | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.uint32()), pa.array(names, type_))


LONG = "a name that is longer than a view holds"


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
def test_names_in_a_dictionary_of_every_type(type_: pa.DataType) -> None:
    labels = named(["ant", LONG, "", "unused"], type_, [1, 0, 0, 2, 1])
    expected = [LONG, "ant", "ant", "", LONG]
    assert read(labels=labels)["labels"].tolist() == expected
    assert read(labels=labels.slice(1, 3))["labels"].tolist() == expected[1:4]
    assert read(slices=pa.StructArray.from_arrays([labels], ["s"]))["slices"]["s"].tolist() == expected
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 5], pa.int32()), labels)
    rows = read(labels=lists)["labels"]
    assert isinstance(rows, Ragged)
    assert rows.values.tolist() == expected
    for wrong in (named(["ant", None], type_, [0, 1]), named(["ant"], type_, [0, None])):
        assert told(labels=wrong) == ("/labels/1", "wrong_type", "must be a value, found null")


def test_a_dictionary_of_views_of_one_long_string_is_not_written_out() -> None:
    text = pa.array(["x" * 1_000_000], pa.string_view()).buffers()
    views = pa.py_buffer(text[1].to_pybytes()[:16] * 100)
    names = pa.Array.from_buffers(pa.string_view(), 100, [None, views, text[2]])
    with pytest.raises(TooLarge, match="strings of a record batch"):
        read(labels=pa.DictionaryArray.from_arrays(pa.array([3, 4]), names))


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        (pa.bool8(), [1, 0, 2], [True, False, True]),
        (pa.opaque(pa.int64(), "any", "one"), [3, 2, 1], [3, 2, 1]),
        (pa.json_(), ["1", "x", "y"], ["1", "x", "y"]),
        (pa.fixed_shape_tensor(pa.int64(), [2]), [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (pa.fixed_shape_tensor(pa.bool_(), [1]), [[True], [False]], [[True], [False]]),
    ],
)
def test_extension_types_are_read_as_what_they_store(type_: pa.DataType, values: list[Any], expected: Any) -> None:
    labels = read(labels=extended(type_, values))["labels"]
    assert labels.tolist() == expected
    assert labels.dtype == (object if isinstance(values[0], str) else np.array(expected).dtype)


def test_booleans_of_eight_bits_are_booleans_in_lists_too_and_null_nowhere() -> None:
    flat = extended(pa.bool8(), [1, 0])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), flat)
    for values, expected in ((flat, [True, False]), (lists, [[True], [False]])):
        mask = read(mask=values)["mask"]
        assert mask.dtype == bool
        assert mask.tolist() == expected
    assert told(mask=extended(pa.bool8(), [1, None])) == ("/mask/1", "wrong_type", "must be a value, found null")


@pytest.mark.parametrize("shape", [[], [1, 2], [2, 1]])
def test_tensors_that_are_no_lists_are_refused(shape: list[int]) -> None:
    size = int(np.prod(shape))
    tensors = extended(pa.fixed_shape_tensor(pa.float64(), shape), [[0.5] * size])
    expected = ("/probabilities", "wrong_shape", f"must hold a list a row, found tensors of shape {shape}")
    assert told(probabilities=tensors) == expected


@pytest.mark.parametrize("type_", [pa.list_view, pa.large_list_view])
def test_views_of_lists_are_read_in_any_order(type_: Any) -> None:
    make = pa.ListViewArray if type_ is pa.list_view else pa.LargeListViewArray
    index = pa.int32() if type_ is pa.list_view else pa.int64()

    def views(offsets: list[int], sizes: list[int]) -> pa.Array:
        return make.from_arrays(pa.array(offsets, index), pa.array(sizes, index), pa.array([0.1, 0.2, 0.3, 0.4]))

    rows = read(log_probabilities=views([2, 4, 1], [2, 0, 1]))["log_probabilities"]
    assert isinstance(rows, Ragged)
    assert (rows.values.tolist(), rows.offsets.tolist()) == ([0.3, 0.4, 0.2], [0, 2, 2, 3])
    assert read(probabilities=views([2, 0], [2, 2]))["probabilities"].tolist() == [[0.3, 0.4], [0.1, 0.2]]
    assert read(probabilities=views([2, 0], [2, 2]).slice(1))["probabilities"].tolist() == [[0.1, 0.2]]
    nothing = read(log_probabilities=views([0, 0], [0, 0]))["log_probabilities"]
    assert nothing.offsets.tolist() == [0, 0, 0]
    shared = ("/logits", "wrong_type", "must hold lists, found views of lists that share values")
    assert told(logits=views([0, 0, 0], [4, 4, 4])) == shared
    absent = pa.array([[0.5], None], type_(pa.float64()))
    assert told(logits=absent) == ("/logits/1", "wrong_type", "must be a list, found null")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([Decimal("0.5")]),
        pa.array([Decimal("0.5")], pa.decimal256(50, 1)),
        pa.array([b"a"], pa.binary_view()),
        pa.array([b"a"], pa.binary(1)),
        pa.array([1], pa.timestamp("us", "UTC")),
        pa.array([1], pa.duration("s")),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
        pa.RunEndEncodedArray.from_arrays([1], ["a"]),
        pa.DictionaryArray.from_arrays([0], pa.array([b"a"], pa.binary_view())),
        pa.DictionaryArray.from_arrays([0], pa.array([[1]])),
        extended(pa.uuid(), [bytes(16)]),
        pa.array([[[1]]]),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("name", ["labels", "logits", "mask", "cluster_id", "slices__s"])
def test_what_no_column_holds_is_refused_by_name(name: str, values: pa.Array) -> None:
    is_number = pa.types.is_decimal(values.type)
    if (name == "slices__s" and pa.types.is_temporal(values.type)) or (is_number and name not in ("labels", "mask")):
        assert read(**{name: values})
        return
    pointer, code, detail = told(**{name: values})
    place = "/" + name.replace("__", "/")
    assert (pointer, code) == (f"{place}/0" if name == "labels" and is_number else place, "wrong_type")
    assert detail.startswith("must be ")
    assert ", found " in detail


def test_numbered_columns_make_one() -> None:
    rows = np.random.default_rng(2).random((100, 11))
    columns = {f"probabilities_{j}": pa.array(rows[:, j]) for j in reversed(range(11))}
    part = read(labels=pa.array(range(100)), **columns)
    assert list(part) == ["labels", "probabilities"]
    np.testing.assert_array_equal(part["probabilities"], rows)
    assert part["probabilities"].flags.c_contiguous
    masks = read(mask_0=pa.array([True, False]), mask_1=pa.array([False, False]))["mask"]
    assert masks.tolist() == [[True, False], [False, False]]
    single = read(logits_0=pa.array([0.1], pa.float32()), logits_1=pa.array([0.2], pa.float32()))["logits"]
    assert single.dtype == np.float32


def test_numbered_columns_of_parquet_make_one() -> None:
    rows = np.random.default_rng(2).random((100, 3))
    out = io.BytesIO()
    arrow_parquet.write_table(pa.table({f"logits_{j}": rows[:, j] for j in range(3)}), out, row_group_size=30)
    parts = list(parquet.parts(out, LIMITS, own("multiclass")))
    assert [len(part["logits"]) for part in parts] == [30, 30, 30, 10]
    np.testing.assert_array_equal(np.concatenate([part["logits"] for part in parts]), rows)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"logits_0": [1.0], "logits_2": [1.0]}, ("/logits", "missing", "without gaps, found no logits_1")),
        ({"logits_0": [1.0], "logits": [1.0]}, ("/logits", "duplicate", "must be one column, found several")),
        ({"labels_0": [1], "labels_1": [True]}, ("/labels", "wrong_type", "must hold values of one type")),
        ({"labels_0": [1, 1], "labels_1": [1, None]}, ("/labels/1/1", "wrong_type", "must be a value, found null")),
        ({"logits_0": [[1.0]], "logits_1": [[1.0]]}, ("/logits", "wrong_type", "must be numbers, found list<")),
        ({"cluster_id_0": [1]}, ("/cluster_id_0", "unknown_field", 'did you mean "cluster_id"?')),
    ],
)
def test_numbered_columns_that_make_none_are_refused(columns: dict[str, Any], expected: tuple[str, str, str]) -> None:
    pointer, code, detail = told(**{name: pa.array(values) for name, values in columns.items()})
    assert (pointer, code) == expected[:2]
    assert expected[2] in detail


def test_a_numbered_column_that_comes_twice_is_refused() -> None:
    out = io.BytesIO()
    batch = pa.RecordBatch.from_arrays([pa.array([0.5])] * 2, ["logits_0", "logits_0"])
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(InvalidInput, match="must have logits_0 once, found it again"):
        list(arrow.parts(io.BytesIO(out.getvalue()), LIMITS, own("multiclass")))


def test_the_index_of_pandas_is_left_out() -> None:
    index = {"__index_level_0__": pa.array([7, 9]), "__index_level_1__": pa.array(["x", None])}
    out = io.BytesIO()
    arrow_parquet.write_table(pa.table({"labels": [1, 0], **index}), out)
    for parts in (
        arrow.parts(io.BytesIO(stream(labels=pa.array([1, 0]), **index)), LIMITS, own("multiclass")),
        parquet.parts(out, LIMITS, own("multiclass")),
    ):
        (part,) = parts
        assert list(part) == ["labels"]
        assert part["labels"].tolist() == [1, 0]
    assert told(__index_level_0__=pa.array([7])) == ("", "missing", "must have columns, found none")
    assert told(labels=pa.array([1]), index_level_0=pa.array([7]))[:2] == ("/index_level_0", "unknown_field")


def test_what_pyarrow_cannot_do_is_a_refusal_that_names_the_column() -> None:
    refused = pytest.raises(InvalidInput, match="/slices/s: must hold values that can be read: ")
    with refused, readable(Field("slices.s", "/slices/s", SLICE_RULE)):
        pa.array(["one"]).cast(pa.int64())


def test_lists_that_are_all_empty_need_no_type() -> None:
    empty = pa.array([[], []])
    assert pa.types.is_null(empty.type.value_type)
    for name in ("log_probabilities", "mask"):
        column = read(**{"log_probabilities": empty, name: empty})[name]
        assert isinstance(column, Ragged)
        assert (len(column.values), column.offsets.tolist()) == (0, [0, 0, 0])
