"""Decoders stand damaged bodies: none ends the process, takes long, or takes much memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.servers import ROOT
from tests.attacks.decoding import ALL


def attack(n: int, seed: int, folder: Path, *formats: str) -> None:
    """Damage bodies in a process of their own, whose memory is that of the decoders."""
    command = [sys.executable, "-m", "tests.attacks.decoding", str(n), str(seed), str(folder), *formats]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]


def test_some_hundred_bodies_and_the_corpus(tmp_path: Path) -> None:
    attack(100, 12, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("format_", ALL)
def test_some_thousand_bodies(format_: str, tmp_path: Path) -> None:
    attack(5_000, 13, tmp_path, format_)
