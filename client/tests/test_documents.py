"""The documents of the client are true: programs and commands print what is shown."""

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

DOCUMENTS = [*sorted((ROOT / "client").glob("*.md")), *sorted((ROOT / "client/docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def printed_by(language: str, code: str, names: dict[str, Any]) -> str:
    """Run a program, a Python one among the names that those before it on the page have made."""
    if language == "bash":
        path = os.pathsep.join([str(_with_command(Path.cwd())), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "client"), "SURPRISAL_HOME": str(ROOT)}
        return subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True, check=False).stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # noqa: S102 - the page's own example
    return printed.getvalue()


def _with_command(folder: Path) -> Path:
    """A folder that holds the command, as an installation makes it."""
    script = folder / ".bin/surprisal"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!{sys.executable}\nfrom surprisal_client.command.main import run\nrun()\n")
    script.chmod(0o755)
    return script.parent


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))
def test_programs_print_what_is_shown(
    document: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    blocks = BLOCK.findall(document.read_text())
    for (language, file, code), (after, _, shown) in pairwise([*blocks, ("", "", "")]):
        here = code.replace(ADDRESS, url)
        if file:
            Path(file).write_text(here)
        elif language in ("python", "bash"):
            assert printed_by(language, here, names).replace(url, ADDRESS) == (shown if after == "text" else "")


def test_the_job_of_github_writes_its_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = (ROOT / "client/docs/gate.md").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    (tmp_path / "surprisal").symlink_to(ROOT)
    exec(next(code for language, _, code in BLOCK.findall(gate) if language == "python"), {})  # noqa: S102
    (script,) = re.findall(r"- run: \|\n((?: {10}.*\n)+)", gate)
    printed_by("bash", f"set -e\n{textwrap.dedent(script)}touch passed", {})
    assert (tmp_path / "passed").exists()
    assert "| cross_entropy | 0." in (tmp_path / "summary.md").read_text()


def test_the_job_of_gitlab_keeps_its_table(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = (ROOT / "client/docs/gate.md").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURPRISAL_URL", url)
    exec(next(code for language, _, code in BLOCK.findall(gate) if language == "python"), {})  # noqa: S102
    (line,) = re.findall(r"^    - (surprisal .*)$", gate, re.MULTILINE)
    printed_by("bash", f"set -eo pipefail\n{line}", {})
    assert (tmp_path / "gate.md").read_text().endswith("- passed\n")
