"""CSV and NDJSON files as a source. They are sent as they are; the service reads their values."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from surprisal_client.errors import InputError
from surprisal_client.exchange import Body, Chunk
from surprisal_client.optional import needed
from surprisal_client.sources import Source
from surprisal_client.sources.naming import check_fields, dimensions_of_first, naming_of, query

CHUNK_BYTES = 1 << 20
QUOTE, LINE_END = b'"', b"\n"


def source_of(paths: list[Path], fields: Mapping[str, Any]) -> Source:
    """The source of text files, whose rows follow each other."""
    rows = _Rows(paths)
    total_bytes = sum(path.stat().st_size for path in paths) if not any(map(_is_compressed, paths)) else None
    body = Body("text/csv" if rows.has_header else "application/x-ndjson", rows.chunks, total_bytes=total_bytes)
    naming = naming_of(fields)
    columns = rows.first_columns()
    if columns and not naming:
        check_fields(list(columns))
    told, untold = dimensions_of_first(naming, columns)
    return Source(told, body, query(naming), locate=rows.locate, untold=untold)


def bytes_body(media_type: str, path: Path) -> Body:
    """A body that is a file as it is."""

    def chunks() -> Iterator[Chunk]:
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                yield Chunk(data)

    return Body(media_type, chunks)


class _Rows:
    """The lines of several files as one body, and the file of each row that has been sent."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._starts: list[int] = []
        self.has_header = ".csv" in paths[0].suffixes

    def chunks(self) -> Iterator[Chunk]:
        """Yield the bytes of all files; of CSV the header once."""
        self._starts.clear()
        header, n_rows = b"", 0
        for path in self._paths:
            self._starts.append(n_rows)
            try:
                with _opened(path) as file:
                    if self.has_header:
                        is_first, header = not header, self._header(path, file, header)
                        if is_first:
                            yield Chunk(header + LINE_END)
                    for chunk in _lines(file):
                        n_rows += chunk.n_rows
                        yield chunk
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{path}: cannot be read to its end: {error}") from error

    def first_columns(self) -> dict[str, bool]:
        """The names in the first line, and whether each holds a list; none where that line is none of such a file."""
        if not self._paths[0].is_file():  # a pipe is read once
            return {}
        with suppress(OSError, EOFError, ValueError, zlib.error), _opened(self._paths[0]) as file:
            line = file.readline().decode("utf-8-sig")
            if self.has_header:
                return dict.fromkeys(next(csv.reader([line]), []), False)
            return {name: isinstance(value, list) for name, value in dict(json.loads(line)).items()}
        return {}

    def locate(self, row: int) -> str:
        """Name the file of a row, and the row within it."""
        number = sum(start <= row for start in self._starts) - 1
        return f"row {row - self._starts[number]} of {self._paths[number]}" if number >= 0 else ""

    def _header(self, path: Path, file: BinaryIO, expected: bytes) -> bytes:
        """Read the header of a file, which must be that of the first one."""
        header = file.readline().removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        if expected and header != expected:
            told = f"found {_shown(header)} after {_shown(expected)}"
            raise InputError(f"{path}: must have the header of {self._paths[0]}, {told}")
        return header


def _shown(header: bytes) -> str:
    return repr(header[:80].decode(errors="replace"))


def _lines(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the bytes of a file with the number of its rows; the last line gets an end if it has none."""
    is_quoted, last = False, LINE_END
    while data := file.read(CHUNK_BYTES):
        parts = data.split(QUOTE)
        n_rows = sum(part.count(LINE_END) for part in parts[is_quoted::2])
        is_quoted ^= len(parts) % 2 == 0
        last = data[-1:]
        yield Chunk(data, n_rows)
    if last != LINE_END:
        yield Chunk(LINE_END, 1)


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".zst")


def _opened(path: Path) -> BinaryIO:
    """A file, decompressed if its name says that it is compressed."""
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix.lower() == ".zst":
        pa = needed("pyarrow", "arrow", "a file of .zst")
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd"))
    return path.open("rb")
