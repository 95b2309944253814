"""The locks: complete for every supported Python and system, and installed to the letter whatever came out since."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.wheels import NAMES, installed, lock_with_newer_releases, pip_settings

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [
    "build.txt",
    "run.txt",
    "dev.txt",
    "opentelemetry.txt",
    "contract.txt",
    "torch.txt",
    "../client/requirements/dev.txt",
]
PINNED = re.compile(
    r"^([a-z0-9.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def pins(lock: str) -> list[Requirement]:
    text = (ROOT / "requirements" / lock).read_text()
    return [
        Requirement(f"{name}=={version}" + (f" ; {marker}" if marker else ""))
        for name, version, marker, _ in PINNED.findall(text)
    ]


def asked(lock: str) -> list[Requirement]:
    """The requirements that the project names itself; a lock holds those of these, too."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    client: dict[str, Any] = tomllib.loads((ROOT / "client/pyproject.toml").read_text())
    run, groups = table["project"]["dependencies"], table["dependency-groups"]
    named = {
        "build.txt": table["build-system"]["requires"],
        "run.txt": run,
        "dev.txt": run + groups["dev"],
        "opentelemetry.txt": run + table["project"]["optional-dependencies"]["opentelemetry"],
        "contract.txt": groups["contract"],
        "torch.txt": groups["torch"],
        "../client/requirements/dev.txt": client["project"]["dependencies"] + client["dependency-groups"]["dev"],
    }
    return [Requirement(requirement) for requirement in named[lock]]


def place(python: str, system: str) -> dict[str, str]:
    """The markers of a Python on a system."""
    platform, os_name = SYSTEMS[system]
    ours: dict[str, Any] = dict(default_environment())
    return ours | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": platform,
        "os_name": os_name,
    }


def holds(requirement: Requirement, there: dict[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**there, "extra": extra})


def brought_along(requirement: Requirement, there: dict[str, str]) -> Iterator[Requirement]:
    """Requirements of a package that is installed here, with those of the extras that are asked for."""
    try:
        named = metadata.requires(requirement.name) or []
    except metadata.PackageNotFoundError:  # another system's or another lock's
        return
    for line in named:
        needed = Requirement(line)
        if any(holds(needed, there, extra) for extra in ["", *requirement.extras]):
            yield needed


def needed(lock: str, there: dict[str, str]) -> list[Requirement]:
    """Every requirement, direct or not, of a lock in one place."""
    open_ = [requirement for requirement in asked(lock) if holds(requirement, there)]
    found: dict[str, Requirement] = {}
    while open_:
        requirement = open_.pop()
        if str(requirement) not in found:
            found[str(requirement)] = requirement
            open_ += brought_along(requirement, there)
    return list(found.values())


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_complete(lock: str, python: str, system: str) -> None:
    there = place(python, system)
    locked = {str(pin.name): str(pin.specifier)[2:] for pin in pins(lock) if holds(pin, there)}
    requirements = needed(lock, there)
    for requirement in requirements:
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier, str(requirement)
    assert requirements


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_package_is_pinned_once(lock: str, python: str) -> None:
    names = [pin.name for pin in pins(lock) if holds(pin, place(python, "linux"))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_with_hashes_and_holds_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    rest = re.sub(r"^ *#.*\n", "", PINNED.sub("", text), flags=re.MULTILINE)
    assert rest == ""
    assert len(pins(lock)) >= len(asked(lock)) > 0
    assert "://" not in text


def test_the_packages_of_npm_are_pinned_with_hashes_and_without_addresses() -> None:
    asked = json.loads((ROOT / "tests/contract/package.json").read_text())["devDependencies"]
    packages = json.loads((ROOT / "tests/contract/package-lock.json").read_text())["packages"]
    assert packages.pop("")["devDependencies"] == asked
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert "ignore-scripts=true\n" in (ROOT / "tests/contract/.npmrc").read_text()


def test_what_compiles_is_setuptools_alone() -> None:
    assert [pin.name for pin in pins("build.txt")] == ["setuptools"]


def test_the_tests_run_on_the_versions_that_are_served() -> None:
    served, traced, tested = ({str(pin) for pin in pins(lock)} for lock in ("run.txt", "opentelemetry.txt", "dev.txt"))
    assert served < traced < tested
    of_tests: dict[str, set[str]] = {}
    for pin in pins("dev.txt"):
        of_tests.setdefault(pin.name, set()).add(str(pin.specifier))
    others = pins("torch.txt") + pins("contract.txt") + pins("../client/requirements/dev.txt")
    assert [str(pin) for pin in others if str(pin.specifier) not in of_tests.get(pin.name, {str(pin.specifier)})] == []


def make(project: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A target of the Makefile, in a folder that has nothing but that and what the Makefile needs."""
    (project / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/missing.sh", project / "scripts")
    shutil.copy(ROOT / "Makefile", project)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP_"))}
    return subprocess.run(
        ["make", target], cwd=project, env=ours | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_make_installs_the_lock_and_not_what_came_out_since(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").write_text(lock_with_newer_releases(tmp_path / "index"))
    done = make(tmp_path, ".venv", **pip_settings(tmp_path / "index"))
    assert done.returncode == 0, done.stderr
    assert installed(tmp_path / ".venv") == dict.fromkeys(NAMES, "1.0")


@pytest.mark.slow
def test_make_refuses_a_lock_in_which_something_is_missing(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").write_text(lock_with_newer_releases(tmp_path / "index", ("outer", "optional")))
    done = make(tmp_path, ".venv", **pip_settings(tmp_path / "index"))
    assert done.returncode == 2
    assert "outer 1.0 requires inner, which is not installed" in done.stdout + done.stderr
    assert not list((tmp_path / ".venv").glob("made-*"))
