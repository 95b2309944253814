"""README.md is true: commands and examples run. Its tables, its neighbours and its choices have tests of their own."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from app.core.tasks import TASKS
from app.settings import Settings
from tests.api.servers import running
from tests.asking import WORKED, near
from tests.documents import ROOT, Document, differences, shown
from tests.test_oracles import CASES_PER_TASK

README = Document("README.md")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as server:
        yield f"http://127.0.0.1:{server.port}"


def with_curl(words: list[str]) -> Any:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return json.loads(subprocess.run([*words, "-sS"], check=True, capture_output=True, timeout=20).stdout)


def with_httpx(words: list[str]) -> Any:
    options = list(zip(words[2::2], words[3::2], strict=True))
    assert {name for name, _ in options} <= {"-H", "-d"}
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    (content,) = [value for name, value in options if name == "-d"]
    return httpx.post(words[1], content=content, headers=headers).json()


def requests_and_answers() -> list[tuple[str, str]]:
    blocks = README.blocks()
    return [
        (re.sub(r"\\\n\s*", " ", block.code), answer.code)
        for block, answer in pairwise(blocks)
        if block.language == "sh" and block.code.startswith("curl ")
    ]


@pytest.mark.parametrize("client", [with_curl, with_httpx])
@pytest.mark.parametrize(("command", "answer"), requests_and_answers())
def test_a_request_has_the_answer_shown(
    command: str, answer: str, client: Callable[[list[str]], Any], address: str
) -> None:
    assert command.count(ADDRESS) == 1
    found = client(shlex.split(command.replace(ADDRESS, address)))
    assert list(differences(shown(answer), found)) == []


def test_the_worked_example_is_shown() -> None:
    body = json.loads(shlex.split(requests_and_answers()[0][0])[-1])
    assert body == WORKED
    told = shown(requests_and_answers()[0][1])
    assert told["metrics"]["cross_entropy"]["value"] == 0.7135581778200729
    assert [warning["code"] for warning in told["warnings"]] == ["not_normalized", "single_class"]


def test_python_prints_what_is_shown(address: str) -> None:
    blocks = README.blocks()
    examples = [(b.code, after.code) for b, after in pairwise(blocks) if b.language == "python"]
    assert examples
    for code, output in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace(ADDRESS, address), {})  # noqa: S102 - the page's own example
        assert printed.getvalue() == output


def test_every_path_is_served(address: str) -> None:
    paths = set(re.findall(r"`(?:GET )?(/[a-z_{}/0-9.]+)`", README.text))
    assert {"/docs", "/v1/metrics", "/readyz", "/metrics"} <= paths
    for path in paths:
        assert httpx.get(address + path.format(code="invalid_input")).status_code == 200, path


def make(words: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_make(words: list[str]) -> None:
    assignments = [word.split("=", 1) for word in words[1:] if "=" in word]
    script = make([word for word in words[1:] if "=" not in word] + [f"{name}={value}" for name, value in assignments])
    assert all(value in script for _, value in assignments)


def check_docker(words: list[str]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    if words[1] == "build":
        assert " ".join(words) in (ROOT / "Makefile").read_text()
    elif words[1] == "run":
        built = next(shlex.split(command) for command in README.commands() if command.startswith("docker build"))
        assert words[-1] == built[built.index("-t") + 1]
        assert f"EXPOSE {words[words.index('-p') + 1].split(':')[-1]}\n" in dockerfile
    else:
        services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"].values()
        profiles = {profile for service in services for profile in service.get("profiles", [])}
        assert {words[at + 1] for at, word in enumerate(words) if word == "--profile"} <= profiles
        assert words[-1] == "up"


def check_environment(words: list[str]) -> list[str]:
    """Check the settings before a command; the command."""
    settings = dict(word.split("=", 1) for word in words if word.startswith("SURPRISAL_"))
    Settings.model_validate({name.removeprefix("SURPRISAL_").lower(): value for name, value in settings.items()})
    return words[len(settings) :]


@pytest.mark.parametrize("command", [command for command in README.commands() if not command.startswith("curl ")])
def test_a_command_exists(command: str) -> None:
    words = check_environment(shlex.split(command))
    {"make": check_make, "docker": check_docker}[words[0]](words)


@pytest.mark.parametrize("command", re.findall(r"`(make [^`]+)`", README.text))
def test_a_target_named_in_a_sentence_exists(command: str) -> None:
    make([word for word in shlex.split(command)[1:] if "=" not in word])


@pytest.mark.parametrize("row", README.rows("Tasks", 1), ids=lambda row: str(row[0]))
def test_a_body_of_each_task(row: list[str], address: str) -> None:
    task, body, value = (cell.strip("`") for cell in row)
    answer = httpx.post(f"{address}/v1/score/{task}", json=json.loads(body)).raise_for_status().json()
    assert answer["metrics"]["cross_entropy"]["value"] == near(float(value))


def test_there_is_a_body_of_each_task() -> None:
    assert [row[0].strip("`") for row in README.rows("Tasks", 1)] == list(TASKS)


def test_the_container_is_as_told() -> None:
    told = README.section("Container")
    final = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert final.startswith(re.findall(r"to `(python:[^`]+)`", told)[0])
    assert re.findall(r"runs as user (\d+)", told) == re.findall(r"^USER (\d+):", final, re.MULTILINE)
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    assert services["surprisal"]["ports"][0].split(":")[1] == "8000"
    assert services["prometheus"]["ports"][0].split(":")[1] == re.findall(r"Prometheus on port (\d+)", told)[0]


def test_the_layout_is_as_told() -> None:
    (tree,) = [block.code for block in README.blocks() if block.language == "text" and "app/core/" in block.code]
    for line in tree.splitlines():
        assert Path(ROOT, line.split()[0]).exists(), line
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"app/(\w+)", tree))


def test_python_versions_are_as_told() -> None:
    oldest, newest = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", README.text)[0]
    assert f'">=3.{oldest},<3.{int(newest) + 1}"' in (ROOT / "pyproject.toml").read_text()


def test_the_tests_are_as_told() -> None:
    told = README.section("How it is tested")
    assert f"- {CASES_PER_TASK * len(TASKS):,} random requests" in told
    bound = re.findall(r"at least (\d+) % of branches", told)
    assert bound == re.findall(r"^fail_under = (\d+)$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_it_is_short() -> None:
    assert len(README.text.splitlines()) < 540
