"""The files around the code: locks, the Makefile, and what no tracked file may say."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ["build.txt", "run.txt", "dev.txt"]
KERNELS = "app/core/kernels/compiled.abi3.so"
PINNED = re.compile(
    r"^([a-z0-9.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
REGISTRIES = [
    ".".join(words) for words in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian", "org")]
]
FOREIGN = re.compile("|".join([*map(re.escape, REGISTRIES), r"(?<![\w.$*}-])/(?:home|root|work|Users)/"]))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> list[Requirement]:
    text = (ROOT / "requirements" / lock).read_text()
    return [
        Requirement(f"{name}=={version}" + (f" ; {marker}" if marker else ""))
        for name, version, marker, _ in PINNED.findall(text)
    ]


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are the project's")
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def asked(lock: str) -> list[Requirement]:
    """What the project names for itself; a lock holds what that brings along, too."""
    table = project()
    run = table["project"]["dependencies"]
    named = {
        "build.txt": table["build-system"]["requires"],
        "run.txt": run,
        "dev.txt": run + table["dependency-groups"]["dev"],
    }
    return [Requirement(requirement) for requirement in named[lock]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_with_hashes_and_holds_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    rest = re.sub(r"^ *#.*\n", "", PINNED.sub("", text), flags=re.MULTILINE)
    assert rest == ""
    assert len(pins(lock)) >= len(asked(lock)) > 0
    assert "://" not in text
    assert not FOREIGN.search(text)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_the_project_asks_for(lock: str) -> None:
    for requirement in asked(lock):
        versions = [str(pin.specifier)[2:] for pin in pins(lock) if pin.name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement} is not locked"
        assert all(version in requirement.specifier for version in versions), f"{requirement}: locked at {versions}"


def test_what_compiles_is_setuptools_alone() -> None:
    assert [pin.name for pin in pins("build.txt")] == ["setuptools"]


def test_the_extension_names_every_file_of_c() -> None:
    (extension,) = project()["tool"]["setuptools"]["ext-modules"]
    written = [str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.[ch]")]
    assert sorted(extension["sources"] + extension["depends"]) == sorted(written)
    assert (ROOT / f"{extension['name'].replace('.', '/')}.pyi").exists()


def test_the_tests_run_on_the_versions_that_are_served() -> None:
    assert {str(pin) for pin in pins("run.txt")} <= {str(pin) for pin in pins("dev.txt")}


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        if path.stat().st_size and (match := FOREIGN.search(path.read_text(errors="replace")))
    ]
    assert found == []


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (help .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    listed = [line.split()[0] for line in make("help").stdout.splitlines() if "  " in line]
    assert sorted(listed) == sorted(phony[1].split())


def test_make_refuses_an_old_python_with_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.0\nexit 1\n')
    old.chmod(0o755)
    refused = make("serve", f"PYTHON={old}")
    assert refused.returncode == 2
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "Python 3.9.0" in refused.stderr


def test_make_says_what_it_compiles_with(tmp_path: Path) -> None:
    refused = make("--what-if=app/core/kernels/compiled.c", f"CC={tmp_path / 'cc'}", KERNELS)
    assert refused.returncode == 2
    assert refused.stderr.startswith("Surprisal needs a C compiler and the headers of Python")
    assert (ROOT / KERNELS).exists()
