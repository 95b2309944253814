"""The files below a source, in the order of their names: one file, all of a folder, or those that fit a pattern."""

import os
from collections.abc import Iterator
from urllib.parse import unquote

from pyarrow import fs

from app.core.checkpoints import at_checkpoints
from app.errors import FaultyFile, InvalidInput, SourceUnavailable, clip
from app.wire.files.disk import found_on_disk
from app.wire.files.found import Found, Roots, may_be_of, may_hold, too_many
from app.wire.files.patterns import fixed_start
from app.wire.files.pieces import File, Folder, FormatName
from app.wire.files.systems import Place, opened, place_of, system_of

ENDINGS: dict[str, FormatName] = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
ENCODINGS = {".gz": "gzip", ".zst": "zstd"}
TEXTS = ("csv", "ndjson")
"""The formats whose files may be compressed as a whole."""
STARTS: dict[bytes, FormatName] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
"""The formats of files whose names do not tell, by how they begin."""


def start_of(source: str, roots: Roots) -> tuple[Place, tuple[str, ...]]:
    """The place at which a source is listed, its links and `..` resolved, and the names of the pattern from there on.

    Raises:
        OutsideRoots: It lies outside of all roots.
        InvalidInput: The source is no place.
    """
    place = place_of(source)
    folder, names = fixed_start(place.path)
    start = Place(place.scheme, folder if place.scheme else os.path.realpath(folder))
    roots.check(start, source)
    return start, names


def files_of(source: str, roots: Roots, max_files: int) -> list[File]:
    """The files of one source.

    Raises:
        OutsideRoots: The source, or a file of it by a link, lies outside of all roots.
        InvalidInput: There is no file, or one whose format nobody tells.
        TooLarge: There are more files than may be.
        SourceUnavailable: The file system fails.
    """
    start, names = start_of(source, roots)
    try:
        found = list(_in_bucket(start, names) if start.scheme else found_on_disk(start, names, roots, max_files))
    except OSError as error:
        raise SourceUnavailable(f"{clip(source)} cannot be listed: {clip(str(error))}") from error
    if not found:
        raise InvalidInput.at("/source", "missing", f"must name files that exist, found none at {clip(source)}")
    if len(found) > max_files:
        raise too_many(max_files)
    found.sort(key=lambda file: file.parts)
    return [_file(start, file) for file in at_checkpoints(found)]


def _in_bucket(start: Place, names: tuple[str, ...]) -> Iterator[Found]:
    system = system_of(start.scheme)
    about = system.get_file_info(start.path)
    if about.type == fs.FileType.File:
        if not names:
            yield Found(start.path, (about.base_name,), about.size, about.mtime_ns or 0)
        return
    selector = fs.FileSelector(start.path, allow_not_found=True, recursive=len(names) != 1)
    for entry in at_checkpoints(system.get_file_info(selector)):
        if entry.type != fs.FileType.File:
            continue
        parts = tuple(entry.path.removeprefix(start.path).strip("/").split("/"))
        if all(may_hold(names, parts[:depth]) for depth in range(1, len(parts))) and may_be_of(names, parts):
            yield Found(entry.path, parts, entry.size, entry.mtime_ns or 0)


def _file(start: Place, found: Found) -> File:
    path = str(start._replace(path=found.path))
    if not found.n_bytes:
        raise FaultyFile(InvalidInput.at("/source", "empty", "must be a file with rows, found one of 0 bytes"), path)
    name, encoding = found.parts[-1].casefold(), ""
    for ending, known in ENCODINGS.items():
        if name.endswith(ending):
            name, encoding = name.removesuffix(ending), known
    format_ = next((known for ending, known in ENDINGS.items() if name.endswith(ending)), None)
    if format_ is None and not encoding:
        format_ = _by_its_start(start._replace(path=found.path))
    if format_ is None or (encoding and format_ not in TEXTS):
        endings = ", ".join(ENDINGS)
        rule = f"must have a name that ends in {endings} (and .gz or .zst for text), found another"
        raise FaultyFile(InvalidInput.at("/source", "unknown_format", rule), path)
    folders = tuple(folders_of("/".join((start.path, *found.parts))))
    return File(path, found.n_bytes, str(found.mtime_ns), format_, encoding, folders)


def _by_its_start(place: Place) -> FormatName | None:
    with opened(place) as file:
        start = file.read(6)
    return next((known for mark, known in STARTS.items() if start.startswith(mark)), None)


def folders_of(path: str) -> Iterator[Folder]:
    """Yield the columns that the folders of a path hold in the way of Hive.

    >>> list(folders_of("/rows/site=Le%20Mans/year=2026/part=0.csv"))
    [('site', 'Le Mans'), ('year', '2026')]
    """
    for name in path.split("/")[:-1]:
        column, mark, value = name.partition("=")
        if mark and column:
            yield column, unquote(value)
