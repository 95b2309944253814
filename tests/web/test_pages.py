"""The pages as text: nothing from outside gets into the markup, nothing is loaded from elsewhere."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.web import ASSETS, DOCS_POLICY, PROBLEM_POLICY, docs_page, favicon, problem_page

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "vendor_swagger_ui.py"
HOSTILE = "\"'><script>alert(1)</script><img src=http://elsewhere.invalid onerror=alert(1)>&lt;"
DOCS = docs_page("Surprisal", "/openapi.json", "/docs/assets")
PROBLEM = problem_page("invalid_input", "The input is invalid", 422, "A value breaks a rule.")


class Markup(HTMLParser):
    """The tags of a page in order, its attributes, and what its style elements hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.style = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["style"] and not self.style:
            self.style = data
        self.words += data

    @property
    def addresses(self) -> list[str]:
        return [value for name, value in self.attributes if name in {"href", "src", "data-openapi-url"}]


@pytest.mark.parametrize(
    ("page", "plain"),
    [
        (lambda text: docs_page(text, "/o", "/a"), "Surprisal"),
        (lambda text: docs_page("title", text, "/a"), "/openapi.json"),
        (lambda text: docs_page("title", "/o", text), "/docs/assets"),
        (lambda text: problem_page(text, "title", 422, "text"), "a_code"),
        (lambda text: problem_page("code", text, 422, "text"), "a title"),
        (lambda text: problem_page("code", "title", 422, text), "a text"),
        (lambda text: problem_page("code", "title", 422, f"`{text}`"), "a field"),
        (lambda text: problem_page("code", "title", 422, "text", text), "/docs"),
    ],
)
def test_a_value_never_becomes_markup(page: Callable[[str], str], plain: str) -> None:
    hostile, harmless = Markup(page(HOSTILE)), Markup(page(plain))
    assert hostile.tags == harmless.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in harmless.attributes]
    assert HOSTILE in hostile.words or any(HOSTILE in value for value in hostile.addresses)


@pytest.mark.parametrize("page", [DOCS, PROBLEM])
def test_a_page_loads_only_from_its_own_origin(page: str) -> None:
    addresses = Markup(page).addresses
    assert len(addresses) >= 2
    assert all(re.match(r"data:image/|\.\./docs$|/[^/]", address) for address in addresses)
    assert "://" not in page


@pytest.mark.parametrize("name", ["swagger-initializer.js", "swagger-page.css"])
def test_our_assets_name_no_address(name: str) -> None:
    assert not re.search(r"https?:|wss?:|['\"(]//|@import", (ASSETS / name).read_text())


def test_the_docs_page_finds_each_of_its_assets_in_the_folder() -> None:
    names = re.findall(r'"/docs/assets/([^"]+)"', DOCS)
    assert len(names) == 4
    assert all((ASSETS / name).is_file() for name in names)


def test_the_docs_page_has_no_inline_script_or_style() -> None:
    markup = Markup(DOCS)
    assert re.search(r"<script(?![^>]* src=)", DOCS) is None
    assert "style" not in markup.tags
    assert not any(name == "style" or name.startswith("on") for name, _ in markup.attributes)


@pytest.mark.parametrize("policy", [DOCS_POLICY, PROBLEM_POLICY])
def test_the_policies_are_strict(policy: str) -> None:
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_policy_of_the_problem_page_admits_its_own_style_sheet() -> None:
    digest = hashlib.sha256(Markup(PROBLEM).style.encode()).digest()
    assert f"style-src 'sha256-{base64.b64encode(digest).decode()}'" in PROBLEM_POLICY


def test_the_text_of_a_problem_has_paragraphs_and_code() -> None:
    page = problem_page("too_large", "Too large", 413, "First.\n\nSee `errors` & `detail`.\n")
    assert "<p>First.</p>\n<p>See <code>errors</code> &amp; <code>detail</code>.</p>" in page
    assert "<code>too_large</code> · HTTP status 413" in page


def test_the_icon_is_a_drawing_that_refers_to_nothing() -> None:
    icon = favicon().decode("ascii")
    assert icon.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert not re.search(r"href|url\(|<script", icon)


def _check_vendored(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--check", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _copy(folder: Path) -> Path:
    return shutil.copytree(ASSETS, folder / "swagger")


def test_the_vendored_files_match_their_manifest() -> None:
    done = _check_vendored(ASSETS)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((ASSETS / "manifest.json").read_text())["version"] in done.stdout


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda folder: (folder / "swagger-ui.css").write_text("body {}"),
            "swagger-ui.css must have the sha256",
        ),
        (lambda folder: (folder / "NOTICE").unlink(), "missing or unexpected: ['NOTICE']"),
        (lambda folder: (folder / "bundle.js.map").touch(), "missing or unexpected: ['bundle.js.map']"),
        (
            lambda folder: (folder / "NOTICE").write_bytes(bytes(2**21 + 1)),
            "NOTICE must have at most 2097152",
        ),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json must be readable JSON"),
    ],
)
def test_a_damaged_copy_is_refused(damage: Callable[[Path], None], complaint: str, tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    damage(folder)
    done = _check_vendored(folder)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_licences_of_what_is_vendored_are_kept() -> None:
    assert "Apache License" in (ASSETS / "LICENSE").read_text()
    assert "SmartBear" in (ASSETS / "NOTICE").read_text()
    bundle = (ASSETS / "swagger-ui-bundle.js").read_text(encoding="utf-8")
    notices = "swagger-ui-bundle.js.LICENSE.txt"
    assert notices in bundle.partition("\n")[0]
    assert "MIT" in (ASSETS / notices).read_text()
