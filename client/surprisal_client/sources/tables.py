"""Parquet and Arrow files as a source: only the columns that are needed are read and sent, batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.exchange import Body
from surprisal_client.optional import arrow, needed
from surprisal_client.sources import Source, stream, text
from surprisal_client.sources.frames import MEDIA_TYPE, PURPOSE, alike, nesting
from surprisal_client.sources.naming import check_doubles, dimensions, naming_of, needed_columns, query

BATCH_ROWS = 65_536
START_OF_STREAM = b"\xff\xff\xff\xff"
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def source_of(paths: list[Path], fields: Mapping[str, Any]) -> Source:
    """The source of Parquet or Arrow files, whose rows follow each other."""
    naming = naming_of(fields)
    if not arrow() and len(paths) == 1 and paths[0].suffix in (".parquet", ".pq"):
        return Source({}, text.bytes_body("application/vnd.apache.parquet", paths[0]), query(naming))
    files = [_File(path) for path in paths]
    schema = files[0].schema()
    columns = needed_columns(naming, schema.names)
    check_doubles(columns, str(paths[0]))
    rows = _Rows(files, columns)
    body = Body(MEDIA_TYPE, rows.chunks, total_rows=sum(file.n_rows() for file in files) or None)
    return Source(dimensions(naming, nesting(rows.schema)), body, query(naming), locate=rows.locate)


@dataclass(frozen=True)
class _File:
    """A file of one of the formats, whose reader says so when it is no such file, or ends early."""

    path: Path

    def schema(self) -> Any:
        with _reading(self.path) as reader:
            return reader.schema_arrow if hasattr(reader, "schema_arrow") else reader.schema

    def n_rows(self) -> int:
        """The number of rows where the file says so at once."""
        with _reading(self.path) as reader:
            return reader.metadata.num_rows if hasattr(reader, "schema_arrow") else 0

    def batches(self, columns: list[str]) -> Iterator[Any]:
        pa = needed("pyarrow", "arrow", PURPOSE)
        with _reading(self.path) as reader:
            try:
                yield from _batches(reader, columns)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{self.path}: cannot be read to its end: {error}") from error


def _batches(reader: Any, columns: list[str]) -> Iterator[Any]:
    if hasattr(reader, "iter_batches"):
        yield from reader.iter_batches(BATCH_ROWS, columns=columns)
    elif hasattr(reader, "num_record_batches"):
        yield from (reader.get_batch(number).select(columns) for number in range(reader.num_record_batches))
    else:
        yield from (batch.select(columns) for batch in reader)


def _reading(path: Path) -> Any:
    """The reader of a file, by its first bytes.

    Raises:
        InputError: It is neither Parquet nor Arrow, or ends early.
    """
    pa = needed("pyarrow", "arrow", PURPOSE)
    try:
        with path.open("rb") as file:
            first = file.read(6)
        if first[:4] == b"PAR1":
            return needed("pyarrow.parquet", "arrow", PURPOSE).ParquetFile(path)
        if first == b"ARROW1":
            return pa.ipc.open_file(pa.OSFile(str(path)))
        if first[:4] != START_OF_STREAM:
            found = f"one that begins with {first!r}" if first else "an empty one"
            raise InputError(f"{path}: must be a file of Parquet or Arrow, found {found}")
        _check_end(path)
        return pa.ipc.open_stream(pa.OSFile(str(path)))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read, or ends early: {error}") from error


def _check_end(path: Path) -> None:
    """Refuse a stream that was cut off between two batches, which its reader takes for whole."""
    with path.open("rb") as file:
        file.seek(0, SEEK_END)
        file.seek(max(0, file.tell() - len(END_OF_STREAM)))
        if file.read() != END_OF_STREAM:
            raise InputError(f"{path}: must end with the mark of the end of an Arrow stream; it was cut off")


class _Rows:
    """The rows of several files as one stream, and the file of each row that has been sent."""

    def __init__(self, files: list[_File], columns: list[str]) -> None:
        self._files, self._columns = files, columns
        self._starts: list[int] = []
        self.schema = self._first_schema()

    def chunks(self) -> Any:
        return stream.chunks(self.schema, (batch for batches in self._alike() for batch in batches))

    def locate(self, row: int) -> str:
        """Name the file of a row, and the row within it."""
        number = sum(start <= row for start in self._starts) - 1
        return f"row {row - self._starts[number]} of {self._files[number].path}" if number >= 0 else ""

    def _first_schema(self) -> Any:
        schema = self._files[0].schema()
        return needed("pyarrow", "arrow", PURPOSE).schema([schema.field(name) for name in self._columns])

    def _alike(self) -> Iterator[list[Any]]:
        self._starts.clear()
        n_rows = 0
        for file in self._files:
            self._starts.append(n_rows)
            self._check(file)
            for batches in alike(self.schema, _tables(file.path, file.batches(self._columns))):
                n_rows += sum(batch.num_rows for batch in batches)
                yield batches

    def _check(self, file: _File) -> None:
        """Refuse a file that lacks a column before its rows are read."""
        names = file.schema().names
        check_doubles([name for name in names if name in self._columns], str(file.path))
        if missing := [name for name in self._columns if name not in names]:
            raise InputError(f'{file.path}: must have the columns of {self._files[0].path}, found no "{missing[0]}"')


def _tables(path: Path, batches: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    pa = needed("pyarrow", "arrow", PURPOSE)
    return ((str(path), pa.Table.from_batches([batch])) for batch in batches)
