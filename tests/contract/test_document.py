"""Three tools read openapi/openapi.json and find nothing to say; each of them finds what is broken on purpose."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract import tools

Report = Callable[[Path], list[str]]

tools.demand()


def spec_validator(document: Path) -> list[str]:
    done = tools.python("openapi-spec-validator", "--errors", "all", document)
    return [] if done.returncode == 0 else [tools.said(done)]


def redocly(document: Path) -> list[str]:
    done = tools.node("redocly", "lint", "--config", "redocly.yaml", "--format", "json", document)
    problems = json.loads(done.stdout)["problems"]
    assert problems or done.returncode == 0, tools.said(done)
    return [f"{found['ruleId']} {found['location'][0].get('pointer')}: {found['message']}" for found in problems]


def spectral(document: Path) -> list[str]:
    done = tools.node("spectral", "lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", document)
    problems = json.loads(done.stdout)
    assert problems or done.returncode == 0, tools.said(done)
    return [f"{found['code']} {'/'.join(map(str, found['path']))}: {found['message']}" for found in problems]


READERS = [spec_validator, redocly, spectral]


@pytest.mark.parametrize("report", READERS)
def test_a_tool_has_nothing_to_say_of_the_document(report: Report) -> None:
    assert report(tools.DOCUMENT) == []


def without_a_description(document: dict[str, Any]) -> None:
    del document["paths"]["/healthz"]["get"]["responses"]["200"]["description"]


def with_a_lost_reference(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    schemas["Alias"] = schemas["Health"] | {"properties": {"status": {"$ref": "#/components/schemas/Nowhere"}}}


@pytest.mark.parametrize("report", READERS)
@pytest.mark.parametrize(
    ("broken", "word"), [(without_a_description, "description"), (with_a_lost_reference, "resolve|does not exist")]
)
def test_a_tool_finds_what_is_broken(
    report: Report, broken: Callable[[dict[str, Any]], None], word: str, tmp_path: Path
) -> None:
    document = json.loads(tools.DOCUMENT.read_text())
    broken(document)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    assert any(re.search(word, found) for found in report(tmp_path / "openapi.json"))
