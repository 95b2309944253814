"""The finds of a listing, and the rules for them: below which roots, how many, and not hidden."""

import os
from dataclasses import dataclass

from app.errors import OutsideRoots, TooLarge, clip
from app.wire.files.patterns import matches, may_match
from app.wire.files.systems import Place, place_of

HIDDEN = ("_", ".")
"""The beginnings of names that programs give what is no row: `_SUCCESS`, `_metadata`, `.crc`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as a file system lists it: `path` with its links resolved, `parts` the names below the source."""

    path: str
    parts: tuple[str, ...]
    n_bytes: int
    mtime_ns: int


class Roots:
    """The folders and buckets below which sources may lie."""

    def __init__(self, roots: tuple[str, ...]) -> None:
        places = [place_of(root) for root in roots]
        self._roots = [place if place.scheme else Place("", os.path.realpath(place.path)) for place in places]

    def check(self, place: Place, source: str) -> None:
        """Refuse a place that lies below no root; the links of its path are resolved already.

        Raises:
            OutsideRoots: It lies outside.
        """
        for root in self._roots:
            below = root.path.rstrip("/")
            if place.scheme == root.scheme and (place.path == below or place.path.startswith(f"{below}/")):
                return
        raise OutsideRoots(f"must lie below one of SURPRISAL_DATASET_ROOTS, found {clip(source)}")


def too_many(max_files: int) -> TooLarge:
    """The error of a data set of more files than a job may have."""
    return TooLarge(f"a job must have at most {max_files} files, found more: join small files")


def may_hold(names: tuple[str, ...], folder: tuple[str, ...]) -> bool:
    """Tell if a folder may hold files of a pattern; without a pattern all that are not hidden do."""
    return may_match(names, folder) if names else not folder[-1].startswith(HIDDEN)


def may_be_of(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Tell if a file is one of a pattern; without a pattern all are that are not hidden."""
    return matches(names, parts) if names else not parts[-1].startswith(HIDDEN)
