"""CSV: names of columns, types of text, quotes, and the places of errors."""

import io
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.csv import table as csv
from app.wire.limits import Limits
from app.wire.mapping.naming import Classes
from app.wire.text import BLOCK
from tests.wire.mapped import own

NAMES = ("no integers", "or booleans")
LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=12)
N = 600_000
"""Rows of a few bytes: more than a block holds."""


def read(body: str | bytes, limits: Limits = LIMITS, classes: Classes = None) -> list[dict[str, Any]]:
    source = io.BytesIO(body.encode() if isinstance(body, str) else body)
    return list(csv.parts(source, limits, own("multiclass", classes)))


def only(body: str | bytes, classes: Classes = None) -> dict[str, Any]:
    (part,) = read(body, classes=classes)
    return part


def told(body: str | bytes, classes: Classes = None) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body, classes=classes)
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
        (["1.0", " 2.", "\t-3.000 ", "9223372036854775807.0"], np.array([1, 2, -3, 2**63 - 1])),
        (["true", "false"], np.array([True, False])),
        (["True", "False", " TRUE", "FALSE\t", "true"], np.array([True, False, True, False, True])),
    ],
)
def test_labels_without_classes_are_integers_or_booleans(texts: list[str], expected: np.ndarray) -> None:
    labels = only("\n".join(["labels", *texts]))["labels"]
    assert labels.dtype == expected.dtype
    assert labels.tolist() == expected.tolist()


@pytest.mark.parametrize("text", ["x", "+1", "01", "1.5", "1e0", "0x1", "1_0", "1,0", "١", "tRUE", "", "1\0", "½"])
def test_other_labels_without_classes_are_located_in_the_first_block_and_later(text: str) -> None:
    rule = "must be an integer, or a name where the query gives `classes`"
    for n in (1, N):
        (error,) = told("labels,logits\n" + "1,2\n" * n + f'"{text}",2\n' + "1.0,2\n")
        assert error == (f"/labels/{n}", "wrong_type", f'{rule}, found the string "{text}"')
    assert told(f'labels,logits\n"{text}",2\n1,2\n')[0][0] == "/labels/0"


def test_names_without_classes_are_told_once() -> None:
    rule = "must give the class names in column order when labels are names, such as  ham,spam,true"
    rows = "".join(f"{name},1\n" for name in ["spam", "true", " ham"] * 9)
    assert told("labels,logits\n" + rows) == [("/classes", "missing", rule)]
    for other in ("1", "1.5", '""', ""):
        errors = told(f"labels,logits\n{rows}{other},1\n")
        assert errors[0][:2] == ("/labels/0", "wrong_type")
        assert len(errors) == 20


def test_most_labels_say_which_kind_all_must_be() -> None:
    rule = "must be a boolean, or a name where the query gives `classes`, found the string"
    assert told("labels,logits\ntrue,1\ntru,1\nfalse,1\n1,1\n") == [
        ("/labels/1", "wrong_type", f'{rule} "tru"'),
        ("/labels/3", "wrong_type", f'{rule} "1"'),
    ]
    assert [place for place, _, _ in told("labels,logits\n1,1\nTrue,1\n2,1\n")] == ["/labels/1"]


@pytest.mark.parametrize(
    "texts",
    [
        ["3", "7"],
        ["ant", "1", "true"],
        ["01", "1.0", "+1", "0x1"],
        ["True", "False"],
        [" 1", "a ", " b"],
        ["βήτα", "naïve"],
    ],
)
def test_labels_with_classes_are_strings_as_they_stand(texts: list[str]) -> None:
    labels = only("\n".join(["labels", *texts]), classes=NAMES)["labels"]
    assert labels.dtype == object
    assert labels.tolist() == texts


def test_quotes_keep_what_they_hold() -> None:
    texts = ["", "a,b", 'say "hi"', "two\nlines", " a "]
    body = "labels\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}"\n' for text in texts)
    assert only(body, classes=NAMES)["labels"].tolist() == texts
    assert told("labels,logits\na,1\n,2\n", classes=NAMES) == [
        ("/labels/1", "wrong_type", "must be a string, found an empty field")
    ]


@pytest.mark.parametrize("name", ["cluster_id", "slices.a"])
def test_values_that_are_only_told_apart_are_integers_if_all_are_and_else_strings(name: str) -> None:
    def values(*texts: str) -> list[Any]:
        part = only("\n".join([f"{name},logits", *(f"{text},1" for text in texts)]))
        values: list[Any] = (part["slices"]["a"] if "slices" in part else part[name]).tolist()
        return values

    assert values("1", " 2 ", "-3") == [1, 2, -3]
    for texts in (["1", "2.0"], ["01", "2"], ["+1"], [" 1", "a "], ["v1.0", "1"]):
        assert values(*texts) == texts


def test_kinds_that_a_field_may_not_hold_are_not_chosen() -> None:
    part = only("cluster_id,slices.a,n_bytes\ntrue,True,1\nfalse,FALSE,2.0\n")
    assert part["cluster_id"].tolist() == ["true", "false"]
    assert part["slices"]["a"].tolist() == [True, False]
    assert part["n_bytes"].dtype == np.int64


def test_all_columns_of_labels_are_of_one_kind() -> None:
    assert only("labels_0,labels_1\n1,0\n0,1\n")["labels"].tolist() == [[1, 0], [0, 1]]
    assert told("labels_0,labels_1\n1,true\nfalse,0\n") == [
        ("/labels/0/1", "wrong_type", 'must be an integer, found the string "true"'),
        ("/labels/1/0", "wrong_type", 'must be an integer, found the string "false"'),
    ]


def test_numbers_are_the_nearest_doubles_and_an_empty_field_is_nan() -> None:
    numbers = np.random.default_rng(3).integers(0, 2**63 - 2**53, 3000).view(np.float64)
    logits = only("\n".join(["logits", *map(repr, numbers.tolist())]))["logits"]
    np.testing.assert_array_equal(logits, numbers)
    part = only("logits,sample_weight\n,1\n-inf,\nnan,1e-3\n")
    np.testing.assert_array_equal(part["logits"], [np.nan, -np.inf, np.nan])
    np.testing.assert_array_equal(part["sample_weight"], [1, np.nan, 1e-3])
    part = only("labels,logits_0,logits_1\n 1 , 0.5,\t-2\n0,1e400, .5 \n")
    assert part["logits"].tolist() == [[0.5, -2], [np.inf, 0.5]]


@pytest.mark.parametrize(
    "body",
    [
        "labels,logits\n1,0.5\n2,1.5\n",
        "labels,logits\n1,0.5\n2,1.5",
        "labels,logits\r\n1,0.5\r\n2,1.5\r\n",
        "\ufefflabels,logits\n1,0.5\n2,1.5\n",
        '"labels","logits"\n"1","0.5"\n\n\n2,1.5\n\n',
        "\r\n\nlabels,logits\n\n1,0.5\n2,1.5\n",
        "labels,logits\r\r\n1,0.5\r\r\n2,1.5\r\r\n",
        " labels,logits\t\n1,0.5\n2,1.5\n",
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
    parts = read(body, classes=NAMES)
    assert len(parts) == -(-len(body) // BLOCK)
    assert [label for part in parts for label in part["labels"].tolist()] == texts
    np.testing.assert_array_equal(np.concatenate([part["logits"] for part in parts]), np.arange(100_000))


def test_the_kind_that_the_first_block_has_must_hold() -> None:
    ways = " like all in the first mebibyte (begin all with a letter, or send strings in another format)"
    assert told("cluster_id\n" + "1\n" * N + "a\n1\n0.5\n") == [
        (f"/cluster_id/{N}", "wrong_type", f'must be an integer{ways}, found the string "a"'),
        (f"/cluster_id/{N + 2}", "wrong_type", f'must be an integer{ways}, found the string "0.5"'),
    ]
    assert told("labels_0,labels_1\n" + "true,false\n" * N + "true,1\n") == [
        (f"/labels/{N}/1", "wrong_type", 'must be a boolean, found the string "1"'),
    ]
    parts = read("cluster_id\n" + "a\n" * N * 2 + "1\n")
    assert parts[-1]["cluster_id"][-1] == "1"


@pytest.mark.parametrize(
    ("header", "row", "pointer", "detail"),
    [
        ("logits", "x", "/logits/{}", 'must be a number, or nothing at all for NaN, found the string "x"'),
        ("logits", "0x10", "/logits/{}", 'must be a number, or nothing at all for NaN, found the string "0x10"'),
        ("logits", "true", "/logits/{}", 'must be a number, or nothing at all for NaN, found the string "true"'),
        (
            "logits_1,logits_0",
            "1,x",
            "/logits/{}/0",
            'must be a number, or nothing at all for NaN, found the string "x"',
        ),
        ("log_probabilities", '"[-1, -2]"', "/log_probabilities/{}", 'found the string "[-1, -2]"; CSV holds no lists'),
        ("mask", "1", "/mask/{}", 'must be a boolean, found the string "1"'),
        ("n_words", "0x10", "/n_words/{}", 'must be an integer, found the string "0x10"'),
        ("n_words", "1.1", "/n_words/{}", 'must be an integer, found the string "1.1"'),
        ("n_words,mask", "[1],true", "/n_words/{}", 'found the string "[1]"; CSV holds no lists'),
        ("logits,mask", '"",true', "/logits/{}", 'must be a number, or nothing at all for NaN, found the string ""'),
        ("logits", "NA", "/logits/{}", 'nothing at all for NaN, found the string "NA"'),
        ("logits", "\x0b1", "/logits/{}", "must be a number"),
        ("logits", "1\0", "/logits/{}", "must be a number"),
        ("logits", "1_0", "/logits/{}", "must be a number"),
        ("logits", "١", "/logits/{}", "must be a number"),
        ("logits", '"1,5"', "/logits/{}", "must be a number"),
        ("logits,mask", " ,true", "/logits/{}", "must be a number"),
        ("n_bytes", str(2**63), "/n_bytes/{}", f"must lie in [{-(2**63)}, {2**63 - 1}], found"),
        ("n_bytes", str(-(2**63) - 1), "/n_bytes/{}", f"must lie in [{-(2**63)}, {2**63 - 1}], found"),
        ("n_bytes", " " + "9" * 5000 + ".0", "/n_bytes/{}", f"must lie in [{-(2**63)}, {2**63 - 1}], found"),
    ],
)
def test_a_wrong_value_is_located_in_the_whole_body(header: str, row: str, pointer: str, detail: str) -> None:
    good = {"logits": "1", "log_probabilities": "-1", "mask": "true", "n_words": "1", "n_bytes": "1", "labels": "1"}
    sound = ",".join(good.get(name.partition("_1")[0].removesuffix("_0"), "1") for name in header.split(",")) + "\n"
    for n in (0, 1, N):
        ((found_at, _, text),) = told(f"{header}\n{sound * n}{row}\n")
        assert found_at == pointer.format(n)
        assert detail in text


@pytest.mark.parametrize("name", ["mask", "labels", "n_words", "cluster_id"])
def test_an_empty_field_among_others_is_located(name: str) -> None:
    sound = {"mask": "true", "cluster_id": "x"}.get(name, "1")
    for n in (1, N):
        ((place, _, text),) = told(f"{name},logits\n" + f"{sound},1\n" * n + ",1\n" + f"{sound},1\n")
        assert place == f"/{name.replace('.', '/')}/{n}"
        assert text.endswith("found an empty field")


@pytest.mark.parametrize("name", ["mask", "labels", "n_words", "cluster_id", "sample_weight"])
def test_a_column_that_is_empty_throughout_is_not_set(name: str) -> None:
    parts = read(f"logits,{name}\n" + "1,\n" * N)
    assert len(parts) > 1
    assert all(part.keys() == {"logits"} for part in parts)
    ((place, _, text),) = told(f"logits,{name}\n" + "1,\n" * N + "1,1\n")
    assert (place, text) == (
        f"/{name.replace('.', '/')}/{N}",
        'must be empty in all rows or in none, found the string "1"',
    )


def test_no_more_than_80_characters_are_echoed_and_all_errors_counted() -> None:
    with pytest.raises(InvalidInput) as caught:
        read("logits\n" + f"{'x' * 1000}\n" * 50)
    assert (len(caught.value.errors), caught.value.n_errors) == (20, 50)
    assert (
        caught.value.errors[0].detail == f'must be a number, or nothing at all for NaN, found the string "{"x" * 79}…"'
    )


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("labels,", ("", "missing")),
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
        ("x1", ("/x1", "unknown_field")),
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
        (b"labels,logits\n1,2\n\n1\n", "row 1 must have 2 fields like the header, found 1"),
        (b"labels,logits\n1,\xff\n", "row 0 must be UTF-8, found the byte 0xff"),
        (b"labels,logits\n1,2\n\n\xff,1\n", "row 1 must be UTF-8, found the byte 0xff"),
        (b'labels,logits\n"\n1\n",2\n\r\n1,2\n1,"\n\xff"\n', "row 2 must be UTF-8, found the byte 0xff"),
        (b"\xff\n", "the header must be UTF-8, found the byte 0xff at position 0; is it Latin-1"),
        (b"labels;logits\n1;0,5\n", "the header must have commas between names"),
        (b"labels\tlogits\n1\t2\n", "the header must have commas between names"),
        (b"labels,logits\r1,2\r", r"the header must end with \\n or \\r\\n, found a lone \\r"),
        (b'labels\n"a\n', "row 0 must end before the body does, found a quote that is not closed"),
        (b'labels\n1\n1\n"a""\n1\n', "row 2 must end before the body does, found a quote that is not closed"),
        (b'"labels\n1\n', "the header must end before the body does, found a quote that is not closed"),
        (b'labels\na"b\n', "row 0 must hold quotes only around whole fields"),
        (b'labels\n1\n\n5" pipe\n6" pipe\n', "row 1 must hold quotes only around whole fields"),
        (b'labels\n1\n"a"b\n', "row 1 must hold quotes only around whole fields"),
        (b'labels\n"a" \n', "row 0 must hold quotes only around whole fields"),
        (b'labels\n "a"\n', "row 0 must hold quotes only around whole fields"),
        (b'lab"els\n', "the header must hold quotes only around whole fields"),
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
    limits = Limits(1, 1, 1, 12, max_line_bytes=40_000)
    for field in ("x" * 50_000, '"' + "x\n" * 25_000, '"' + "x\n" * 25_000 + '"', '"' * 50_000, "," * 50_000):
        with pytest.raises(TooLarge, match="row 5 must hold at most 40000 bytes, found more"):
            read(f"slices.a\n1\n2\n3\n4\n\n5\n{field}\n6\n", limits)
    for n in (39_999, 40_000):
        with pytest.raises(TooLarge, match="the header must hold") if n == 40_000 else nullcontext():
            read("slices." + "x" * (n - 7), limits)


def test_errors_of_rows_before_misplaced_quotes_come_first() -> None:
    assert told('logits\n1\nx\n5" pipe\n')[0][0] == "/logits/1"


def test_a_mark_is_text_where_it_does_not_begin_the_body() -> None:
    n = (BLOCK - len("slices.a\n\n\n\n")) // len("ant\n")
    for text in ("\ufeffbee", '"\ufeffbee"'):
        parts = read("slices.a\n\n\n\n" + "ant\n" * n + f"{text}\ncat\n")
        assert [part["slices"]["a"].tolist() for part in parts] == [["ant"] * n, ["\ufeffbee", "cat"]]
    assert only("slices.a\n\ufeffbee\n")["slices"]["a"].tolist() == ["\ufeffbee"]


def test_wrong_cells_of_many_columns_are_located_by_row() -> None:
    header = ",".join([*(f"logits_{i}" for i in range(11)), "sample_weight"])
    errors = told(header + "\n" + ("1," * 11 + "x\n") + ("1," * 9 + "y,z,1\n") + "1,0," + "1," * 9 + "1\n")
    assert [place for place, _, _ in errors] == ["/sample_weight/0", "/logits/1/9", "/logits/1/10"]


def test_every_prefix_and_every_changed_byte_is_refused_or_gives_columns() -> None:
    body = bytearray('slices.a,logits_0,logits_1,mask\r\n"é,",0.5,1e3,true\r\nb,-1,inf,false\r\n'.encode())
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
