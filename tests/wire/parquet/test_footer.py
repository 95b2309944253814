"""Footers and headers of pages: those of large files, and what contradicts itself."""

import io
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow_parquet

from app.errors import MalformedBody, TooLarge
from app.wire.limits import Limits
from app.wire.parquet import file as parquet
from app.wire.parquet import footer
from app.wire.parquet.footer import MAX_FOOTER_BYTES, Decoded, Page
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=2000)


def file_of(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    arrow_parquet.write_table(table, out, **options)
    return out.getvalue()


def decoded(table: pa.Table, **options: Any) -> list[Decoded]:
    file = io.BytesIO(file_of(table, **options))
    return [footer.decoded(file, chunk, LIMITS) for group in footer.row_groups(file) for chunk in group.chunks]


def footer_size(body: bytes | bytearray) -> int:
    return int.from_bytes(body[-8:-4], "little")


def test_pages_are_walked_as_they_stand() -> None:
    for version in ("1.0", "2.0"):
        table = pa.table({"logits": np.arange(1000.0) % 10})
        body = file_of(table, data_page_version=version, data_page_size=10, write_batch_size=100)
        ((chunk,),) = (group.chunks for group in footer.row_groups(io.BytesIO(body)))
        dictionary, *pages = footer._pages(io.BytesIO(body), chunk)
        assert dictionary == Page(80, 0, 0)
        assert [(page.n_values, page.encoding) for page in pages] == [(100, 8)] * 10


def test_strings_that_may_come_time_and_again_are_told() -> None:
    names = pa.table({"labels": [f"name {i}" for i in range(100)]})

    def plain(encoding: str) -> list[Decoded]:
        return decoded(names, use_dictionary=False, column_encoding={"labels": encoding}, compression="none")

    n_bytes = sum(map(len, names["labels"].to_pylist())) + 4 * 100
    assert decoded(names) == [Decoded(n_bytes=1190, longest=n_bytes, is_delta=False)]
    assert plain("PLAIN") == [Decoded(n_bytes=n_bytes + 7, longest=0, is_delta=False)]
    (lengths,), (shared,) = plain("DELTA_LENGTH_BYTE_ARRAY"), plain("DELTA_BYTE_ARRAY")
    assert (lengths.longest, lengths.is_delta) == (0, True)
    assert shared.longest > 100
    assert shared.is_delta


def test_more_values_in_pages_than_the_footer_tells_are_refused() -> None:
    body = bytearray(file_of(pa.table({"labels": [5] * 1000}), compression="none", write_statistics=False))
    at = body.index(b"\xd0\x0f", 0, len(body) - 8 - footer_size(body))  # 1000, in the header of the only data page
    body[at : at + 2] = b"\xd2\x0f"
    with pytest.raises(MalformedBody, match="must have 1000 values in a Parquet column, found 1001"):
        list(parquet.parts(io.BytesIO(body), LIMITS, own("multiclass")))


def test_a_file_of_many_row_groups_is_read() -> None:
    table = pa.table({"labels": np.arange(4000) % 7, "logits": np.arange(4000.0), "slices.a": np.arange(4000) % 3})
    body = file_of(table, row_group_size=1)
    assert footer_size(body) > 1 << 20
    parts = list(parquet.parts(io.BytesIO(body), LIMITS, own("multiclass")))
    assert np.concatenate([part["logits"] for part in parts]).tolist() == list(range(4000))


def test_columns_and_row_groups_are_bounded_before_pyarrow_reads_of_them() -> None:
    wide = file_of(pa.table({f"slices.{i}": [1] for i in range(13_000)}))
    assert footer_size(wide) < MAX_FOOTER_BYTES
    with pytest.raises(TooLarge, match="lists in place of many columns"):
        footer.row_groups(io.BytesIO(wide))


def test_a_footer_is_measured_before_it_is_read() -> None:
    body = b"PAR1" + bytes(18 << 20)
    for claim, error in [(17 << 20, TooLarge), (2**32 - 1, MalformedBody), (0, MalformedBody)]:
        with pytest.raises(error):
            footer.row_groups(io.BytesIO(body + struct.pack("<I", claim) + b"PAR1"))


def test_lists_of_other_elements_in_a_footer_are_refused() -> None:
    """pyarrow would read on elsewhere, and might find other pages there than were looked at here."""
    body = bytearray(file_of(pa.table({"labels": [5] * 10}), compression="none", write_statistics=False))
    start = len(body) - 8 - footer_size(body)
    (chunk,) = footer.row_groups(io.BytesIO(body))[0].chunks
    assert chunk.n_values == 10
    at = body.index(b"\x19\x35", start)  # the field after the type: a list of three encodings
    body[at + 1] = 0x38
    with pytest.raises(MalformedBody, match="found other bytes in its descriptions"):
        footer.row_groups(io.BytesIO(body))


def test_a_row_group_without_some_column_is_refused() -> None:
    options = {"store_schema": False, "compression": "none", "write_statistics": False}
    body = file_of(pa.table({"labels": [5] * 10}), **options)
    start = len(body) - 8 - footer_size(body)
    column = b"\x15\x04\x25\x02\x18\x06labels\x00"
    added = body[start:-8].replace(b"\x19\x2c", b"\x19\x3c", 1).replace(b"schema\x15\x02", b"schema\x15\x04", 1)
    added = added.replace(column, column + column.replace(b"labels", b"logits"), 1)
    added = added.replace(b"\x19\x1c\x1c\x00\x00\x00", b"\x19\x2c\x1c\x00\x00\x1c\x00\x00\x00")  # the orders
    assert len(added) == footer_size(body) + len(column) + 3
    changed = body[:start] + added + struct.pack("<I", len(added)) + b"PAR1"
    assert len(footer.row_groups(io.BytesIO(changed))[0].chunks) == 1
    with pytest.raises(MalformedBody, match="all columns in all Parquet row groups"):
        list(parquet.parts(io.BytesIO(changed), LIMITS, own("multiclass")))
