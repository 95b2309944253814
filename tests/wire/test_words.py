"""The words of errors for files that are nearly right."""

import base64
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow_parquet

from app.core.synonyms import FIELDS, SYNONYMS, meant
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import InvalidInput, MalformedBody, SurprisalError
from app.wire.arrow import stream as arrow
from app.wire.arrow.schema import index_names
from app.wire.csv import table as csv
from app.wire.json import reader as json
from app.wire.limits import Limits
from app.wire.ndjson import reader as ndjson
from app.wire.npz import archive as npz
from app.wire.parquet import file as parquet
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=12)
VECTOR = pa.struct(
    {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32()), "values": pa.list_(pa.float64())}
)


def stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def file_of(table: pa.Table) -> bytes:
    out = io.BytesIO()
    arrow_parquet.write_table(table, out)
    return out.getvalue()


def refusals(table: pa.Table, task: TaskName = "multiclass") -> list[SurprisalError]:
    """The refusals of a table as an Arrow stream and as a Parquet file."""
    with pytest.raises(SurprisalError) as streamed:
        list(arrow.parts(io.BytesIO(stream(table)), LIMITS, own(task)))
    with pytest.raises(SurprisalError) as stored:
        list(parquet.parts(io.BytesIO(file_of(table)), LIMITS, own(task)))
    return [streamed.value, stored.value]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (
            "probabilities",
            pa.array([{"cat": 0.5, "dog": 0.5}]),
            "found struct<cat: double, dog: double>; send a list column, or numbered columns probabilities_0",
        ),
        (
            "probabilities",
            pa.array([{"type": 0, "size": 2, "indices": [1], "values": [0.5]}], VECTOR),
            "vector_to_array",
        ),
        ("logits", pa.array([[("cat", 0.5)]], pa.map_(pa.string(), pa.float64())), "send a list column"),
        ("probabilities", pa.array(["0.5", "0.5"]), "must be numbers, found string"),
        ("probabilities", pa.array(["a", "a"]).dictionary_encode(), "must be numbers, found string"),
        ("labels", pa.array([0.0, None]), "must be a value, found null"),
        ("cluster_id", pa.array([1.5]), "must be an integer, found 1.5; cast them to integers or strings"),
        ("cluster_id", pa.array([1], pa.timestamp("ms")), "found timestamp[ms]; cast to string"),
        ("cluster_id", pa.array([1], pa.date32()), "found date32[day]; cast to string"),
        ("labels", pa.array(["1.5"]).cast(pa.decimal128(3, 1)), "must be an integer, found 1.5"),
        ("labels", pa.array(["9" * 30]).cast(pa.decimal128(30, 0)), "must hold values that can be read: Integer value"),
    ],
)
def test_a_type_that_no_column_holds_comes_with_what_to_do(name: str, values: pa.Array, words: str) -> None:
    for refusal in refusals(pa.table({name: values})):
        assert words in refusal.detail


def with_wide(body: bytes, position: int) -> bytes:
    """The body with one of the 64 bits of its schema's integers doubled."""
    places = [i for i in range(len(body)) if body[i : i + 4] == struct.pack("<i", 64)]
    return body[: places[position]] + struct.pack("<i", 128) + body[places[position] + 4 :]


def test_integers_of_128_bits_are_named_by_their_column() -> None:
    table = pa.table({"labels": pa.array([1], pa.int64()), "cluster_id": pa.array([5], pa.int64())})
    message = table.schema.serialize().to_pybytes()
    for position, name in ((0, "cluster_id"), (1, "labels")):  # fields are written from the last to the first
        wide = with_wide(message, position)
        body = stream(table).replace(message, wide)
        note = {b"ARROW:schema": base64.b64encode(wide)}
        stored = file_of(table).replace(base64.b64encode(message), note[b"ARROW:schema"])
        for parts in (
            arrow.parts(io.BytesIO(body), LIMITS, own("binary")),
            parquet.parts(io.BytesIO(stored), LIMITS, own("binary")),
        ):
            with pytest.raises(InvalidInput) as caught:
                list(parts)
            ((pointer, detail),) = [(error.pointer, error.detail) for error in caught.value.errors]
            assert (pointer, detail) == (
                f"/{name}",
                "must be integers of at most 64 bits, found int128; cast to int64 or string",
            )


@pytest.mark.parametrize(
    ("notes", "names"),
    [
        ({"index_columns": ["id"]}, {"id"}),
        ({"index_columns": ["id", "labels", "__index_level_1__"]}, {"id", "__index_level_1__"}),
        ({"index_columns": [{"kind": "range", "name": None}]}, set()),
        ({"index_columns": None}, set()),
        ({"index_columns": 5}, set()),
        ({}, set()),
        ([], set()),
    ],
)
def test_the_index_that_the_notes_of_pandas_name_is_left_out(notes: Any, names: set[str]) -> None:
    metadata = {b"pandas": orjson.dumps(notes)}
    assert index_names(metadata) == names
    assert index_names(None) == index_names({b"pandas": b"\xff"}) == set()
    columns = {"labels": pa.array([1, 0]), **{name: pa.array(["x", None]) for name in names}}
    table = pa.table(columns).replace_schema_metadata(metadata)
    for parts in (
        arrow.parts(io.BytesIO(stream(table)), LIMITS, own("binary")),
        parquet.parts(io.BytesIO(file_of(table)), LIMITS, own("binary")),
    ):
        assert [list(part) for part in parts] == [["labels"]]


def test_a_column_that_the_notes_do_not_call_an_index_is_unknown() -> None:
    table = pa.table({"labels": pa.array([1]), "id": pa.array([1])})
    for refusal in refusals(table.replace_schema_metadata({b"pandas": b'{"index_columns": ["key"]}'})):
        assert refusal.detail.startswith("/id: must be a column")


@pytest.mark.parametrize("width", [1, 2])
def test_numbers_that_numpy_writes_without_their_type_are_to_be_cast(width: int) -> None:
    out = io.BytesIO()
    np.savez(out, logits=np.zeros(3, f"V{width}"))
    with pytest.raises(InvalidInput, match="NumPy writes bfloat16 and float8 without their type: cast them to float32"):
        npz.columns(out.getvalue(), LIMITS, own("binary"))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'"labels";"probabilities"', "found semicolons: write commas, and points in numbers"),
        (b'"labels"\t"probabilities"', "found tabs"),
        (b'"labels"|"probabilities"', "found bars"),
        (b"labels|probabilities", "found bars"),
        (b'"a,b";"c"', "found semicolons"),
        (b"sep=,\nlabels,probabilities", "found sep=,, which only Excel reads: leave this line out"),
        (b"sep=;\nlabels;probabilities", "found sep=;, which only Excel reads"),
        (b'"sep=,"\nlabels,probabilities', "which only Excel reads"),
        (b"\xef\xbb\xbfsep=,\nlabels,probabilities", "which only Excel reads"),
        (b'{"labels": [1], "probabilities": [0.5]}', "found JSON: send it as application/json or application/x-ndjson"),
        (b'{"labels":1}', "found JSON"),
        ("étiquette,probabilities".encode("latin-1"), "found the byte 0xe9 at position 0; is it Latin-1"),
    ],
)
def test_what_stands_in_place_of_a_header_is_named(header: bytes, words: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        list(csv.parts(io.BytesIO(header + b"\n1;0,9\n"), LIMITS, own("binary")))
    assert words in caught.value.detail


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"labels,probabilities,", "column 2; it is the last: leave out the comma at the end of each line"),
        (b"labels,,probabilities", "column 1; name it, or leave it out"),
    ],
)
def test_a_column_without_a_name_is_told_by_its_place(header: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(csv.parts(io.BytesIO(header + b"\n1,1,1\n"), LIMITS, own("binary")))
    assert words in caught.value.detail


def test_ids_of_csv_that_do_not_fit_say_what_else_would() -> None:
    body = b"cluster_id\n" + b"1\n" * 3 + b"12015426485309150842\n"
    with pytest.raises(InvalidInput, match="begin all with a letter, or send strings in another format"):
        list(csv.parts(io.BytesIO(body), LIMITS, own("binary")))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"labels":1,"probabilities":0.9}\n{"labels":0,"probabilities":0.2}\n', "application/x-ndjson"),
        (b'[{"labels":1,"probabilities":0.9}]', "application/x-ndjson"),
        (b'{"logits": [-Infinity]}', '"-Infinity" may stand for a logit'),
        (b'{"unit": "\xe9"}', "found the byte 0xe9 at position 10; is it Latin-1"),
    ],
)
def test_what_is_nearly_json_is_named(body: bytes, words: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        json.decode(body, "binary")
    assert words in caught.value.detail


def test_every_other_name_leads_to_a_field() -> None:
    assert set(SYNONYMS) >= {"labels", "probabilities", "sample_weight"}
    assert FIELDS.keys().isdisjoint(COLUMN_NAMES)
    for other, name in FIELDS.items():
        assert meant(other, [name, "unit"]) == name
    assert meant("Y_True", COLUMN_NAMES) == "labels"
    assert meant("y_true", ["unit"]) is None
    assert meant("sample weight", COLUMN_NAMES) == "sample_weight"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'"labels" "probabilities"\n"1" 1 0.9\n', "found spaces: write commas"),
        (b"1,0.9\n0,0.2\n", "such as labels,probabilities, found the number 1"),
    ],
)
def test_a_table_without_commas_or_names_is_told(content: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=words):
        list(csv.parts(io.BytesIO(content), LIMITS, own("binary")))


@pytest.mark.parametrize("name", ["probabilities_cat", "probabilities.0", "log_probabilities_cat"])
def test_a_column_of_a_field_that_is_not_numbered_is_told_to_be(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"are numbered in the order of the classes: (log_)?probabilities_0"):
        list(csv.parts(io.BytesIO(f"labels,{name}\n1,0.9\n".encode()), LIMITS, own("multiclass")))


@pytest.mark.parametrize("body", [b'[{"labels":1}]\n', b'[\n{"labels":1}\n]\n', b'[{"labels":1},\n{"labels":0}]\n'])
def test_a_list_of_objects_in_place_of_lines_is_told(body: bytes) -> None:
    with pytest.raises(MalformedBody, match="write one object a line, without brackets or commas"):
        list(ndjson.parts(io.BytesIO(body), LIMITS, own("binary")))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"arr_0": np.ones(2)}, "numpy.savez(file, labels=..., probabilities=...)"),
        ({"labels": np.array([b"a", b"b"])}, "found |S1; cast to str"),
        ({"labels": np.full(2, 0.5)}, "must be an integer, found 0.5; soft or one-hot labels are `targets`"),
        ({"cluster_id": np.full(2, 2.0**60)}, "found 1.152921504606847e+18; cast them to integers or strings"),
        ({"probabilities": np.array(["0.9"])}, "found <U3; cast to float64"),
    ],
)
def test_what_arrays_hold_in_place_of_values_comes_with_what_to_do(arrays: dict[str, Any], words: str) -> None:
    out = io.BytesIO()
    np.savez(out, **arrays)
    with pytest.raises(InvalidInput) as caught:
        npz.columns(out.getvalue(), LIMITS, own("binary"))
    assert words in caught.value.detail


def test_numbers_in_strings_and_types_within_maps_are_named_as_in_the_file() -> None:
    strings = pa.table({"probabilities": pa.array(["0.9"])})
    maps = pa.table({"probabilities": pa.array([[("a", 0.5)]], pa.map_(pa.string(), pa.float64()))})
    assert all("found string; cast to double" in refusal.detail for refusal in refusals(strings))
    assert all("found map<string, double" in refusal.detail for refusal in refusals(maps))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"labels":{"0":1},"probabilities":[0.9]}', 'to_dict("list") makes lists'),
        (b'{"labels":[1.0],"probabilities":[0.9]}', "send integers (soft or one-hot labels are `targets`)"),
    ],
)
def test_columns_of_json_that_are_nearly_right_come_with_what_to_do(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        json.decode(body, "binary")
    assert words in caught.value.detail


def test_tokens_with_more_than_their_log_probability_are_told() -> None:
    with pytest.raises(InvalidInput, match="send its `logprob` alone"):
        json.decode(b'{"log_probabilities":[[{"token":"a","logprob":-0.1}]]}', "tokens")


def test_a_count_of_tokens_is_taken_for_no_other_field() -> None:
    assert meant("token_count", COLUMN_NAMES) == meant("num_tokens", COLUMN_NAMES) == "n_tokens"
    assert meant("token_count", TASKS["binary"].columns) is None


def without_line_ends(body: bytes) -> bytes:
    """The bytes that `curl -d @file` makes of a file."""
    return body.translate(None, b"\r\n\0")


def test_a_file_without_its_line_ends_is_told_how_curl_keeps_them() -> None:
    archive = io.BytesIO()
    np.savez(archive, labels=np.arange(2), logits=np.ones(2))
    table = pa.table({"labels": pa.array([1, 0]), "logits": pa.array([0.5, 0.1])})
    calls: list[Callable[[], Any]] = [
        lambda: list(csv.parts(io.BytesIO(b"labels,logits1,0.90,0.2"), LIMITS, own("binary"))),
        lambda: list(ndjson.parts(io.BytesIO(b'{"labels":1}{"labels":0}'), LIMITS, own("binary"))),
        lambda: list(parquet.parts(io.BytesIO(without_line_ends(file_of(table))), LIMITS, own("binary"))),
        lambda: npz.columns(without_line_ends(archive.getvalue()), LIMITS, own("binary")),
    ]
    for call in calls:
        with pytest.raises(MalformedBody, match="curl sends a file as it is with --data-binary"):
            call()


def test_numbers_by_class_are_to_be_lists() -> None:
    with pytest.raises(InvalidInput, match="send its values as a list, in the order of the classes"):
        list(ndjson.parts(io.BytesIO(b'{"probabilities":{"cat":0.9,"dog":0.1}}\n'), LIMITS, own("multiclass")))
