"""Files as a source: several of one kind are sent as the rows of one request."""

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.sources import Source, tables, text
from surprisal_client.sources.naming import naming_of, query

COMPRESSED = (".gz", ".zst")


def paths_of(given: Iterable[str | Path], *, opens_folders: bool = True) -> list[Path]:
    """The files of paths, patterns and folders, each once, in the order given; those of a pattern by name.

    Raises:
        InputError: A path or a pattern is that of no file.
    """
    found: dict[Path, None] = {}
    for item in given:
        paths = _expanded(Path(item), opens_folders)
        if not paths and Path(item).is_dir():
            raise InputError(f"{item}: must hold files of {', '.join(READERS)}, found none")
        if not paths:
            raise InputError(f"{item}: no such file{', and no file matches' * glob.has_magic(str(item))}")
        found |= dict.fromkeys(paths)
    return list(found)


def _expanded(path: Path, opens_folders: bool) -> list[Path]:
    if path.is_dir() and opens_folders:
        return sorted(child for child in path.rglob("*") if child.is_file() and kind_of(child) in IN_FOLDERS)
    return [path] if path.exists() else [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]


def kind_of(path: Path) -> str:
    """The suffix that says how to read a file.

    >>> kind_of(Path("rows.csv.gz"))
    '.csv'
    """
    return Path(path.stem).suffix.lower() if path.suffix.lower() in COMPRESSED else path.suffix.lower()


def source_of(paths: Sequence[Path], fields: Mapping[str, Any]) -> Source:
    """The source of one file, or of several of one kind.

    Raises:
        InputError: The kind is unknown, or there are several.
    """
    kinds = {kind_of(path): path for path in reversed(paths)}
    if len(kinds) > 1:
        raise InputError(f"files must be of one kind, found {' and '.join(str(path) for path in kinds.values())}")
    (kind,) = kinds
    if kind not in READERS:
        raise InputError(
            f"{paths[0]}: must be a file of {', '.join(READERS)}, or one of text with {' or '.join(COMPRESSED)}"
        )
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    return replace(READERS[kind](list(paths), fields), name=name)


def _archive(paths: list[Path], fields: Mapping[str, Any]) -> Source:
    if len(paths) > 1:
        raise InputError(
            f"{paths[1]}: several files of .npz do not make one; send them one by one and merge their states"
        )
    body = replace(text.bytes_body("application/x-npz", paths[0]), total_bytes=paths[0].stat().st_size)
    return Source({}, body, query(naming_of(fields)))


READERS: dict[str, Callable[[list[Path], Mapping[str, Any]], Source]] = {
    ".parquet": tables.source_of,
    ".pq": tables.source_of,
    ".arrow": tables.source_of,
    ".arrows": tables.source_of,
    ".feather": tables.source_of,
    ".csv": text.source_of,
    ".ndjson": text.source_of,
    ".jsonl": text.source_of,
    ".json": text.source_of,
    ".npz": _archive,
}
IN_FOLDERS = READERS.keys() - {".json"}
"""Kinds of files that are taken from a folder, where JSON is mostly something about the rows."""
