"""NumPy archives: types and shapes, headers that lie, archives that are broken, encrypted or bombs."""

import io
import pickle
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire import fields
from app.wire.limits import Limits
from app.wire.npz import archive as npz
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 26, max_ratio=1000, max_part_bytes=1 << 20, max_columns=8)


def archive(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **{name.replace("__", "."): array for name, array in arrays.items()})
    return out.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


def array_file(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def with_header(text: str, values: bytes = bytes(16), version: bytes = b"\1\0") -> bytes:
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text.encode() + values


def read(body: bytes | bytearray, limits: Limits = LIMITS) -> dict[str, Any]:
    return npz.columns(body, limits, own("multiclass"))


def told(body: bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(body)
    return [(error.pointer, error.code, error.detail) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("labels", np.array([1, 0], np.int8), np.array([1, 0])),
        ("labels", np.array([[1], [0]], ">i4"), np.array([[1], [0]])),
        ("labels", np.array([2**63 - 1], np.uint64), np.array([2**63 - 1])),
        ("labels", np.array([True, False]), np.array([True, False])),
        ("labels", np.array(["ant", "", "βήτα"]), np.array(["ant", "", "βήτα"], dtype=object)),
        ("labels", np.array(["ant", "bee"], ">U3"), np.array(["ant", "bee"], dtype=object)),
        ("logits", np.array([0.5, np.nan, np.inf]), np.array([0.5, np.nan, np.inf])),
        ("logits", np.array([[0.5, 0.1]], ">f8"), np.array([[0.5, 0.1]])),
        ("logits", np.array([0.1], np.float32), np.array([0.1], np.float32)),
        ("logits", np.array([0.1], ">f4"), np.array([0.1], np.float32)),
        ("logits", np.array([0.1], np.float16), np.array([np.float16(0.1)], np.float64)),
        ("logits", np.array([[1, 2**63]], np.uint64), np.array([[1.0, 2.0**63]])),
        ("logits", np.asfortranarray(np.arange(12.0).reshape(3, 4)), np.arange(12.0).reshape(3, 4)),
        ("logits", np.arange(12.0)[::-3], np.array([11.0, 8.0, 5.0, 2.0])),
        ("mask", np.array([[True], [False]]), np.array([[True], [False]])),
        ("n_bytes", np.array([3], np.uint16), np.array([3])),
        ("n_words", np.array([], np.int64), np.array([], np.int64)),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_becomes_one_of_its_field(name: str, array: np.ndarray, expected: np.ndarray, save: Any) -> None:
    out = io.BytesIO()
    save(out, **{name: array})
    column = read(out.getvalue())[name]
    assert column.dtype == expected.dtype
    assert column.dtype.isnative
    assert column.flags.c_contiguous
    assert column.flags.aligned
    np.testing.assert_array_equal(column, expected)


def test_slices_are_dotted_names() -> None:
    body = archive(labels=np.array([1, 0]), slices__region=np.array(["n", "s"]), slices__a__b=np.array([1, 2]))
    columns = read(body)
    assert list(columns) == ["labels", "slices"]
    assert {name: column.tolist() for name, column in columns["slices"].items()} == {
        "region": ["n", "s"],
        "a.b": [1, 2],
    }


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header_is_read(version: tuple[int, int]) -> None:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([1.5, 2.5]), version)
    assert read(zipped(("logits.npy", out.getvalue())))["logits"].tolist() == [1.5, 2.5]


def test_entries_of_a_header_may_come_in_any_order() -> None:
    header = "{'shape': (2,), 'fortran_order': False, 'descr': '<f8'}"
    assert read(zipped(("logits.npy", with_header(header))))["logits"].tolist() == [0, 0]


def test_bodies_of_every_sort_are_read() -> None:
    body = archive(logits=np.array([1.5]))
    for sort in (body, bytearray(body), memoryview(body), io.BytesIO(body)):
        assert npz.columns(sort, LIMITS, own("multiclass"))["logits"].tolist() == [1.5]
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        columns = npz.columns(file, LIMITS, own("multiclass"))
    assert columns["logits"].tolist() == [1.5]
    with tempfile.TemporaryFile() as file, pytest.raises(MalformedBody):
        npz.columns(file, LIMITS, own("multiclass"))


@pytest.mark.parametrize("is_own", [False, True])
def test_an_aligned_array_stays_where_it_is(is_own: bool) -> None:
    """Another one is copied, or moved by some bytes in a body that nobody else holds."""
    values = np.arange(1000.0)
    copied = []
    for padding in range(8):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            member = zipfile.ZipInfo("logits.npy")
            member.extra = struct.pack("<HH", 0xFFFF, padding) + bytes(padding)
            file.writestr(member, array_file(values))
            file.writestr("labels.npy", array_file(np.arange(7)))
        body = out.getvalue()
        file_of_body = io.BytesIO(body)
        held = file_of_body.getbuffer() if is_own else body
        columns = npz.columns(file_of_body, LIMITS, own("multiclass")) if is_own else read(body)
        np.testing.assert_array_equal(columns["logits"], values)
        np.testing.assert_array_equal(columns["labels"], np.arange(7))
        copied.append(not np.shares_memory(columns["logits"], np.frombuffer(held, np.uint8)))
        assert columns["logits"].flags.aligned
        assert body == out.getvalue()
    assert sum(copied) == (0 if is_own else 7)


def test_bytes_that_a_caller_holds_are_not_moved() -> None:
    body = bytearray(archive(logits=np.array([1.5, 2.5]), labels=np.array([0, 1])))
    before = bytes(body)
    assert read(body)["logits"].tolist() == [1.5, 2.5]
    assert body == before


@pytest.mark.parametrize(
    ("name", "array", "detail"),
    [
        ("labels", np.array([0.5]), "must be an integer, found 0.5; soft or one-hot labels are `targets`"),
        ("labels", np.array([b"a"]), "must be integers, booleans or strings, found |S1"),
        ("logits", np.array([True]), "must be numbers, found |b1"),
        ("logits", np.array(["0.5"]), "must be numbers, found <U3"),
        ("logits", np.array([1j]), "must be numbers, found <c16"),
        ("logits", np.array([1], np.longdouble), "must be numbers, found <f"),
        ("logits", np.array(["2026-01-01"], "M8[D]"), "must be numbers, found <M8[D]"),
        ("logits", np.zeros(1, [("a", "<f8")]), "must be numbers, found [('a', '<f8')]"),
        ("logits", np.zeros(1, "V8"), "must be numbers, found |V8"),
        ("logits", np.array([0.5, None], object), "must be numbers, found Python objects, which are not unpickled"),
        ("mask", np.array([1, 0]), "must be booleans, found <i8"),
        ("n_bytes", np.array([np.nan]), "must be an integer, found no number"),
        ("labels", np.array(["x" * 10_000]), "must be integers, booleans or strings, found <U10000"),
    ],
)
def test_a_type_that_a_field_may_not_hold_is_refused(name: str, array: np.ndarray, detail: str) -> None:
    ((pointer, code, text),) = told(archive(**{name: array}))
    assert pointer in (f"/{name}", f"/{name}/0")
    assert code == "wrong_type"
    assert text.startswith(detail)


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.array(0.5), "options go into the query string"),
        (np.zeros((2, 2, 2)), "found shape [2, 2, 2]"),
        (np.zeros((2, 0)), "found shape [2, 0]"),
        (np.zeros([1] * 32), "found shape [1, 1, 1, 1]"),
    ],
)
def test_a_shape_that_no_field_has_is_refused(array: np.ndarray, hint: str) -> None:
    ((pointer, code, detail),) = told(archive(logits=array))
    assert (pointer, code) == ("/logits", "wrong_shape")
    assert detail.endswith(hint)


def test_an_integer_beyond_64_bits_is_located() -> None:
    labels = np.array([[1, 2], [3, 2**63]], np.uint64)
    detail = f"must be at most {2**63 - 1}, found {2**63}"
    assert told(archive(labels=labels)) == [("/labels/1/1", "out_of_range", detail)]


@pytest.mark.parametrize("point", [0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF])
def test_text_that_is_not_unicode_is_located(point: int) -> None:
    labels = np.array([[97, 98], [97, point]], np.uint32).view("<U2").ravel()
    assert told(archive(labels=labels)) == [
        ("/labels/1", "wrong_type", "must be Unicode, found other code points"),
    ]


def test_booleans_that_are_neither_are_refused() -> None:
    with pytest.raises(MalformedBody, match="booleans of 0 and 1"):
        read(archive(mask=np.array([0, 1, 2], np.uint8).view(bool)))


def test_unknown_and_repeated_names_are_refused() -> None:
    one = array_file(np.array([1]))
    body = zipped(("label.npy", one), ("mask.npy", one), ("epsilon.npy", array_file(np.array(0.1))))
    assert [(pointer, code) for pointer, code, _ in told(body)] == [
        ("/label", "unknown_field"),
        ("/epsilon", "unknown_field"),
    ]
    with pytest.warns(UserWarning, match="Duplicate"):
        body = zipped(("labels.npy", one), ("labels.npy", one))
    assert told(body) == [("/labels", "duplicate", "must be one column, found several")]
    for name in ("labels", "labels.txt", "labels.npy/"):
        with pytest.raises(MalformedBody, match=r"end with \.npy"):
            read(zipped((name, one)))


def test_no_pickle_is_read(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "touched",)

    pickled = pickle.dumps(Touch())
    for descr in ("'|O'", "'O'", "'|O8'", "[('a', '|O')]"):
        header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}"
        with pytest.raises(SurprisalError):
            read(zipped(("labels.npy", with_header(header, pickled))))
    with pytest.raises(MalformedBody):
        read(zipped(("labels.npy", pickled)))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'shape': (2,), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': (1), 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 2}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': True}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1 1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 3000 + ",)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)} or 1",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)",
        "(" * 4000,
        "-" * 4000 + "1",
        " " * 5000 + "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}",
    ],
)
@pytest.mark.parametrize("version", [b"\1\0", b"\2\0"])
def test_a_header_that_is_not_of_an_array_is_refused(header: str, version: bytes) -> None:
    with pytest.raises(MalformedBody):
        read(zipped(("logits.npy", with_header(header, version=version))))


def test_an_array_without_rows_takes_no_room_whatever_its_header_claims() -> None:
    for shape in ("(0,)", "(0, 4611686018427387904)"):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
        assert len(read(zipped(("logits.npy", with_header(header, b""))))["logits"]) == 0
    for claim in (b"\xff\xff", b"\xff\xff\xff\xff"):
        version = b"\1\0" if len(claim) == 2 else b"\2\0"
        with pytest.raises(MalformedBody):
            read(zipped(("logits.npy", b"\x93NUMPY" + version + claim + bytes(100))))


@pytest.mark.parametrize("version", [b"\0\0", b"\4\0", b"\1\1"])
def test_other_versions_are_refused(version: bytes) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"
    with pytest.raises(MalformedBody, match="another header"):
        read(zipped(("logits.npy", with_header(header, version=version))))


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = zipped(("logits.npy", array_file(np.zeros(1 << 22))), method=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    for limits, words in [
        (Limits(1 << 24, 1e6, 1, 8), "at most 16777216 bytes"),
        (Limits(1 << 40, 50, 1, 8), "more than 50 times"),
    ]:
        with pytest.raises(TooLarge, match=words):
            read(bomb, limits)
    assert tracemalloc.get_traced_memory()[1] < 1 << 18
    tracemalloc.stop()


def test_a_member_that_holds_more_or_less_than_it_claims_is_refused() -> None:
    content = array_file(np.zeros(1 << 18))
    for claim in (0, 1000, len(content) - 1, len(content) + 1):
        body = bytearray(zipped(("logits.npy", content), method=zipfile.ZIP_DEFLATED))
        entry = body.index(b"PK\1\2")
        struct.pack_into("<I", body, entry + 24, claim)
        tracemalloc.start()
        with pytest.raises(MalformedBody, match=r"another length or checksum|does not end"):
            read(bytes(body))
        assert tracemalloc.get_traced_memory()[1] < 4 * len(content)
        tracemalloc.stop()


def test_members_that_share_bytes_are_refused() -> None:
    content = array_file(np.zeros(1 << 16))
    body = zipped(("logits.npy", content), method=zipfile.ZIP_DEFLATED)
    start, end = body.index(b"PK\1\2"), body.index(b"PK\5\6")
    entries = [body[start:end].replace(b"logits", b"slices.%d" % i)[:end] for i in range(8)]
    entries = [e[:28] + struct.pack("<H", len("slices.0.npy")) + e[30:] for e in entries]
    directory = b"".join(entries)
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 8, 8, len(directory), start, 0)
    with pytest.raises(MalformedBody, match="found two that share bytes"):
        read(body[:start] + directory + tail)


def test_many_members_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 8 members, found 9"):
        read(archive(**{f"slices.{i}": np.array([1]) for i in range(9)}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int) -> None:
    with pytest.raises(MalformedBody, match="stored or deflated and not encrypted"):
        read(zipped(("logits.npy", array_file(np.array([1.0]))), method=method))


def test_an_encrypted_member_is_refused() -> None:
    body = bytearray(archive(logits=np.array([1.0])))
    body[body.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(MalformedBody, match="not encrypted"):
        read(bytes(body))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_checksum_is_checked(method: int) -> None:
    content = array_file(np.array([1.0]))
    body = bytearray(zipped(("logits.npy", content), method=method))
    struct.pack_into("<I", body, body.index(b"PK\1\2") + 16, zlib.crc32(content) ^ 1)
    with pytest.raises(MalformedBody, match="checksum"):
        read(bytes(body))


def example(save: Any) -> bytes:
    out = io.BytesIO()
    save(out, labels=np.array(["a", "b"]), logits=np.array([[0.5, 0.25]] * 2), mask=np.array([True, False]))
    return out.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_prefix_and_a_longer_body_are_refused(save: Any) -> None:
    body = example(save)
    for n in range(len(body)):
        with pytest.raises(MalformedBody):
            read(body[:n])
    with pytest.raises(MalformedBody):
        read(body + b"\0")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_changed_byte_is_refused_or_changes_nothing(save: Any, flip: int) -> None:
    body = bytearray(example(save))
    expected = repr(read(bytes(body)))
    refused = 0
    for i in range(len(body)):
        body[i] ^= flip
        try:
            assert repr(read(bytes(body))) == expected
        except SurprisalError:
            refused += 1
        body[i] ^= flip
    assert refused > len(body) // 2


@pytest.mark.parametrize("name", ["labels", "cluster_id", "slices.a"])
def test_no_strings_are_a_column_like_no_numbers(name: str) -> None:
    found = npz.columns(archive(**{name: np.array([], "U3")}), LIMITS, own("binary"))
    column = found["slices"]["a"] if name.startswith("slices") else found[name]
    assert (column.dtype, column.shape) == (np.dtype(object), (0,))


def test_many_strings_are_those_that_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "SLICE_ROWS", 4)
    names = [f"cluster {i}" for i in range(10)]
    assert npz.columns(archive(cluster_id=np.array(names)), LIMITS, own("binary"))["cluster_id"].tolist() == names
