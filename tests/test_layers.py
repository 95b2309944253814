"""The contracts between packages forbid what they say: each is broken by an import that is not allowed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.documents import ROOT

FORBIDDEN = {
    "core/tasks.py": ["app.service", "app.core.sums.exact", "os"],
    "service/sections.py": ["pyarrow", "orjson"],
    "api/logs.py": ["app.api.problems"],
    "wire/csv/cells.py": [
        "app.wire.ndjson",
        "fastapi",
        "uvicorn",
        "structlog",
        "limits",
        "scipy",
        "distributed",
        "sqlite3",
    ],
}


def test_a_forbidden_import_breaks_each_contract(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("swagger", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, names in FORBIDDEN.items():
        with (tmp_path / "app" / module).open("a") as code:
            code.writelines(f"import {name}\n" for name in names)
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert verdicts == dict.fromkeys([contract["name"] for contract in table["contracts"]], "BROKEN")
