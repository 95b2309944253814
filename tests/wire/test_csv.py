"""CSV: names of columns, types of text, quotes, and the places of errors."""

import io
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire import csv
from app.wire.limits import Limits

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=12)
N = 600_000
"""Rows of a few bytes: more than a block holds."""


def read(body: str | bytes, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    return list(csv.parts(io.BytesIO(body.encode() if isinstance(body, str) else body), limits))


def only(body: str | bytes) -> dict[str, Any]:
    (part,) = read(body)
    return part


def told(body: str | bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body)
    return [(error.pointer, error.code, error.detail) for error in caught.value.errors]


def test_columns_of_one_name_become_a_table_in_the_order_of_their_numbers() -> None:
    part = only("probabilities_1,labels,mask_0,probabilities_0\n1,7,true,0\n3,8,false,2\n")
    assert part["probabilities"].tolist() == [[0, 1], [2, 3]]
    assert part["probabilities"].flags.c_contiguous
    assert part["labels"].tolist() == [7, 8]
    assert part["mask"].tolist() == [[True], [False]]
    numbers = [*range(11, 1, -1), 0, 1]
    names, values = (",".join(form.format(i) for i in numbers) for form in ("logits_{}", "{}"))
    assert only(f"{names}\n{values}\n")["logits"].tolist() == [list(range(12))]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "0", "-100", "9223372036854775807"], np.array([1, 0, -100, 2**63 - 1])),
        (["true", "false"], np.array([True, False])),
        (["ant", "1", "true"], np.array(["ant", "1", "true"], object)),
        (["01", "2"], np.array(["01", "2"], object)),
        (["1.0", "2.0"], np.array(["1.0", "2.0"], object)),
        (["0x1"], np.array(["0x1"], object)),
        (["+1"], np.array(["+1"], object)),
        ([" 1"], np.array([" 1"], object)),
        (["True"], np.array(["True"], object)),
        (['""', "a"], np.array(["", "a"], object)),
        (
            ['"a,b"', '"say ""hi"""', '"two\nlines"', "plain"],
            np.array(["a,b", 'say "hi"', "two\nlines", "plain"], object),
        ),
        (["βήτα", "naïve"], np.array(["βήτα", "naïve"], object)),
    ],
)
def test_labels_are_integers_or_booleans_if_all_are_and_else_strings(texts: list[str], expected: np.ndarray) -> None:
    labels = only("\n".join(["labels", *texts]))["labels"]
    assert labels.dtype == expected.dtype
    assert labels.tolist() == expected.tolist()


def test_kinds_that_a_field_may_not_hold_are_not_chosen() -> None:
    part = only("cluster_id,slices.a,n_bytes\ntrue,true,1\nfalse,false,2\n")
    assert part["cluster_id"].tolist() == ["true", "false"]
    assert part["slices"]["a"].tolist() == [True, False]
    assert part["n_bytes"].dtype == np.int64


def test_all_columns_of_labels_are_of_one_kind() -> None:
    assert only("labels_0,labels_1\n1,0\n0,1\n")["labels"].tolist() == [[1, 0], [0, 1]]
    assert only("labels_0,labels_1\n1,true\n0,false\n")["labels"].tolist() == [["1", "true"], ["0", "false"]]


def test_numbers_are_the_nearest_doubles_and_an_empty_field_is_nan() -> None:
    numbers = np.random.default_rng(3).integers(0, 2**63 - 2**53, 3000).view(np.float64)
    logits = only("\n".join(["logits", *map(repr, numbers.tolist())]))["logits"]
    np.testing.assert_array_equal(logits, numbers)
    part = only("logits,sample_weight\n,1\n-inf,\nnan,1e-3\n")
    np.testing.assert_array_equal(part["logits"], [np.nan, -np.inf, np.nan])
    np.testing.assert_array_equal(part["sample_weight"], [1, np.nan, 1e-3])


@pytest.mark.parametrize(
    "body",
    [
        "labels,logits\n1,0.5\n2,1.5\n",
        "labels,logits\n1,0.5\n2,1.5",
        "labels,logits\r\n1,0.5\r\n2,1.5\r\n",
        "\ufefflabels,logits\n1,0.5\n2,1.5\n",
        '"labels","logits"\n"1","0.5"\n\n\n2,1.5\n\n',
    ],
)
def test_lines_may_end_in_many_ways(body: str) -> None:
    part = only(body)
    assert part["labels"].tolist() == [1, 2]
    assert part["logits"].tolist() == [0.5, 1.5]


@pytest.mark.parametrize("body", ["labels\n", "labels", "labels,logits\r\n\r\n"])
def test_a_table_without_rows_has_no_parts(body: str) -> None:
    assert read(body) == []


def test_blocks_end_between_rows_also_where_text_holds_line_ends() -> None:
    texts = [f"{i}\n{'x' * (i % 50)}" if i % 3 else f"{i}," for i in range(100_000)]
    body = "labels,logits\n" + "".join(f'"{text}",{i}\r\n' for i, text in enumerate(texts))
    parts = read(body)
    assert len(parts) == -(-len(body) // (1 << 20))
    assert [label for part in parts for label in part["labels"].tolist()] == texts
    np.testing.assert_array_equal(np.concatenate([part["logits"] for part in parts]), np.arange(100_000))


def test_the_kind_that_the_first_block_has_must_hold() -> None:
    assert told("labels\n" + "1\n" * N + "a\n1\n0.5\n") == [
        (f"/labels/{N}", "wrong_type", 'must be an integer, found the string "a"'),
        (f"/labels/{N + 2}", "wrong_type", 'must be an integer, found the string "0.5"'),
    ]
    assert told("labels_0,labels_1\n" + "true,false\n" * N + "true,1\n") == [
        (f"/labels/{N}/1", "wrong_type", 'must be a boolean, found the string "1"'),
    ]
    parts = read("labels\n" + "a\n" * N * 2 + "1\n")
    assert parts[-1]["labels"][-1] == "1"


@pytest.mark.parametrize(
    ("header", "row", "pointer", "detail"),
    [
        ("logits", "x", "/logits/{}", 'must be a number, found the string "x"'),
        ("logits", "0x10", "/logits/{}", 'must be a number, found the string "0x10"'),
        ("logits", "true", "/logits/{}", 'must be a number, found the string "true"'),
        ("logits_1,logits_0", "1,x", "/logits/{}/0", 'must be a number, found the string "x"'),
        ("log_probabilities", '"[-1, -2]"', "/log_probabilities/{}", 'found the string "[-1, -2]"; CSV holds no lists'),
        ("mask", "1", "/mask/{}", 'must be a boolean, found the string "1"'),
        ("mask,labels", ",1", "/mask/{}", "must be a boolean, found an empty field"),
        ("n_words", "0x10", "/n_words/{}", 'must be an integer, found the string "0x10"'),
        ("n_words", "1.0", "/n_words/{}", 'must be an integer, found the string "1.0"'),
        ("labels,mask", ",true", "/labels/{}", "found an empty field"),
        ("slices.a/b,mask", ",true", "/slices/a~1b/{}", "found an empty field"),
        ("n_bytes", str(2**63), "/n_bytes/{}", f"must lie in [{-(2**63)}, {2**63 - 1}], found"),
        ("n_bytes", str(-(2**63) - 1), "/n_bytes/{}", f"must lie in [{-(2**63)}, {2**63 - 1}], found"),
    ],
)
def test_a_wrong_value_is_located_in_the_whole_body(header: str, row: str, pointer: str, detail: str) -> None:
    good = {"logits": "1", "log_probabilities": "-1", "mask": "true", "n_words": "1", "n_bytes": "1", "labels": "1"}
    sound = ",".join(good.get(name.partition("_1")[0].removesuffix("_0"), "1") for name in header.split(",")) + "\n"
    for n in (0, 1, N):
        ((found_at, _, text),) = told(f"{header}\n{sound * n}{row}\n")
        assert found_at == pointer.format(n)
        assert detail in text


def test_no_more_than_80_characters_are_echoed_and_all_errors_counted() -> None:
    with pytest.raises(InvalidInput) as caught:
        read("logits\n" + f"{'x' * 1000}\n" * 50)
    assert (len(caught.value.errors), caught.value.n_errors) == (20, 50)
    assert caught.value.errors[0].detail == f'must be a number, found the string "{"x" * 79}…"'


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", ("", "missing")),
        ("labels,labels", ("/labels", "duplicate")),
        ("logits_0,logits_0", ("/logits", "duplicate")),
        ("logits_0,logits", ("/logits", "duplicate")),
        ("logits_0,logits_2", ("/logits", "missing")),
        ("logits_1", ("/logits", "missing")),
        ("logits_01", ("/logits_01", "unknown_field")),
        ("logits_99999999999999999999", ("/logits_99999999999999999999", "unknown_field")),
        ("sample_weight_0", ("/sample_weight_0", "unknown_field")),
        ("label", ("/label", "unknown_field")),
        ("unit", ("/unit", "unknown_field")),
        ("1", ("/1", "unknown_field")),
        ("slices.a,slices.a", ("/slices/a", "duplicate")),
    ],
)
def test_names_that_are_no_columns_are_refused(header: str, error: tuple[str, str]) -> None:
    pointer, code, _ = told(header + "\n1,1\n")[0]
    assert (pointer, code) == error


def test_the_missing_number_is_told() -> None:
    ((_, _, detail),) = told("logits_0,logits_1,logits_3\n")
    assert detail == "must be numbered from 0 without gaps, found no logits_2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"labels,logits\n1\n", "row 0 must have 2 fields like the header, found 1"),
        (b"labels,logits\n1,2\n\n1,2,3\n", "row 1 must have 2 fields like the header, found 3"),
        (b"labels,logits\na,\xff\n", "UTF-8"),
        (b"labels,logits\n\xff,1\n", "UTF-8"),
        (b'labels,logits\n1,2\n1,""\n', "empty fields without quotes for NaN, found another field in rows 0 to 2"),
        (b"\xff\n", "a line of column names"),
        (b'labels\n"a\n', "quotes only around whole fields"),
        (b'labels\na"b\n', "quotes only around whole fields"),
        (b'labels\n5" pipe\n6" pipe\n', "quotes only around whole fields"),
        (b'labels\n"a"b\n', "quotes only around whole fields"),
        (b'labels\n"a" \n', "quotes only around whole fields"),
        (b'labels\n "a"\n', "quotes only around whole fields"),
        (b'labels\n"a""\n', "quotes only around whole fields"),
        (b'lab"els\n', "quotes only around whole fields"),
        (b'"labels\n1\n', "quotes only around whole fields"),
        (b'"slices.a\nb"\n1\n', "a line of column names"),
    ],
)
def test_what_is_no_table_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=words):
        read(body)


def test_a_row_of_another_length_is_named_in_the_whole_body() -> None:
    with pytest.raises(MalformedBody, match=f"row {N} must have 2"):
        read("labels,logits\n" + "1,2\n" * N + "1\n")


def test_limits_hold() -> None:
    with pytest.raises(TooLarge, match="at most 12 columns, found 13"):
        read(",".join(f"logits_{i}" for i in range(13)) + "\n")
    for field in ("x" * 50_000, '"' + "x\n" * 25_000, '"' + "x\n" * 25_000 + '"'):
        with pytest.raises(TooLarge, match="a row must hold at most 40000 bytes"):
            read(f"labels\n1\n{field}\n1\n", Limits(1, 1, 40_000, 12))


def test_every_prefix_and_every_changed_byte_is_refused_or_gives_columns() -> None:
    body = bytearray('labels,logits_0,logits_1,mask\r\n"é,",0.5,1e3,true\r\nb,-1,inf,false\r\n'.encode())
    refused = 0
    for n in range(len(body)):
        try:
            read(bytes(body[:n]))
        except SurprisalError:
            refused += 1
    assert refused > len(body) // 2
    for i in range(len(body)):
        for flip in (0x01, 0x06, 0x20, 0x80, 0xFF):
            body[i] ^= flip
            try:
                read(bytes(body))
            except SurprisalError:
                refused += 1
            body[i] ^= flip
    assert refused > 2 * len(body)


def test_a_byte_order_mark_may_stand_before_a_quoted_header() -> None:
    assert only(b'\xef\xbb\xbf"labels","probabilities"\n1,.5\n')["labels"].tolist() == [1]
