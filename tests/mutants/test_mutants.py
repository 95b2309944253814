"""The suite notices planted faults: each of them makes one of the tests fail that are named for it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.core.declared import declared_extension
from tests.mutants.planted import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
KERNELS = "app/core/kernels"
NAMES = [re.sub(r"\W+", "-", mutant.name) for mutant in MUTANTS]
FAILED = 1
"""The exit code of pytest if tests ran and some failed; any other says that the mutant was not tried."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which files are changed one at a time."""
    home = tmp_path_factory.mktemp("mutants") / "project"
    left_out = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "build", "mutants")
    shutil.copytree(ROOT, home, ignore=left_out, symlinks=True)
    return home


def build(home: Path) -> None:
    """Build the C of a copy."""
    compiler = shlex.split(os.getenv("CC") or sysconfig.get_config_var("CC"))
    flags = [*declared_extension()["extra_compile_args"], "-I" + sysconfig.get_path("include"), "-fPIC", "-shared"]
    built = home / KERNELS / "compiled.abi3.so"
    subprocess.run([*compiler, *flags, home / KERNELS / "compiled.c", "-o", built, "-lm"], check=True)


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_a_fault_is_planted_in_a_piece_of_code_that_is_there(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.sound) == 1, "plant the fault in the new form of the code"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_a_planted_fault_is_noticed(mutant: Mutant, copy: Path) -> None:
    file = copy / mutant.file
    sound = file.read_text()
    kernel = copy / KERNELS / "compiled.abi3.so"
    built = kernel.read_bytes()
    try:
        file.write_text(sound.replace(mutant.sound, mutant.faulty))
        if file.suffix != ".py":
            build(copy)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark"]
        command += ["-p", "no:xdist", "-m", "not slow and not torch", *mutant.tests]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=600)
    finally:
        file.write_text(sound)
        kernel.write_bytes(built)
    assert done.returncode == FAILED, done.stdout[-2_000:]
