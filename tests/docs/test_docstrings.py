"""The rule of plain English for docstrings: the first word is a verb or opens a noun, so the reader has a subject."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT

NO_SUBJECT = re.compile(
    r"(?:I|We|Our|It|Its|He|She|They|Them|Their|This|That|These|Those|Same|Such|One of|Some of|All of|All that|Both"
    r"|Any|Anything|Something|Everything|Nothing|Somebody|Everybody|Nobody|None|Others?|More|Fewer|Else"
    r"|What|Whatever|Whether|Which|Who|Whom|Whose|How|Why|When|Where|While|Once|If|Though|Because|As|Lest"
    r"|And|But|Or|So|Also|Even|Only|Just|Then|Still|Here|There"
    r"|Of|By|With|Without|For|From|In|Into|Inside|On|At|To|Under|Over|Up|Beside|Behind|Between|Beyond|Before|After"
    r"|Within|Through|Against|Among"
    r"|(?:The|A|An) (?:one|ones|same|other|others|like)(?= (?:of|to|in|that|with|as)))\b"
)
"""The beginnings of docstrings whose subject stands in the code, if anywhere: pronouns, prepositions, conjunctions."""
FOLDERS = [
    "app/api",
    "app/core",
    "app/jobs",
    "app/server",
    "app/service",
    "app/store",
    "app/web",
    "app/wire",
    "app/workers",
    "benchmarks",
    "client",
    "scripts",
    "tests",
]


def sources(folder: str) -> list[Path]:
    """The modules of a folder; of `app` only those that are in none of its folders."""
    paths = (ROOT / folder).glob("*.py") if folder == "app" else (ROOT / folder).rglob("*.py")
    inside = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
    return [path for path in inside if "node_modules" not in path.parts]


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring: of modules, classes, functions, and of constants right below them."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for before, statement in zip([None, *body], body, strict=False):
            can_stand = isinstance(before, ast.Assign | ast.AnnAssign) or (before is None and is_documented)
            if can_stand and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.lineno, str(statement.value.value).strip()


@pytest.mark.parametrize("folder", ["app", *FOLDERS])
def test_docstrings_begin_with_a_verb_or_a_noun(folder: str) -> None:
    found = [(path, line, text) for path in sources(folder) for line, text in docstrings(ast.parse(path.read_text()))]
    assert found
    assert [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path, line, text in found
        if NO_SUBJECT.match(text)
    ] == []


@pytest.mark.parametrize("text", ["What it is.", "Of rows.", "Whether it is so.", "The same of a body.", "It is."])
def test_beginnings_without_a_subject_are_told(text: str) -> None:
    assert NO_SUBJECT.match(text)


@pytest.mark.parametrize("text", ["Tell if a row is scored.", "The same rows again.", "Ones.", "Itself.", "Anyhow."])
def test_other_beginnings_are_not(text: str) -> None:
    assert not NO_SUBJECT.match(text)
