from pathlib import Path

import pytest

from app import cpus
from app.cpus import Cpus


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "100000 100000"}, 1),
        ({"a/b": "100000 100000"}, 1),
        ({"a/b": "max 100000", "a": "150000 100000"}, 1),
        ({"a": "10000 100000"}, 1),
    ],
)
def test_the_least_quota_on_the_way_up_limits_the_cpus(limits: dict[str, str], expected: int, tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/x\n0::/a/b\n")
    (tmp_path / "sys/fs/cgroup/a/b").mkdir(parents=True)
    for group, limit in limits.items():
        (tmp_path / "sys/fs/cgroup" / group / "cpu.max").write_text(f"{limit}\n")
    assert cpus.available(tmp_path).number == expected
    assert list(cpus._quotas(tmp_path))


@pytest.mark.parametrize("text", ["0::/\n", "4:cpu:/\n", ""])
def test_without_a_quota_the_affinity_counts(text: str, tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(text)
    assert cpus.available(tmp_path).limit == "affinity"
    assert cpus.available(tmp_path / "nothing").number >= 1


def test_more_than_there_are_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("99999900000 100000\n")
    assert cpus.available(tmp_path) == Cpus(cpus.available().number, "affinity")
