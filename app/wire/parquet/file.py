"""The reader of Parquet files, some rows of a row group at a time."""

import re
from base64 import b64decode
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from app.core.checkpoints import at_checkpoints
from app.core.paying import hold
from app.errors import MalformedBody
from app.wire.arrow.arrays import PART_BYTES, PART_ROWS, parts_of, translated
from app.wire.arrow.dictionaries import Dictionaries
from app.wire.arrow.schema import Chosen, chosen_of_schema
from app.wire.arrow.wide import refuse_wide
from app.wire.fields import check_columns
from app.wire.limits import Limits, Tally
from app.wire.mapping.column_map import ColumnMap
from app.wire.parquet.footer import MAX_FOOTER_BYTES, Decoded, RowGroup, decoded, row_groups

NOTE = re.compile(rb"ARROW:schema.{1,8}?(/////[A-Za-z0-9+/]+)", re.DOTALL)
BUFFER = 1 << 18
"""The bytes that pyarrow reads of a column at once."""
PLAIN_BYTES = 16 << 20
"""The most bytes of strings that are read at once without a dictionary; pyarrow holds some copies of them."""


def parts(file: BinaryIO, limits: Limits, columns: ColumnMap, wanted: slice = slice(None)) -> Iterator[dict[str, Any]]:
    """Yield the columns of a Parquet file that can seek, some rows at a time.

    The sizes that the footer and the headers of pages claim are held to the limits before any page is decoded.

    Args:
        wanted: The row groups to read; errors count rows from the first of them.

    Raises:
        MalformedBody: No Parquet file, or one that is encrypted.
        InvalidInput: A column is unknown or holds what it may not; rows are counted over the file.
        TooLarge: More bytes or columns than the limits allow.
    """
    groups = row_groups(file)
    try:
        with translated("a Parquet file"):
            opened = parquet.ParquetFile(file)
            _check_groups(groups, len(opened.schema), limits)
            chosen = chosen_of_schema(opened.schema_arrow, limits, columns)
            leaves = _leaves(opened, chosen)
            places = range(len(groups))[wanted]
            sizes = dict(zip(places, _sizes(file, groups[wanted], leaves, limits), strict=True))
            plain = {place for chunks in sizes.values() for place, chunk in chunks.items() if chunk.is_delta}
            table = _with_dictionaries(file, opened, leaves, plain)
    except MalformedBody:
        _refuse_wide(file)
        raise
    schema = opened.schema_arrow
    names = [schema.field(place).name for place in chosen.places] if chosen.is_partial else None
    dictionaries, first_row = Dictionaries(), 0
    for i in at_checkpoints(places):
        if not groups[i].n_rows:
            continue
        for batch in _batches(table, i, names, _step(groups[i], sizes[i], plain)):
            yield from parts_of(batch, chosen, first_row, dictionaries)
            first_row += len(batch)


def _refuse_wide(file: BinaryIO) -> None:
    """Refuse columns of integers that are so wide that pyarrow does not even open the file.

    The schema that the writer has left in the footer is an Arrow message in base64, whose metadata follow a mark and
    their length.
    """
    file.seek(max(0, file.seek(0, 2) - MAX_FOOTER_BYTES))
    note = NOTE.search(file.read())
    if note is not None and len(note[1]) % 4 != 1:  # of base64 no text has such a length
        refuse_wide(b64decode(note[1] + b"==")[8:])


def _check_groups(groups: list[RowGroup], n_columns: int, limits: Limits) -> None:
    check_columns(max((len(group.chunks) for group in groups), default=0), limits)
    if any(len(group.chunks) != n_columns for group in groups):
        raise MalformedBody("must have all columns in all Parquet row groups, found others")


def _leaves(opened: parquet.ParquetFile, chosen: Chosen) -> list[int]:
    """The places in the file of the columns to read, which is one for each list or child of a struct.

    Pyarrow reads the columns whose path is or begins with a name that it is told; so does this.
    """
    names = {opened.schema_arrow.field(place).name for place in chosen.places}
    paths = [opened.schema.column(place).path for place in range(len(opened.schema))]
    return [place for place, path in enumerate(paths) if not names.isdisjoint(_starts(path))]


def _starts(path: str) -> Iterator[str]:
    """The path, and what of it stands before each of its dots."""
    return accumulate(path.split("."), "{}.{}".format)


def _sizes(file: BinaryIO, groups: list[RowGroup], leaves: list[int], limits: Limits) -> list[dict[int, Decoded]]:
    """The decoded size of each column to read of each row group, by its place."""
    tally = Tally(limits)
    tally.add(file.seek(0, 2), 0)
    sizes = list[dict[int, Decoded]]()
    for group in at_checkpoints(groups):
        sizes.append({place: decoded(file, group.chunks[place], limits) for place in leaves})
        tally.add(0, sum(chunk.n_bytes for chunk in sizes[-1].values()))
        hold("decoded", sum(min(chunk.n_bytes, limits.max_part_bytes) for chunk in sizes[-1].values()))
    return sizes


def _with_dictionaries(
    file: BinaryIO, opened: parquet.ParquetFile, leaves: list[int], plain: set[int]
) -> parquet.ParquetFile:
    """The file opened so that strings are read into dictionaries, except in the columns `plain`."""
    columns = {place: opened.schema.column(place) for place in leaves}
    texts = {place: column.path for place, column in columns.items() if column.physical_type == "BYTE_ARRAY"}
    for place in plain & texts.keys():
        if columns[place].max_repetition_level:
            raise MalformedBody("must have no lists of strings in a delta encoding of Parquet, found some")
    return parquet.ParquetFile(
        file,
        metadata=opened.metadata,
        # plain columns would hold a long string anew for each of a thousand rows
        read_dictionary=[path for place, path in texts.items() if place not in plain],
        buffer_size=BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
    )


def _step(group: RowGroup, chunks: dict[int, Decoded], plain: set[int]) -> int:
    """The number of rows to read at a time: strings without a dictionary must fit, even if all were the longest."""
    n_bytes = sum(chunk.n_bytes for chunk in chunks.values())
    longest = max((chunks[place].longest for place in plain), default=0)
    return max(1, min(PART_ROWS, PART_BYTES * group.n_rows // max(1, n_bytes), PLAIN_BYTES // max(1, longest)))


def _batches(table: parquet.ParquetFile, group: int, names: list[str] | None, step: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a row group in the columns of some names; None for all."""
    batches = table.iter_batches(batch_size=step, row_groups=[group], columns=names, use_threads=False)
    while True:
        with translated("a Parquet file"):
            batch = next(batches, None)
            if batch is not None:
                batch = batch if names is None else batch.select(names)  # "p" brings "p.a" along
                batch.validate(full=True)
        if batch is None:
            return
        yield batch
