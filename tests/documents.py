"""The documents as data: sections, tables and code blocks, and answers shown in part."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MORE = "..."
RELATIVE = 1e-13
"""The relative difference between processors that is allowed to numbers of libraries (powers, exponentials,
quantiles)."""
_FOREIGN = re.compile(
    r"/confidence_interval/|/simultaneous_interval/|perplexity|p_value|/smooth_|/(temperature|cross_entropy_after|cross_fitted_gain)\b"
)
"""The numbers that come from such a library; all others are the same bits everywhere."""
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """The text in a fence, with the language after the fence and the name of the file that it is to be saved as."""

    language: str
    file: str
    code: str


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    name: str

    @property
    def text(self) -> str:
        return (ROOT / self.name).read_text()

    def section(self, heading: str) -> str:
        """The text from a heading to the next one of the same level."""
        start = self.text.index(f"\n## {heading}\n")
        end = self.text.find("\n## ", start + 1)
        return self.text[start : None if end < 0 else end]

    def blocks(self) -> list[Block]:
        return [Block(language, file, code) for language, file, code in _BLOCK.findall(self.text)]

    def table(self, heading: str, number: int = 0) -> str:
        """A table of a section, as it is written."""
        groups = groupby(self.section(heading).splitlines(), key=lambda line: line.startswith("|"))
        return ["\n".join(lines) for is_table, lines in groups if is_table][number]

    def rows(self, heading: str, number: int = 0) -> list[list[str]]:
        """The cells of a table, without its head."""
        return [cells(line) for line in self.table(heading, number).splitlines()[2:]]

    def commands(self) -> list[str]:
        """The commands to type, one entry each."""
        shells = (block.code for block in self.blocks() if block.language == "sh")
        return [command for code in shells for command in typed(code)]


DOCUMENTS = [
    Document(str(path.relative_to(ROOT)))
    for path in (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "client").glob("*.md")),
    )
]


def typed(code: str) -> list[str]:
    """The commands of a block; one in quotes may go over several lines."""
    code = re.sub(r"\\\n\s*", " ", code)
    return [command.strip() for command in re.findall(r"(?:'[^']*'|[^'\n])+", code) if command.strip()]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def markdown(head: str, rows: list[list[str]]) -> str:
    """A table as the documents write it."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, re.sub(r"[^|]+", " --- ", head), *lines])


def shown(code: str) -> Any:
    """Read JSON that may leave out the rest of an object or of a list, with three dots at its end."""
    code = re.sub(r"\.\.\.(?=\s*\})", f'"{MORE}": null', code)
    return json.loads(re.sub(r"\.\.\.(?=\s*\])", f'"{MORE}"', code))


def differences(told: Any, found: Any, place: str = "") -> Iterator[str]:
    """Yield the differences between an answer and what a document tells of it; three dots must stand for something."""
    if isinstance(told, dict) and isinstance(found, dict):
        yield from _of_objects(told, found, place)
    elif isinstance(told, list) and isinstance(found, list):
        yield from _of_lists(told, found, place)
    elif not _same(told, found, RELATIVE if _FOREIGN.search(place) else 0.0):
        yield f"{place}: told {told!r}, found {found!r}"


def _of_objects(told: dict[str, Any], found: dict[str, Any], place: str) -> Iterator[str]:
    names = [name for name in told if name != MORE]
    if names != [name for name in found if name in told]:
        yield f"{place}: told members {names}, found {list(found)}"
        return
    if (MORE in told) is not (len(found) > len(names)):
        yield f"{place}: {'nothing is' if MORE in told else 'silently'} left out of {list(found)}"
    for name in names:
        yield from differences(told[name], found[name], f"{place}/{name}")


def _of_lists(told: list[Any], found: list[Any], place: str) -> Iterator[str]:
    items = told[:-1] if told[-1:] == [MORE] else told
    if (items is not told) is not (len(found) > len(items)):
        yield f"{place}: told {len(items)} items, found {len(found)}"
    for index, (item, other) in enumerate(zip(items, found, strict=False)):
        yield from differences(item, other, f"{place}/{index}")


def _same(told: Any, found: Any, relative: float) -> bool:
    if isinstance(told, float) and isinstance(found, float):
        return math.isclose(told, found, rel_tol=relative)
    return type(told) is type(found) and bool(told == found)
