from pathlib import Path

import pytest

from app.machine import memory_bytes, resident_bytes


def written(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_least_limit_of_a_group_and_those_above_it_holds(tmp_path: Path) -> None:
    files = {"sys__fs__cgroup__a__memory_DOT_max": "3000000\n", "sys__fs__cgroup__a__b__memory_DOT_max": "max\n"}
    assert memory_bytes(written(tmp_path, proc__self__cgroup="0::/a/b\n", **files)) == 3_000_000


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    files = {"sys__fs__cgroup__memory__a__memory_DOT_limit_in_bytes": "2000000\n"}
    root = written(tmp_path, proc__self__cgroup="5:cpu:/a\n4:memory:/a\n0::/\n", **files)
    assert memory_bytes(root) == 2_000_000


@pytest.mark.parametrize("cgroup", ["0::/\n", ""])
def test_a_machine_without_limits(cgroup: str, tmp_path: Path) -> None:
    assert memory_bytes(written(tmp_path, proc__self__cgroup=cgroup)) > resident_bytes() > 1 << 20
