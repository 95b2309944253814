"""Every decision has its date and status, and the index lists them all."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.documents import ROOT, Document

PAGES = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (\d{4}) (.+)\n\n"
    r"Date: (\d{4}-\d\d-\d\d)\. Status: (accepted|superseded by \[(\d{4})\]\(\5-[\w-]+\.md\))"
    r"(?:, corrected (\d{4}-\d\d-\d\d))?\.\n\n"
)


def head(page: Path) -> re.Match[str]:
    found = HEAD.match(page.read_text())
    assert found, f"{page.name} must begin with its number and title, then `Date: 2026-11-30. Status: accepted.`"
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_has_its_date_and_status(page: Path) -> None:
    number, corrected = head(page)[1], head(page)[6]
    assert page.name.startswith(f"{number}-")
    text = page.read_text()
    assert re.findall(r"^## Correction, (\S+)$", text, re.MULTILINE)[-1:] == ([corrected] if corrected else [])
    for heading in ("Context", "Decision", "Consequences", "Alternatives"):
        assert f"\n## {heading}\n" in text


def test_the_index_lists_every_page() -> None:
    told = Document("docs/decisions/README.md").text
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+?) \| .+? \| (\S+) \| (.+) \|$", told, re.MULTILINE)
    expected = [
        (found[1], page.name, found[2], found[3], found[4] + (f", corrected {found[6]}" if found[6] else ""))
        for page in PAGES
        for found in [head(page)]
    ]
    assert rows == expected


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    asked = [project["project"]["dependencies"], *extras, *project["dependency-groups"].values()]
    text = Document("docs/decisions/0001-dependencies.md").text
    names = [Requirement(requirement).name for requirement in chain(*asked)]
    assert [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)] == []
