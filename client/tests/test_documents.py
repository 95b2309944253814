"""The documents of the client are true: programs and commands print what is shown."""

import contextlib
import io
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

DOCUMENTS = sorted((ROOT / "client").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def printed_by(language: str, code: str, names: dict[str, Any]) -> str:
    """Run a program, a Python one among the names that those before it on the page have made."""
    if language == "bash":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "client")}
        return subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True, check=False).stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # noqa: S102 - the page's own example
    return printed.getvalue()


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
