"""The memory that this process and its workers may use."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ARENA_MAX, N_HEAPS = -8, 4
"""The option of glibc for the number of heaps, which without it is eight for each processor."""
PLACES = {"": ("sys/fs/cgroup", "memory.max"), "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes")}
"""The folder and the file of a limit, by the controllers of a line of `/proc/self/cgroup`: version 2 has one line."""


def memory_bytes(root: Path = Path("/")) -> int:
    """The memory of the machine, or the least limit of the control groups of this process, as containers have."""
    return min([PAGE_BYTES * os.sysconf("SC_PHYS_PAGES"), *_limits(root)])


def resident_bytes() -> int:
    """The memory that this process holds; 0 where the system does not tell."""
    with suppress(OSError):
        return PAGE_BYTES * int(Path("/proc/self/statm").read_text().split()[1])
    return 0


def share_heaps() -> None:
    """Let all threads have few heaps together: what one thread has freed, another then uses."""
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(ARENA_MAX, N_HEAPS)


def return_memory() -> None:
    """Give the memory that is free within this process back to the system, which takes some milliseconds.

    glibc keeps in each heap what was freed there.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _limits(root: Path) -> Iterator[int]:
    """The limits of the control group of this process and of all above it; each holds for all below it."""
    for folder, name in _groups(root):
        with suppress(OSError, ValueError):  # there is no limit, or it is "max"
            yield int((folder / name).read_text())


def _groups(root: Path) -> list[tuple[Path, str]]:
    found = []
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in PLACES:
                folder, name = PLACES[controllers]
                own = PurePosixPath(path.lstrip("/"))
                found += [(root / folder / part, name) for part in (own, *own.parents)]
    return found
