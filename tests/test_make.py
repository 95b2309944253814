"""The Makefile: what it lists, what it says, and what it asks of a machine before it installs anything."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("make", "sh", "awk", "cat", "cksum", "sed", "tr")
PYTHON = os.path.realpath(sys.executable)
HEAD = "Surprisal needs what this machine does not have. Debian and Ubuntu bring it (as root):\n"


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class Machine:
    """A copy of the project on a machine that has few programs: Python, and no compiler."""

    def __init__(self, folder: Path) -> None:
        self.project, self.programs = folder / "project", folder / "bin"
        self.programs.mkdir()
        for name in PROGRAMS:
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.python("")
        kernels = "app/core/kernels"
        shutil.copytree(ROOT / kernels, self.project / kernels, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        for name in ("scripts", "requirements"):
            shutil.copytree(ROOT / name, self.project / name)
        for name in ("Makefile", "setup.py"):
            shutil.copy(ROOT / name, self.project)

    def python(self, script: str) -> None:
        """Let `python3` run a line of shell before it is Python."""
        program(self.programs / "python3", f'{script}\nexec {shlex.quote(PYTHON)} "$@"')

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.project,
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self, *arguments: str) -> str:
        """The words of make on a machine on which it refuses to go on, having installed nothing."""
        done = self.make(*arguments)
        assert done.returncode == 2, done.stdout
        assert "making" not in done.stdout
        assert not list(self.project.glob(".venv*"))
        told, _, _ = done.stderr.partition("make: ***")
        return told


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (help .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = [line.split()[0] for line in told.splitlines() if "  " in line]
    assert sorted(listed) == sorted(phony[1].split())


def test_an_old_python_is_refused_with_a_sentence(machine: Machine) -> None:
    program(machine.programs / "python3", '[ "$1" = -V ] && { echo Python 3.9.0; exit 0; }\nexit 1')
    refused = machine.refusal("serve")
    assert "needs Python 3.11 or newer; python3 is Python 3.9.0." in refused


@pytest.mark.parametrize("target", ["serve", "test", "env"])
def test_a_machine_without_a_compiler_gets_the_line_to_type(machine: Machine, target: str) -> None:
    assert machine.refusal(target) == f"{HEAD}apt-get update && apt-get install -y gcc libc6-dev\n"


def test_a_compiler_that_does_not_compile_is_none(machine: Machine) -> None:
    program(machine.programs / "gcc", "exit 1")
    assert machine.refusal("serve") == f"{HEAD}apt-get update && apt-get install -y gcc libc6-dev\n"


def test_a_python_without_headers_gets_the_line_to_type(machine: Machine) -> None:
    program(machine.programs / "gcc", "exit 0")
    machine.python('case "$2" in *get_path*) echo /nowhere; exit;; esac')
    assert machine.refusal("serve") == f"{HEAD}apt-get update && apt-get install -y python3-dev\n"


def test_a_python_without_environments_gets_the_line_to_type(machine: Machine) -> None:
    program(machine.programs / "gcc", "exit 0")
    machine.python('case "$2" in *ensurepip*) exit 1;; esac')
    assert machine.refusal("serve") == f"{HEAD}apt-get update && apt-get install -y python3-venv\n"


def test_a_machine_without_python_gets_the_line_to_type(machine: Machine) -> None:
    (machine.programs / "python3").unlink()
    packages = "python3 python3-venv gcc libc6-dev python3-dev"
    assert machine.refusal("serve") == f"{HEAD}apt-get update && apt-get install -y {packages}\n"


def test_packages_are_those_of_the_python_that_is_asked_for(machine: Machine) -> None:
    packages = "python3.14 python3.14-venv gcc libc6-dev python3.14-dev"
    assert machine.refusal("PYTHON=python3.14", "serve") == f"{HEAD}apt-get update && apt-get install -y {packages}\n"


def test_the_first_start_says_each_step(machine: Machine) -> None:
    planned = machine.make("--just-print", "serve", "PORT=9000").stdout
    steps = re.findall(r"^echo '(.*?)[,:]? ?(?:with .*|up to .*|some .*)'$", planned, re.MULTILINE)
    assert steps == [
        "making .venv-build from requirements/build.txt",
        "compiling app/core/kernels/compiled.abi3.so",
        "making .venv from requirements/run.txt",
        "serving on http://127.0.0.1:9000",
    ]
