from json import dumps
from typing import Any

import numpy as np
import orjson
import pytest

from app.core.columns import Ragged
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody
from app.wire.json import reader as json


def decode(body: bytes, task: TaskName = "binary") -> dict[str, Any]:
    return json.decode(body, task)


def refusal(body: object) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        decode(orjson.dumps(body))
    return caught.value


def told(body: object) -> list[tuple[str, str, str]]:
    return [(error.pointer, error.code, error.detail) for error in refusal(body).errors]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("labels", [1, 0, -100], np.array([1, 0, -100])),
        ("labels", [True, False], np.array([True, False])),
        ("labels", ["ant", "bee"], np.array(["ant", "bee"], dtype=object)),
        ("labels", [[1, 0], [0, 1]], np.array([[1, 0], [0, 1]])),
        ("labels", [], np.array([], dtype=np.int64)),
        ("targets", [0, 0.5, 1], np.array([0.0, 0.5, 1.0])),
        ("probabilities", [[1, 0], [0.5, 0.5]], np.array([[1.0, 0.0], [0.5, 0.5]])),
        ("probabilities", [[0.5], [0.25]], np.array([[0.5], [0.25]])),
        ("log_probabilities", [[-1, -2]], np.array([[-1.0, -2.0]])),
        ("logits", [2**63, -(2**63)], np.array([2.0**63, -(2.0**63)])),
        ("logits", [None, 1], np.array([np.nan, 1.0])),
        ("sample_weight", [1, 0.5], np.array([1.0, 0.5])),
        ("mask", [True, False], np.array([True, False])),
        ("n_bytes", [3, 4], np.array([3, 4])),
        ("n_words", [3, 4], np.array([3, 4])),
    ],
)
def test_a_column_becomes_an_array_of_its_kind(name: str, values: list[Any], expected: np.ndarray) -> None:
    column = decode(orjson.dumps({name: values}))[name]
    assert column.dtype == expected.dtype
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize(
    ("rows", "values", "offsets"),
    [
        ([[-1, -2], [-3]], [-1, -2, -3], [0, 2, 3]),
        ([[], [-3]], [-3], [0, 0, 1]),
        ([[], []], [], [0, 0, 0]),
        ([[]], [], [0, 0]),
    ],
)
def test_uneven_or_empty_rows_stay_ragged(rows: list[list[float]], values: list[float], offsets: list[int]) -> None:
    column = decode(orjson.dumps({"log_probabilities": rows}))["log_probabilities"]
    assert isinstance(column, Ragged)
    assert len(column) == len(rows)
    assert (column.values.tolist(), column.offsets.tolist()) == (values, offsets)
    assert column.offsets.dtype == np.int64


def test_every_double_arrives_as_it_was_sent() -> None:
    numbers = np.random.default_rng(7).integers(0, 2**63 - 2**53, 10_000).view(np.float64)
    column = decode(orjson.dumps({"logits": numbers.tolist()}))["logits"]
    np.testing.assert_array_equal(column, numbers)


def test_other_fields_and_null_columns_stay_as_they_came() -> None:
    fields = {"unit": "bits", "top_k": [1, 2], "mask": None, "more": {"a": [True, "0.5"]}}
    assert decode(orjson.dumps(fields)) == fields


TWICE = [
    (b'{"labels": "x", "labels": [1]}', ["/labels"]),
    (rb'{"labels": [0], "l\u0061bels": [1], "\"": 1, "a\\": 2}', ["/labels"]),
    (b'{"unit": "a:b", "x\\"": 1, "unit" : null, "unit":2, "y": 3, "y": 4}', ["/unit", "/y"]),
    (b'{"slices": {"a/b": [1], "c": [2], "a/b": [3]}}', ["/slices/a~1b"]),
    (b'{"candidates": {"a": {"logits": [1], "logits": [2]}, "a": {}}}', ["/candidates/a/logits", "/candidates/a"]),
    (b'{"candidates": {"a": {"logits": [1]}}, "candidates": {}}', ["/candidates"]),
    (b'{"bootstrap": {"seed": 1, "seed": 1}}', ["/bootstrap/seed"]),
    (b'{"x": {"y": {"z": {"w": 1, "w": 2}}}}', ["/x/y/z/w"]),
    (b'{"labels": [{"p": 1, "p": 2}, "a:b"], "x": 1, "x": [":"]}', ["/x"]),
    (b'\xef\xbb\xbf{"labels": [1], "labels": [1]}', ["/labels"]),
    (
        b'{"logits": [%b], "unit": "bits", "logits": [%b]}' % (b"1.5," * 9_000 + b"2", b"2.5," * 9_000 + b"2"),
        ["/logits"],
    ),
]


@pytest.mark.parametrize(("body", "pointers"), TWICE, ids=str)
def test_a_name_that_comes_twice_is_refused(body: bytes, pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(body)
    assert [(error.pointer, error.code) for error in caught.value.errors] == [
        (place, "duplicate") for place in pointers
    ]


def test_objects_in_lists_are_no_columns_whatever_their_names() -> None:
    with pytest.raises(InvalidInput, match="/labels/0: must be an integer or a boolean or a string, found an object"):
        decode(b'{"labels": [{"p": 1, "p": 2}]}')
    left_out = b'{"labels": [{"p": 1, "p": 2}, 1], "mask": [false, true]}'
    assert decode(left_out)["labels"].tolist() == [1, 1]


def test_a_name_that_comes_again_far_behind_is_refused_without_a_place() -> None:
    names = b",".join(b'"%d": 1' % i for i in range(30_000))
    with pytest.raises(InvalidInput) as caught:
        decode(b'{%b, "29999": 2}' % names)
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("", "duplicate")]


def test_colons_and_quotes_in_strings_are_no_names() -> None:
    for text in [":", '"a":', '\\":"', '{"labels":1,"labels":2}', "\\", '\\\\"', "é:", '":']:
        body = {text: text, "x" + text: {text: [text]}, "labels": ["a:b", text, '"labels": 1']}
        assert decode(orjson.dumps(body))["labels"].tolist() == body["labels"]


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ({"probabilities": [0.1, True]}, ("/probabilities/1", "must be a number, found true")),
        ({"probabilities": ["0.5"]}, ("/probabilities/0", 'must be a number, found the string "0.5"')),
        (
            {"probabilities": [[0.1], [0.2, "x"]]},
            ("/probabilities/1/1", 'must be a number, found the string "x"'),
        ),
        ({"probabilities": [[[0.1]]]}, ("/probabilities/0/0", "must be a number, found a list")),
        ({"probabilities": [{"p": 0.1}]}, ("/probabilities/0", "must be a number, found an object")),
        ({"probabilities": [[0.1], 0.2]}, ("/probabilities/0", "must be a number, found a list")),
        ({"probabilities": [0.1, [0.2]]}, ("/probabilities/1", "must be a number, found a list")),
        ({"probabilities": 0.5}, ("/probabilities", "must be a list, found 0.5")),
        (
            {"probabilities": {"0": 0.5}},
            (
                "/probabilities",
                'must be a list, found an object; of a data frame of pandas, to_dict("list") makes lists',
            ),
        ),
        ({"probabilities": "abc"}, ("/probabilities", 'must be a list, found the string "abc"')),
        ({"mask": [True, 1]}, ("/mask/1", "must be a boolean, found 1")),
        ({"mask": [None]}, ("/mask/0", "must be a boolean, found null")),
        ({"n_bytes": [1, 1.5]}, ("/n_bytes/1", "must be an integer, found 1.5")),
        ({"n_words": [True]}, ("/n_words/0", "must be an integer, found true")),
        (
            {"labels": [1.0]},
            (
                "/labels/0",
                (
                    "must be an integer or a boolean or a string, found 1.0; "
                    "send integers (soft or one-hot labels are `targets`)"
                ),
            ),
        ),
        ({"labels": [1, True]}, ("/labels/1", "must be an integer like the others, found true")),
        ({"labels": ["a", 1]}, ("/labels/1", "must be a string like the others, found 1")),
        (
            {"labels": [[True], ["a"]]},
            ("/labels/1/0", 'must be a boolean like the others, found the string "a"'),
        ),
    ],
)
def test_a_wrong_value_is_named_and_located(field: dict[str, Any], error: tuple[str, str]) -> None:
    assert told(field) == [(error[0], "wrong_type", error[1])]


@pytest.mark.parametrize("labels", [[2**63, 0], [[0], [2**63]]])
def test_an_integer_beyond_64_bits_is_refused(labels: list[Any]) -> None:
    ((pointer, code, detail),) = told({"labels": labels})
    assert pointer in {"/labels/0", "/labels/1/0"}
    assert (code, detail) == ("out_of_range", f"must be at most {2**63 - 1}, found {2**63}")


@pytest.mark.parametrize("n", [2**63, 2**64, 2**70])
def test_numbers_too_large_to_tell_rows_apart_are_to_be_strings(n: int) -> None:
    for body in ({"cluster_id": [1, n]}, {"slices": {"a": [1, n]}}):
        with pytest.raises(InvalidInput) as caught:
            decode(dumps(body).encode())
        ((pointer, detail),) = [(error.pointer, error.detail) for error in caught.value.errors]
        assert pointer.endswith("/1")
        assert detail.endswith("; send them as strings")


def test_errors_of_all_columns_are_counted_but_not_all_listed() -> None:
    body = {"probabilities": [True] * 30 + [0.5], "mask": [0] * 5, "sample_weight": [1.0]}
    error = refusal(body)
    assert (len(error.errors), error.n_errors) == (20, 35)
    assert {entry.pointer for entry in error.errors} == {f"/mask/{i}" for i in range(5)} | {
        f"/probabilities/{i}" for i in range(15)
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a": 1,}',
        b"{} {}",
        b"[1]",
        b"3",
        b'"abc"',
        b"null",
        b'{"logits": [NaN]}',
        b'{"logits": [Infinity]}',
        b'{"logits": [1e999]}',
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 1_000_000,
        b'{"a":' * 500_000,
        b'{"probabilities": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_is_not_a_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^must be (a )?(JSON|UTF-8)"):
        decode(body)


def test_as_deep_as_the_parser_goes_is_an_error_of_the_column() -> None:
    depth = 900
    body = b'{"probabilities": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(InvalidInput, match="must be a number, found a list"):
        decode(body)


@pytest.mark.parametrize("n", [600, 2_000])
def test_bodies_nested_too_deep_are_refused_as_such(n: int) -> None:
    with pytest.raises(MalformedBody, match="must be JSON of at most 1024 levels, found more"):
        decode(b'{"labels":' + b"[" * n, "binary")
