"""A service of its own on this machine, from a checkout or from the image, for as long as it is needed."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import httpx

from surprisal_client.errors import ServiceError

IMAGE = "surprisal"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
RUNNING = re.compile(rb"Uvicorn running on (http://[\d.]+:\d+)")
INTERPRETERS = (".venv/bin/python", ".venv-dev/bin/python")


@dataclass(frozen=True)
class Service:
    """A service that has been started."""

    url: str
    pid: int


@contextmanager
def started(home: str | os.PathLike[str] | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Start a service, hand it out, and stop it.

    Args:
        home: The checkout; by default `SURPRISAL_HOME`, or the checkout that holds the working folder. Without one, the
            image is run with Docker.
        settings: Variables of its environment.

    Raises:
        ServiceError: There is neither, or the service does not start.
    """
    checkout = checkout_of(home or os.environ.get("SURPRISAL_HOME"))
    command, url = _command(checkout)
    environment = os.environ | {"SURPRISAL_DRAIN_DELAY_SECONDS": "0"} | dict(settings or {})
    with cast(BinaryIO, tempfile.TemporaryFile()) as log:
        process = subprocess.Popen(
            command, cwd=checkout, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield Service(_url(process, log, url), process.pid)
        finally:
            _stop(process)


def _command(checkout: Path | None) -> tuple[list[str], str | None]:
    """The command that starts a service, and its address where that is known before."""
    if checkout:
        python = next(str(checkout / name) for name in INTERPRETERS if (checkout / name).exists())
        return [python, "-m", "app", "--port", "0"], None
    if docker := shutil.which("docker"):
        port = _free_port()
        return [docker, "run", "--rm", "-p", f"127.0.0.1:{port}:8000", IMAGE], f"http://127.0.0.1:{port}"
    raise ServiceError(
        "no service to start: run this in a checkout after `make env`, name one by SURPRISAL_HOME, or get Docker"
    )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def checkout_of(home: str | os.PathLike[str] | None) -> Path | None:
    """The checkout at a place, or around the working folder, that has an environment to run in.

    Raises:
        ServiceError: The place that was named is no such checkout.
    """
    for folder in [Path(home)] if home else [Path.cwd(), *Path.cwd().parents]:
        has_app = (folder / "app/__main__.py").exists()
        if has_app and any((folder / name).exists() for name in INTERPRETERS):
            return folder.absolute()
        if home:
            wanted = "has no environment: run `make env` there" if has_app else "is no checkout of the service"
            raise ServiceError(f"{folder} {wanted}")
    return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _url(process: "subprocess.Popen[bytes]", log: BinaryIO, url: str | None) -> str:
    """Wait until the service answers; its address."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        told = _read(log)
        found = url or ((match := RUNNING.search(told)) and match[1].decode())
        if found and _is_ready(found):
            return found
        time.sleep(POLL_SECONDS)
    raise ServiceError(f"the service did not start: {_read(log)[-2000:].decode(errors='replace') or 'it said nothing'}")


def _read(log: BinaryIO) -> bytes:
    """The log so far, read without moving the place where the service writes."""
    return os.pread(log.fileno(), 1 << 20, 0)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
