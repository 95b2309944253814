"""The pages whose programs use the client, run as their readers would run them.

`python -m tests.pages`, in the folder of the client, draws their pictures anew.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl

from surprisal_client import local
from tests.conftest import ROOT, jobs_in

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USE = re.compile(r"^ *(?:from surprisal_client|surprisal \w)", re.MULTILINE)
"""The beginning of a line of a program that uses the client."""
PICTURE = re.compile(r"\]\((pictures/[\w-]+\.svg)\)")
STYLE = Path(__file__).parent / "matplotlibrc"
SERVICE, PROXY = "http://127.0.0.1:8000", "http://127.0.0.1:8080"


def programs(page: Path) -> list[tuple[str, str, str, str]]:
    """Language, file name and code of each program of a page, and what it prints."""
    blocks = [*BLOCK.findall(page.read_text()), ("", "", "")]
    return [
        (language, file, code, shown if after == "text" else "")
        for (language, file, code), (after, _, shown) in pairwise(blocks)
        if file or language in ("python", "bash")
    ]


PAGES = [
    page
    for page in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "client/README.md")
    if any(USE.search(code) for _, _, code, _ in programs(page))
]


def printed(page: Path, url: str, proxy: str) -> Iterator[tuple[str, str]]:
    """Run the programs of a page in the working folder; yield what each printed, and what the page shows.

    Args:
        page: A page.
        url: The service, in place of its default address.
        proxy: A proxy before it, in place of the address that the guide gives it.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    mpl.rc_file(STYLE)
    for language, file, code, shown in programs(page):
        here = code.replace(SERVICE, url).replace(PROXY, proxy)
        if file:
            Path(file).write_text(here)
        else:
            yield printed_by(language, here, names).replace(proxy, PROXY).replace(url, SERVICE), shown


def printed_by(language: str, code: str, names: dict[str, Any]) -> str:
    """Run a program, a Python one among the names that those before it on the page have made."""
    if language == "bash":
        path = os.pathsep.join([str(_with_command(Path.cwd())), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "client"), "SURPRISAL_HOME": str(ROOT)}
        return subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True, check=False).stdout
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, names)  # noqa: S102 - the page's own example
    return out.getvalue()


def _with_command(folder: Path) -> Path:
    """A folder that holds the command, as an installation makes it."""
    script = folder / ".bin/surprisal"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!{sys.executable}\nfrom surprisal_client.command.main import run\nrun()\n")
    script.chmod(0o755)
    return script.parent


def pictures(page: Path) -> list[Path]:
    """The pictures that a page shows; a program of the page saves each under its name in the working folder."""
    return [page.parent / name for name in PICTURE.findall(page.read_text())]


def main() -> None:
    """Run the pages that show pictures, and keep these."""
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    with tempfile.TemporaryDirectory() as whole, local.started(ROOT, jobs_in(Path(whole))) as service:
        for page in filter(pictures, PAGES):
            with tempfile.TemporaryDirectory(dir=whole) as folder, contextlib.chdir(folder):
                for _ in printed(page, service.url, service.url):
                    pass
                for picture in pictures(page):
                    shutil.copyfile(picture.name, picture)


if __name__ == "__main__":
    main()
