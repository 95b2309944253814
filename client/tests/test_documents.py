"""The documents are true: programs and commands that use the client print what is shown, and draw what is shown."""

import re
import shutil
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pages import BLOCK, PAGES, pictures, printed, printed_by

GATE = ROOT / "docs/guides/gate.md"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
NAMELESS = re.compile(r"<metadata>.*?</metadata>|(?:id=\"|#)\w+", re.DOTALL)
"""Parts of a picture that say nothing of what is drawn: dates, versions, and names made of checksums."""
FRAME = "pid nginx.pid; error_log error.log; events {{}} http {{ access_log off; {0} }}"


@contextmanager
def proxied(page: Path, url: str) -> Iterator[str]:
    """The address of an nginx with the file of a page, before the service; that of the service if there is no file."""
    configurations = [code for language, _, code in BLOCK.findall(page.read_text()) if language == "nginx"]
    if not configurations:
        yield url
        return
    if not (program := shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")):
        pytest.skip("nginx is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    site = configurations[0].replace("listen 8080", f"listen {address}").replace("http://127.0.0.1:8000", url)
    Path("nginx.conf").write_text(FRAME.format(site))
    command = [program, "-p", str(Path.cwd()), "-e", "error.log", "-c", "nginx.conf"]
    subprocess.run(command, check=True)  # returns once it listens
    try:
        yield f"http://{address}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_programs_print_and_draw_what_is_shown(
    page: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    monkeypatch.setenv("SURPRISAL_URL", url)
    if any(re.search(r"^jq ", code, re.MULTILINE) for _, _, code in BLOCK.findall(page.read_text())):
        assert shutil.which("jq") or pytest.skip("jq is not installed")
    with proxied(page, url) as proxy:
        for found, shown in printed(page, url, proxy):
            assert found == shown
    for picture in pictures(page):
        check_alike(Path(picture.name), picture)


def check_alike(drawn: Path, kept: Path) -> None:
    """Check that two pictures have the same words and lines; `python -m tests.pages` keeps what is drawn."""
    texts = [NAMELESS.sub("", path.read_text()) for path in (drawn, kept)]
    assert NUMBER.sub("", texts[0]) == NUMBER.sub("", texts[1]), kept
    numbers = [list(map(float, NUMBER.findall(text))) for text in texts]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.01), kept


def test_every_guide_has_a_picture() -> None:
    guides = {page.name for page in (ROOT / "docs/guides").glob("*.md")} - {"clients.md", "cluster.md"}
    assert {page.name for page in PAGES if pictures(page)} == guides


def test_the_job_of_github_writes_its_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = GATE.read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    (tmp_path / "surprisal").symlink_to(ROOT)
    exec(next(code for language, _, code in BLOCK.findall(gate) if language == "python"), {})  # noqa: S102
    (script,) = re.findall(r"- run: \|\n((?: {10}.*\n)+)", gate)
    printed_by("bash", f"set -e\n{textwrap.dedent(script)}touch passed", {})
    assert (tmp_path / "passed").exists()
    assert "| new | better |" in (tmp_path / "summary.md").read_text()


def test_the_job_of_gitlab_keeps_its_table(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = GATE.read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURPRISAL_URL", url)
    exec(next(code for language, _, code in BLOCK.findall(gate) if language == "python"), {})  # noqa: S102
    (line,) = re.findall(r"^    - (surprisal .*)$", gate, re.MULTILINE)
    printed_by("bash", f"set -eo pipefail\n{line}", {})
    assert "| new | better |" in (tmp_path / "gate.md").read_text()
