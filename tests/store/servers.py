"""A server of PostgreSQL of Debian's package, for tests alone: on a socket in a folder, without a port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

PACKAGES = Path("/usr/lib/postgresql")
ABSENT = "PostgreSQL is not on this machine (Debian: apt-get install postgresql): these tests are left out"
START_SECONDS = 60
"""The longest start; half a second on a quiet machine."""


def programs() -> Path | None:
    """The folder with the programs of a server, of the newest release; None where there is none."""
    found = sorted(PACKAGES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    beside = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(beside).resolve().parent if beside else None


class PostgreSQLServer:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def database(self) -> str:
        """The address of a new database, which is empty."""
        name = f"test_{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def execute(self, database: str, statement: str) -> str:
        """Run a statement by the server's own client; what it tells."""
        command: list[str | Path] = [
            "psql",
            "-qAtX",
            "-h",
            self._folder,
            "-U",
            "postgres",
            "-d",
            database,
            "-c",
            statement,
        ]
        return subprocess.check_output(command, text=True).strip()


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server that ends with the block, or with this process. It asks nobody who he is, so only its user may enter."""
    bin_ = programs()
    assert bin_ is not None, ABSENT
    with tempfile.TemporaryDirectory(prefix="surprisal-pg-") as name:
        folder = Path(name)
        as_user: list[str | Path] = _as_user(folder)
        files = folder / "files"
        init: list[str | Path] = [
            bin_ / "initdb",
            "-D",
            files,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--no-instructions",
        ]
        subprocess.run([*as_user, *init], check=True, capture_output=True, cwd=folder)
        # Commits of these tests need not outlive the machine.
        options = [
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
            "-c",
            "max_connections=50",
        ]
        command = [*as_user, bin_ / "postgres", "-D", files, "-k", folder, *options]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(command, stderr=log, stdout=log, cwd=folder) as process,
        ):
            try:
                _wait(folder, process)
                yield PostgreSQLServer(folder)
            finally:
                process.send_signal(signal.SIGINT)  # a fast end, which waits for no client


def _as_user(folder: Path) -> list[str | Path]:
    """The beginning of a command that runs as another user where this one is root, which the server refuses."""
    dies_too: list[str | Path] = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid():
        return dies_too
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [*dies_too, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(["pg_isready", "-q", "-h", folder], check=False).returncode:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
