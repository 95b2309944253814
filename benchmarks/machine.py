"""The machine behind the figures: its kind and the versions on it, never its name."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.environments import PEERS, pins

PACKAGES = (
    "fastapi", "httptools", "numpy", "orjson", "pyarrow", "pydantic", "scikit-learn", "scipy",
    "starlette", "torch", "uvicorn", "uvloop",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """The processor, cores, memory, system, Python and packages of this machine."""
    return {
        "processor": _first(Path("/proc/cpuinfo"), r"model name\s*: (.+)") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _installed(name))},
        "peers": {name: _first(pins(name), rf"^{name}==(.+)") for name in PEERS},
    }


def _first(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1].strip() if found else ""


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
