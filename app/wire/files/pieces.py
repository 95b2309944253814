"""Files of a data set and pieces of them, as a plan lists them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

FormatName: TypeAlias = Literal["parquet", "arrow", "csv", "ndjson"]
Folder: TypeAlias = tuple[str, str]
"""A folder in the way of Hive, `site=paris`: the name of a column and its value in all rows below."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a data set, as it was when it was listed.

    Attributes:
        path: The absolute path, or the address in a bucket; links are resolved.
        n_bytes: The size, compressed as it lies there.
        fingerprint: The time of the last change in nanoseconds; another one, or another size, is another file.
        encoding: The compression of the whole file, `gzip` or `zstd`; empty for none.
        folders: The columns that the folders above it hold.
    """

    path: str
    n_bytes: int
    fingerprint: str
    format: FormatName
    encoding: str = ""
    folders: tuple[Folder, ...] = ()

    def to_json(self) -> list[Any]:
        """The file as JSON."""
        folders = [list(folder) for folder in self.folders]
        return [self.path, self.n_bytes, self.fingerprint, self.format, self.encoding, folders]

    @classmethod
    def of_json(cls, form: list[Any]) -> "File":
        """The file that `to_json` has written."""
        path, n_bytes, fingerprint, format_, encoding, folders = form
        return cls(path, n_bytes, fingerprint, format_, encoding, tuple((name, value) for name, value in folders))


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a file: row groups of Parquet, record batches of Arrow, or bytes of text from row to row.

    Attributes:
        start, stop: The first row group, record batch or byte, and the one behind the last; a `stop` of -1 is the end
            of a file that cannot be cut.
        n_bytes: The bytes of the file that it stands for.
        first_row: The rows of the file before it; None as long as nobody has counted them.
        n_rows: The number of its rows; None as long as nobody has counted them.
    """

    file: File
    start: int
    stop: int
    n_bytes: int
    first_row: int | None = None
    n_rows: int | None = None
