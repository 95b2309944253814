"""The environments of the peers, each made from the pins in `peers/NAME.txt` if it is missing or the pins changed."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ("mlserver", "litserve", "bentoml")


class NotInstalled(Exception):
    """A peer's packages do not install here."""


def pins(name: str) -> Path:
    return HERE / "peers" / f"{name}.txt"


def python_of(name: str, directory: Path) -> Path:
    """The interpreter of a peer's environment, made on first use.

    Raises:
        NotInstalled: pip refused; its last words are the message.
    """
    home = directory / f".venv-{name}"
    python, stamp = home / "bin" / "python", home / "made-from.txt"
    if not stamp.exists() or stamp.read_text() != pins(name).read_text():
        print(f"making the environment of {name}", file=sys.stderr)
        venv.create(home, clear=True, with_pip=True)
        _install(python, pins(name))
        shutil.copy(pins(name), stamp)
    return python


def _install(python: Path, requirements: Path) -> None:
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled((done.stderr.strip().splitlines() or ["pip failed"])[-1][:200])
