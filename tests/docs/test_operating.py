"""docs/operating.md and CONTRIBUTING.md are true in what they say of the container, the layout and the tests."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from app.core.tasks import TASKS
from tests.documents import ROOT, Document
from tests.test_oracles import CASES_PER_TASK

OPERATING = Document("docs/operating.md")
CONTRIBUTING = Document("CONTRIBUTING.md")


def test_the_container_is_as_described() -> None:
    described = OPERATING.section("Container")
    final = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert final.startswith(re.findall(r"to `(python:[^`]+)`", described)[0])
    assert re.findall(r"runs as user (\d+)", described) == re.findall(r"^USER (\d+):", final, re.MULTILINE)
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    assert re.findall(r"machine's port (\d+)", described) == re.findall(
        r"PORT:-(\d+)", services["surprisal"]["ports"][0]
    )
    assert services["prometheus"]["ports"][0].split(":")[1] == re.findall(r"Prometheus on port\s(\d+)", described)[0]


def test_python_versions_are_those_of_the_project() -> None:
    oldest, newest = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", OPERATING.text)[0]
    assert f'">=3.{oldest},<3.{int(newest) + 1}"' in (ROOT / "pyproject.toml").read_text()


def test_the_layout_is_as_described() -> None:
    (tree,) = [block.code for block in CONTRIBUTING.blocks() if block.language == "text" and "app/core/" in block.code]
    for line in tree.splitlines():
        assert Path(ROOT, line.split()[0]).exists(), line
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"app/(\w+)", tree))


def test_the_tests_are_as_described() -> None:
    described = CONTRIBUTING.section("Tests")
    assert f"- {CASES_PER_TASK * len(TASKS):,} random requests" in described
    bound = re.findall(r"at least (\d+) % of branches", described)
    assert bound == re.findall(r"^fail_under = (\d+)$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
