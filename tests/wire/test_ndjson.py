"""JSON Lines: rows to columns, in blocks that do not show."""

import io
from typing import Any

import numpy as np
import orjson
import pytest

from app.core.columns import Ragged
from app.core.tasks import TaskName
from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.limits import Limits
from app.wire.ndjson import reader as ndjson
from tests.wire.mapped import own
from tests.wire.trickle import Trickle

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=8)


def lines(*rows: object) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def many(row: object, n: int = 100_000) -> bytes:
    """A body of more rows than a block holds."""
    return lines(row) * n


def read(body: bytes, limits: Limits = LIMITS, task: TaskName = "binary") -> list[dict[str, Any]]:
    return list(ndjson.parts(io.BytesIO(body), limits, own(task)))


def told(body: bytes, task: TaskName = "binary") -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body, task=task)
    return [(error.pointer, error.code, error.detail) for error in caught.value.errors]


def test_rows_become_columns() -> None:
    row = {"labels": "a", "probabilities": [1, 0.5], "mask": True, "slices": {"region": "n", "old": False}}
    other = {"slices": {"old": True, "region": "s"}, "mask": False, "probabilities": [None, 0], "labels": "b"}
    (part,) = read(lines(row, other))
    assert part["labels"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(part["probabilities"], [[1, 0.5], [np.nan, 0]])
    assert part["mask"].tolist() == [True, False]
    assert {name: column.tolist() for name, column in part["slices"].items()} == {
        "region": ["n", "s"],
        "old": [False, True],
    }


def test_documents_stay_ragged() -> None:
    (part,) = read(lines({"log_probabilities": [-1, -2]}, {"log_probabilities": []}))
    assert isinstance(part["log_probabilities"], Ragged)
    assert part["log_probabilities"].offsets.tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    "body",
    [
        b'{"labels":1}\n{"labels":2}\n',
        b'{"labels":1}\n{"labels":2}',
        b'{"labels":1}\r\n{"labels":2}\r\n',
        b'\n\r\n  \n{"labels":1}\n\n \t {"labels" : 2 } \n\n',
    ],
)
def test_lines_may_end_in_many_ways(body: bytes) -> None:
    assert [part["labels"].tolist() for part in read(body)] == [[1, 2]]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n"])
def test_a_body_without_rows_has_no_parts(body: bytes) -> None:
    assert read(body) == []


def test_blocks_hold_about_a_mebibyte_and_do_not_depend_on_how_bytes_arrive() -> None:
    body = lines(*({"labels": i} for i in range(100_000)))
    parts = read(body)
    sizes = [len(part["labels"]) for part in parts]
    assert len(sizes) == -(-len(body) // (1 << 20))
    np.testing.assert_array_equal(np.concatenate([part["labels"] for part in parts]), np.arange(100_000))
    assert [len(part["labels"]) for part in ndjson.parts(Trickle(body, 1009), LIMITS, own("multiclass"))] == sizes


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"labels":1', "on one line"),
        (b'{"labels":1}}', "on one line: .* at character 12"),
        (b'{"labels":1},{"labels":1}', "on one line"),
        (b"[]", "found a list"),
        (b"3", "found 3"),
        (b"null", "found null"),
        (b'{"labels":NaN}', "JSON has no NaN"),
        (b"{", "JSON over several lines is application/json"),
        (b'{"labels":' + b"[" * 600, "of at most 1024 levels, found more"),
        (b'{"labels":' + b"[" * 2_000, "of at most 1024 levels, found more"),
    ],
)
def test_a_line_that_is_no_object_is_named_by_its_row(line: bytes, words: str) -> None:
    for before, row in [(b"", 0), (b'\n{"labels":1}\n\n', 1), (many({"labels": 1}), 100_000)]:
        with pytest.raises(MalformedBody, match=words) as caught:
            read(before + line + b'\n{"labels":1}\n')
        assert caught.value.detail.startswith(f"row {row} must be a JSON object")


def test_lines_that_only_together_are_json_are_refused() -> None:
    with pytest.raises(MalformedBody, match="row 0"):
        read(b'{"labels":[{}\n{}]}\n{"labels":[]},{"labels":[]}\n')


def test_every_row_has_the_fields_of_most() -> None:
    row = {"labels": 1, "mask": True}
    rule = "must be a field of every row or of none, found"
    assert told(many(row) + lines({"mask": True, "logits": 1})) == [
        ("/labels/100000", "missing", f"{rule} none"),
        ("/logits/100000", "unknown_field", f"{rule} one that the other rows lack"),
    ]
    assert told(lines({"slices": {"a/b": 1}}, {"slices": {}})) == [("/slices/a~1b/1", "missing", f"{rule} none")]
    assert told(lines({"labels": 1, "slices": {}}, {"labels": 1, "slices": []})) == [
        ("/slices/1", "wrong_type", "must be an object, found a list")
    ]
    both = [{"slices": None}, {"slices": {"a": 1}}]
    assert told(lines(*both)) == [("/slices/0", "wrong_type", "must be an object, found null")]
    assert told(lines({"labels": 1}, *[{"labels": 1, "logits": 1}] * 2)) == [
        ("/logits/0", "missing", f"{rule} none"),
    ]


def test_bytes_that_are_no_utf_8_are_named_by_their_row() -> None:
    for before, row in [(b"", 0), (many({"labels": "x"}), 100_000)]:
        with pytest.raises(MalformedBody, match=f"row {row} must be UTF-8, found the byte 0xe9 at position 11"):
            read(before + '{"labels":"é"}\n'.encode("latin-1"))


def test_a_byte_order_mark_is_skipped_at_the_start_and_nowhere_else() -> None:
    body = b'\xef\xbb\xbf{"labels":1}\n'
    assert [part["labels"].tolist() for part in read(body)] == [[1]]
    with pytest.raises(MalformedBody, match="row 1"):
        read(body * 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b'{"labels":1,"logits":1,"labels":1}', "/labels/{}"),
        (rb'{"labels":1,"logits":1,"l\u0061bels":1}', "/labels/{}"),
        (b'{"labels":":","logits":1,"labels":"a:\\"b"}', "/labels/{}"),
        (b'{"slices":{"a":1,"b":1,"a":2},"labels":1}', "/slices/a/{}"),
    ],
)
def test_a_name_that_comes_twice_in_a_row_is_located(line: bytes, place: str) -> None:
    sound = orjson.dumps(orjson.loads(line)) + b"\n"
    for n in (0, 1, 100_000):
        assert [error[:2] for error in told(sound * n + line + b"\n" + sound)] == [(place.format(n), "duplicate")]
    assert len(read(sound * 3)) == 1


def test_a_field_that_is_null_throughout_is_not_set() -> None:
    row = {"labels": 1, "sample_weight": None, "slices": None}
    assert all(part.keys() == {"labels"} for part in read(many(row)))
    rule = "must be null in all rows or in none, found another"
    assert told(many(row) + lines(row | {"sample_weight": 1, "slices": {"a": 1}})) == [
        ("/sample_weight/100000", "wrong_type", rule),
        ("/slices/100000", "wrong_type", rule),
    ]


def test_rows_that_are_all_lists_after_others_that_were_none_are_located() -> None:
    sound, lists = {"labels": 1, "logits": 0.5}, {"labels": 1, "logits": [0.5, 0.5]}
    for first, then, word in ((sound, lists, "a single value"), (lists, sound, "a list")):
        body = lines(first) * 4_000 + lines(then)
        with pytest.raises(InvalidInput) as caught:
            read(body, Limits(1 << 28, 10, 1, 8, max_line_bytes=64))
        assert caught.value.errors[0].pointer == "/logits/4000"
        assert word in caught.value.errors[0].detail


def test_unknown_fields_are_refused_not_taken_for_options() -> None:
    for name, value in [("top_k", 1), ("unit", "bits"), ("class_weight", 0.5), ("é" * 100, {"a": []})]:
        ((_, code, detail),) = told(lines({"labels": 1, name: value}))
        assert code == "unknown_field"
        assert "query string" in detail
    assert told(lines({})) == [("", "missing", "must have columns, found none")]
    with pytest.raises(TooLarge, match="at most 8 columns, found 9"):
        read(lines({"slices": {str(i): 1 for i in range(9)}}))


@pytest.mark.parametrize(
    ("first", "wrong", "place", "detail"),
    [
        ({"logits": 1}, {"logits": "1"}, "", 'must be a number or "-Infinity", found the string "1"'),
        ({"logits": [1]}, {"logits": [True]}, "/0", 'must be a number or "-Infinity", found true'),
        ({"logits": [1]}, {"logits": 1}, "", "must be a list, found 1"),
        ({"logits": 1}, {"logits": [1]}, "", "a list"),
        ({"labels": 1}, {"labels": "1"}, "", 'found the string "1"'),
        ({"labels": True}, {"labels": 1}, "", "found 1"),
        ({"labels": 1}, {"labels": None}, "", "found null"),
        ({"labels": 1}, {"labels": 2**63}, "", f"must be at most {2**63 - 1}, found {2**63}"),
        ({"mask": [True]}, {"mask": [1]}, "/0", "must be a boolean, found 1"),
        ({"slices": {"a": 1}}, {"slices": {"a": "x"}}, "", 'found the string "x"'),
    ],
)
def test_a_wrong_value_is_located_in_the_whole_body(first: Any, wrong: Any, place: str, detail: str) -> None:
    name = next(iter(first))
    pointer = "/slices/a" if name == "slices" else f"/{name}"
    for n in (1, 100_000):
        task: TaskName = "multiclass" if isinstance(first[name], list) else "binary"
        ((found_at, _, text),) = told(many(first, n) + lines(wrong), task)
        assert found_at == f"{pointer}/{n}{place}"
        assert text.endswith(detail)


def test_the_types_of_the_first_block_hold_where_a_block_begins() -> None:
    rest = {"logits": 1, "cluster_id": 1}
    for wrong in ({"logits": [1], "cluster_id": 1}, {"logits": 1, "cluster_id": "1"}):
        body = lines(rest) * 4_000
        with pytest.raises(InvalidInput) as caught:
            read(body + lines(wrong), Limits(1 << 28, 10, 1, 8, max_line_bytes=32))
        assert caught.value.errors[0].pointer.endswith("/4000")


def test_a_line_beyond_the_limit_is_refused() -> None:
    row = {"logits": [0.5] * 300_000}
    body = lines(row)
    assert 1 << 20 < len(body) < 1 << 21
    assert len(read(lines(row, row))) == 2
    for n in (1, 2):
        with pytest.raises(TooLarge, match="row 2 must hold at most 1100000 bytes, found more"):
            read(b"\n" + lines({"logits": [1.0]}) * 2 + b"\n" + body * n, Limits(1, 1, 1, 8, max_line_bytes=1_100_000))


def test_a_row_of_300_000_doubles_at_full_precision_fits_into_a_line() -> None:
    body = lines({"logits": [-2.2250738585072014e-308] * 300_000})
    assert len(body) > 7 * 2**20
    (part,) = read(body, Limits(1, 1, 1, 8))
    assert part["logits"].shape == (1, 300_000)


def test_every_prefix_and_every_changed_byte_is_refused_or_gives_columns() -> None:
    body = bytearray(lines({"labels": "é", "logits": [0.5, -1e-3], "slices": {"a": True}}) * 2)
    refused = 0
    for n in range(len(body)):
        try:
            read(bytes(body[:n]))
        except SurprisalError:
            refused += 1
    assert refused > len(body) // 2
    for i in range(len(body)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            body[i] ^= flip
            try:
                read(bytes(body))
            except SurprisalError:
                refused += 1
            body[i] ^= flip
    assert refused > 2 * len(body)
