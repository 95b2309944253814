"""The number of CPUs that this process may use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class Cpus(NamedTuple):
    """The number of whole CPUs, at least one, and what limits it."""

    number: int
    limit: str


def available(root: Path = Path("/")) -> Cpus:
    """The CPUs of the scheduler's affinity, or fewer by `cpu.max` of cgroup v2, which is how containers are limited.

    Parts of a CPU are left over: a worker that is stopped in the middle of its share keeps its requests waiting.
    """
    try:
        cpus = Cpus(len(os.sched_getaffinity(0)), "affinity")
    except AttributeError:  # not Linux
        cpus = Cpus(os.cpu_count() or 1, "the machine")
    return min(
        [cpus, *(Cpus(max(1, int(limit)), "cpu.max") for limit in _quotas(root))], key=lambda found: found.number
    )


def _quotas(root: Path) -> Iterator[float]:
    """The quotas of the cgroup of this process and of all above it, in CPUs; each holds for all below it."""
    for folder in _groups(root):
        with suppress(OSError, ValueError):  # there is no limit, or it is "max"
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)


def _groups(root: Path) -> list[Path]:
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                path = PurePosixPath(line.removeprefix("0::/"))
                return [root / "sys/fs/cgroup" / part for part in (path, *path.parents)]
    return []
