"""The reader of Parquet files, some rows of a row group at a time."""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from app.core.checkpoints import at_checkpoints
from app.core.paying import hold
from app.core.tasks import TaskName
from app.errors import MalformedBody
from app.wire.arrow.arrays import PART_BYTES, PART_ROWS, parts_of, translated
from app.wire.arrow.dictionaries import Dictionaries
from app.wire.arrow.schema import groups_of_schema
from app.wire.arrow.wide import refuse_wide
from app.wire.fields import check_columns
from app.wire.limits import Limits, Tally
from app.wire.numbered import Group
from app.wire.parquet.footer import MAX_FOOTER_BYTES, Decoded, RowGroup, decoded, row_groups

NOTE = re.compile(rb"ARROW:schema.{1,8}?(/////[A-Za-z0-9+/]+)", re.DOTALL)
BUFFER = 1 << 18
"""The bytes that pyarrow reads of a column at once."""
PLAIN_BYTES = 16 << 20
"""The most bytes of strings that are read at once without a dictionary; pyarrow holds some copies of them."""


def parts(file: BinaryIO, limits: Limits, task: TaskName) -> Iterator[dict[str, Any]]:
    """Yield the columns of a Parquet file that can seek, some rows at a time.

    The sizes that the footer and the headers of pages claim are held to the limits before any page is decoded.

    Raises:
        MalformedBody: No Parquet file, or one that is encrypted.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the file.
        TooLarge: More bytes or columns than the limits allow.
    """
    groups = row_groups(file)
    sizes = _sizes(file, groups, limits)
    plain = {place for chunks in sizes for place, chunk in enumerate(chunks) if chunk.is_delta}
    try:
        with translated("a Parquet file"):
            table, fields = _opened(file, groups, plain, limits, task)
    except MalformedBody:
        _refuse_wide(file)
        raise
    dictionaries, first_row = Dictionaries(), 0
    for i, group in enumerate(at_checkpoints(groups)):
        if not group.n_rows:
            continue
        for batch in _batches(table, i, _step(group, sizes[i], plain)):
            yield from parts_of(batch, fields, first_row, dictionaries)
            first_row += len(batch)


def _refuse_wide(file: BinaryIO) -> None:
    """Refuse columns of integers that are so wide that pyarrow does not even open the file.

    The schema that the writer has left in the footer is an Arrow message in base64, whose metadata follow a mark and
    their length.
    """
    file.seek(max(0, file.seek(0, 2) - MAX_FOOTER_BYTES))
    note = NOTE.search(file.read())
    if note is not None:
        refuse_wide(b64decode(note[1] + b"==")[8:])


def _sizes(file: BinaryIO, groups: list[RowGroup], limits: Limits) -> list[list[Decoded]]:
    """The decoded size of each column of each row group."""
    tally = Tally(limits)
    tally.add(file.seek(0, 2), 0)
    sizes = list[list[Decoded]]()
    for group in groups:
        check_columns(len(group.chunks), limits)
        sizes.append([decoded(file, chunk, limits) for chunk in group.chunks])
        tally.add(0, sum(chunk.n_bytes for chunk in sizes[-1]))
        hold("decoded", sum(min(chunk.n_bytes, limits.max_part_bytes) for chunk in sizes[-1]))
    return sizes


def _opened(
    file: BinaryIO, groups: list[RowGroup], plain: set[int], limits: Limits, task: TaskName
) -> tuple[parquet.ParquetFile, list[Group]]:
    """Open a file so that strings are read into dictionaries, except in the columns `plain`."""
    opened = parquet.ParquetFile(file)
    if any(len(group.chunks) != len(opened.schema) for group in groups):
        raise MalformedBody("must have all columns in all Parquet row groups, found others")
    columns = [opened.schema.column(place) for place in range(len(opened.schema))]
    texts = {place: column.path for place, column in enumerate(columns) if column.physical_type == "BYTE_ARRAY"}
    for place in plain & texts.keys():
        if columns[place].max_repetition_level:
            raise MalformedBody("must have no lists of strings in a delta encoding of Parquet, found some")
    fields = groups_of_schema(opened.schema_arrow, limits, task)
    return parquet.ParquetFile(
        file,
        metadata=opened.metadata,
        # plain columns would hold a long string anew for each of a thousand rows
        read_dictionary=[path for place, path in texts.items() if place not in plain],
        buffer_size=BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
    ), fields


def _step(group: RowGroup, chunks: list[Decoded], plain: set[int]) -> int:
    """The number of rows to read at a time: strings without a dictionary must fit, even if all were the longest."""
    n_bytes = sum(chunk.n_bytes for chunk in chunks)
    longest = max((chunks[place].longest for place in plain), default=0)
    return max(1, min(PART_ROWS, PART_BYTES * group.n_rows // max(1, n_bytes), PLAIN_BYTES // max(1, longest)))


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
