"""README.md is for a stranger: short, and true in its figures."""

import json
import re
import shlex

from app.core.tasks import TASKS
from tests.docs.test_examples import requests_and_answers
from tests.documents import ROOT, Document, shown

README = Document("README.md")


def test_it_is_short() -> None:
    assert len(README.text.splitlines()) <= 150


def test_python_versions_are_those_of_the_project() -> None:
    oldest, newest = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", README.text)[0]
    assert f'">=3.{oldest},<3.{int(newest) + 1}"' in (ROOT / "pyproject.toml").read_text()


def test_every_task_is_in_the_table() -> None:
    quoted = {
        task.name: [", ".join(f"`{name}`" for name in names) for names in (task.truths, task.predictions)]
        for task in TASKS.values()
    }
    assert {row[0].strip("`"): row[1:3] for row in README.rows("Tasks")} == quoted


def test_the_interval_of_the_first_request_looks_sane() -> None:
    ((command, answer),) = requests_and_answers(README)
    body = json.loads(shlex.split(command)[-1])
    loss = shown(answer)["metrics"]["cross_entropy"]
    low, high = loss["confidence_interval"]
    assert len(body["labels"]) == 20
    assert 0 < low < loss["value"] < high < 1
    assert f"between {low:.2f} and {high:.2f}" in README.text


def test_every_guide_is_a_recipe() -> None:
    guides = {str(path.relative_to(ROOT)) for path in (ROOT / "docs/guides").glob("*.md")}
    assert set(re.findall(r"\]\((docs/guides/[^)]+)\)", README.section("From Python and the shell"))) == guides
    assert {f"docs/{path}" for path in re.findall(r"\]\((guides/[^)]+)\)", Document("docs/README.md").text)} == guides
