"""Parquet files: a part for some rows of a row group."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from app.wire.arrays import PART_BYTES, PART_ROWS, names_of, parts_of, translated
from app.wire.footer import RowGroup, decoded_size, row_groups
from app.wire.limits import Limits, Tally
from app.wire.typed import Field, check_columns

BUFFER = 1 << 18


def parts(file: BinaryIO, limits: Limits) -> Iterator[dict[str, Any]]:
    """Columns of a Parquet file that can seek, of some rows at a time.

    The sizes that the footer and the headers of pages claim are held to the limits before any page is decoded.

    Raises:
        MalformedBody: No Parquet file, or one that is encrypted.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the file.
        TooLarge: More bytes or columns than the limits allow.
    """
    groups = row_groups(file)
    sizes = _sizes(file, groups, limits)
    with translated("a Parquet file"):
        table, fields = _opened(file, limits)
    first_row = 0
    for i, group in enumerate(groups):
        if not group.n_rows:
            continue
        step = max(1, min(PART_ROWS, PART_BYTES * group.n_rows // max(1, sizes[i])))
        for batch in _batches(table, i, step):
            yield from parts_of(batch, fields, first_row)
            first_row += len(batch)


def _sizes(file: BinaryIO, groups: list[RowGroup], limits: Limits) -> list[int]:
    """Bytes that each row group becomes."""
    tally = Tally(limits)
    tally.add(file.seek(0, 2), 0)
    sizes = []
    for group in groups:
        check_columns(len(group.chunks), limits)
        sizes.append(sum(decoded_size(file, chunk, limits) for chunk in group.chunks))
        tally.add(0, sizes[-1])
    return sizes


def _opened(file: BinaryIO, limits: Limits) -> tuple[parquet.ParquetFile, list[Field]]:
    plain = parquet.ParquetFile(file)
    columns = map(plain.schema.column, range(len(plain.schema)))
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    fields = names_of(plain.schema_arrow, limits)
    return parquet.ParquetFile(
        file,
        metadata=plain.metadata,
        read_dictionary=texts,  # a long string may stand in a thousand rows
        buffer_size=BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
    ), fields


def _batches(table: parquet.ParquetFile, group: int, step: int) -> Iterator[pa.RecordBatch]:
    batches = table.iter_batches(batch_size=step, row_groups=[group], use_threads=False)
    while True:
        with translated("a Parquet file"):
            batch = next(batches, None)
            if batch is not None:
                batch.validate(full=True)
        if batch is None:
            return
        yield batch
