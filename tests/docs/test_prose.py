"""The rule of plain English, as far as a test can hold it: how texts begin, and how long sentences are."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from app.api.problems import CATALOGUE
from app.core.options import Options
from app.core.tasks import TASKS
from app.settings import Settings
from tests.documents import DOCUMENTS, ROOT, Document

UNCLEAR = re.compile(r"(What|Whether|Those|Of|How|By|As|Whose|Who|That|Which|Something)\b(?!.*\?$)")
"""First words that leave the reader without a subject; a question may begin with them."""
LONGEST = 40
"""Words of a sentence; the longest that reads well in one go, by trying."""
HISTORY = re.compile(r"docs/decisions/\d|CHANGELOG")
"""Pages that are not rewritten."""


def prose(document: Document) -> list[str]:
    """Headings, items and paragraphs, without code, tables and the marks of Markdown."""
    text = re.sub(r"^```.*?^```$", "", document.text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    blocks = re.split(r"\n\s*\n|\n(?=\s*- |#+ )|(?<=\n)(?=#)", "\n".join(lines))
    return [re.sub(r"\s+", " ", re.sub(r"^\s*(?:- |#+ )", "", block)).strip() for block in blocks if block.strip()]


def sentences(text: str) -> list[str]:
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "x", text))
    return re.split(r"(?<=[.?!:;])\s+(?=[A-Z*])", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.name))
def test_no_text_begins_without_its_subject(document: Document) -> None:
    assert [text[:80] for text in prose(document) if UNCLEAR.match(text)] == []


@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if not HISTORY.match(document.name)],
    ids=lambda document: str(document.name),
)
def test_no_sentence_is_longer_than_a_breath(document: Document) -> None:
    found = [sentence for text in prose(document) for sentence in sentences(text)]
    assert [sentence for sentence in found if len(sentence.split()) > LONGEST] == []


def described(schema: Any) -> Iterator[str]:
    """Every description and summary of a document of OpenAPI, but for what stands in examples."""
    if isinstance(schema, list):
        for item in schema:
            yield from described(item)
    elif isinstance(schema, dict):
        yield from (schema[name] for name in ("description", "summary") if isinstance(schema.get(name), str))
        for name, item in schema.items():
            yield from described(item) if name not in ("example", "value") else ()


def texts() -> Iterator[str]:
    """The sentences of the code that users read, but for errors and warnings, which begin with a rule or a number."""
    yield from (setting.description or "" for setting in Settings.model_fields.values())
    yield from (option.metadata["doc"] for option in fields(Options))
    yield from (task.summary for task in TASKS.values())
    yield from (text for problem in CATALOGUE.values() for text in (problem.title, problem.text))
    yield from described(json.loads((ROOT / "openapi/openapi.json").read_text()))


def test_texts_of_the_code_begin_with_their_subject() -> None:
    found = set(texts())
    assert len(found) > 200
    assert [text for text in sorted(found) if UNCLEAR.match(text) or not re.match(r"[A-Z0-9`]", text)] == []
