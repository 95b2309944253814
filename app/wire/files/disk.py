"""The files below a folder of a disk; links are followed as long as they stay below the roots."""

import os
from collections.abc import Iterator

from app.core.checkpoints import at_checkpoints
from app.wire.files.found import Found, Roots, may_be_of, may_hold, too_many
from app.wire.files.systems import Place

SEEN_PER_FILE = 10
"""The names that may be looked at for each file that a source may have."""
Parts = tuple[str, ...]


def found_on_disk(start: Place, names: Parts, roots: Roots, max_files: int) -> Iterator[Found]:
    """Yield the files at a path, whose links are resolved, or below it.

    Raises:
        OutsideRoots: A link leads out of the roots.
        TooLarge: There are more names than may be looked at.
        OSError: The disk fails.
    """
    path = start.path
    if os.path.isfile(path) and not names:  # noqa: PTH113
        yield _found(path, (os.path.basename(path),))  # noqa: PTH119
    elif os.path.isdir(path):  # noqa: PTH112
        yield from _Walk(names, roots, max_files).below(path)


class _Walk:
    """A walk through folders, each of them once."""

    def __init__(self, names: Parts, roots: Roots, max_files: int) -> None:
        self._names, self._roots, self._max_files = names, roots, max_files
        self._known: set[str] = set()
        self._waiting: list[tuple[str, Parts]] = []

    def below(self, path: str) -> Iterator[Found]:
        """Yield the files below a folder."""
        self._wait(path, ())
        for n_seen, (entry, parts) in enumerate(at_checkpoints(self._entries())):
            if n_seen >= SEEN_PER_FILE * self._max_files:
                raise too_many(self._max_files)
            if entry.is_dir():
                if may_hold(self._names, parts):
                    self._wait(self._resolved(entry), parts)
            elif entry.is_file() and may_be_of(self._names, parts):
                yield _found(self._resolved(entry), parts)

    def _entries(self) -> Iterator[tuple[os.DirEntry[str], Parts]]:
        while self._waiting:
            folder, above = self._waiting.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    yield entry, (*above, entry.name)

    def _wait(self, folder: str, parts: Parts) -> None:
        if folder not in self._known:  # a link may lead to where it lies
            self._known.add(folder)
            self._waiting.append((folder, parts))

    def _resolved(self, entry: os.DirEntry[str]) -> str:
        path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
        self._roots.check(Place("", path), entry.path)
        return path


def _found(path: str, parts: Parts) -> Found:
    about = os.stat(path)  # noqa: PTH116
    return Found(path, parts, about.st_size, about.st_mtime_ns)
