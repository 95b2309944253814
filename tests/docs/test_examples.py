"""The examples of the documents work: requests have the answers shown, programs print what is shown, commands exist."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from app.settings import Settings
from tests.api.servers import running
from tests.documents import DOCUMENTS, ROOT, Block, Document, differences, shown, typed

ADDRESS = "http://127.0.0.1:8000"
OF_THE_CLIENT = re.compile(r"^ *(?:from surprisal_client|surprisal \w)", re.MULTILINE)
"""The beginning of a line that uses the client, by which client/tests/pages.py finds its pages."""
USED = [  # the code of CONTRIBUTING.md adds to the app; client/tests runs that of the client
    document for document in DOCUMENTS if document.name != "CONTRIBUTING.md" and not document.name.startswith("client/")
]
NAMES = {document: document.name for document in DOCUMENTS}


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


def requests_and_answers(document: Document) -> list[tuple[str, str]]:
    return [
        (command, answer.code)
        for block, answer in pairwise(document.blocks())
        if block.language == "sh" and block.code.startswith("curl ")
        for command in typed(block.code)
    ]


@pytest.mark.parametrize("client", [with_curl, with_httpx])
@pytest.mark.parametrize(
    ("command", "answer"), [example for document in DOCUMENTS for example in requests_and_answers(document)]
)
def test_a_request_has_the_answer_shown(
    command: str, answer: str, client: Callable[[list[str]], Any], address: str
) -> None:
    assert command.count(ADDRESS) == 1
    found = client(shlex.split(command.replace(ADDRESS, address)))
    assert list(differences(shown(answer), found)) == []


def printed_by(block: Block, names: dict[str, Any]) -> str:
    """Run a program among the names that the programs before it on the page have made."""
    if block.language == "bash":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path}
        done = subprocess.run(["bash", "-c", block.code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block.code, names)  # noqa: S102 - the page's own example
    return printed.getvalue()


def programs(document: Document) -> list[Block]:
    return [block for block in document.blocks() if block.language in ("python", "bash")]


@pytest.mark.parametrize(
    "document",
    [
        document
        for document in USED
        if programs(document) and not any(OF_THE_CLIENT.search(block.code) for block in programs(document))
    ],
    ids=NAMES.get,
)
def test_programs_print_what_is_shown(
    document: Document, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any(re.search(r"^jq ", block.code, re.MULTILINE) for block in programs(document)) and not shutil.which("jq"):
        pytest.skip("jq is not installed")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block, after in pairwise([*document.blocks(), Block("", "", "")]):
        if block not in programs(document):
            continue
        here = Block(block.language, block.file, block.code.replace(ADDRESS, address))
        if block.file:
            Path(block.file).write_text(here.code)
        else:
            assert printed_by(here, names) == (after.code if after.language == "text" else "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_the_name_of_a_file_stands_before_it(document: Document) -> None:
    """A page shows the code of a block, but not the name beside its language."""
    for file in [block.file for block in document.blocks() if block.file]:
        assert re.search(rf"`{re.escape(file)}`[^\n]*\n\n```\w+ {re.escape(file)}\n", document.text)


@pytest.mark.parametrize("document", USED, ids=NAMES.get)
def test_every_path_is_served(document: Document, address: str) -> None:
    for path in set(re.findall(r"`GET (/[^`]+)`", document.text)):
        answer = httpx.get(address + path.format(code="invalid_input", name="binary.csv", id="0"))
        is_off = path.startswith("/v1/jobs")  # this service has no data sets
        assert answer.status_code == (403 if is_off else 200), path


@pytest.mark.parametrize("document", USED, ids=NAMES.get)
def test_every_operation_that_is_named_exists(document: Document, address: str) -> None:
    served = httpx.get(f"{address}/openapi.json").json()["paths"]
    known = {re.sub(r"/(score|compare|calibrate)/\w+", r"/\1/{task}", path) for path in served}
    for method, path in re.findall(r"`(POST|DELETE) (/[a-z_{}/0-9.]+)`", document.text):
        generic = re.sub(r"/(score|compare|calibrate)/\w+", r"/\1/{task}", path)
        assert generic in known, f"{method} {path}"


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
    build = re.findall(r"docker build -t (\S+) \.", (ROOT / "Makefile").read_text())
    if words[1] == "build":
        assert words[-3:] == ["-t", *build, "."]
        given = dict(word.split("=", 1) for word in words[2:-3] if word not in ("--no-cache", "--build-arg"))
        assert all(
            f"ARG {name}=" in dockerfile and (ROOT / f"requirements/{given[name]}.txt").exists() for name in given
        )
    elif words[1] == "run":
        assert words[-1:] == build
        assert f"EXPOSE {words[words.index('-p') + 1].split(':')[-1]}\n" in dockerfile
    else:
        services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"].values()
        profiles = {profile for service in services for profile in service.get("profiles", [])}
        assert {words[at + 1] for at, word in enumerate(words) if word == "--profile"} <= profiles
        assert {"up", "port"} & set(words)


def check_module(words: list[str]) -> None:
    assert words[1] == "-m"
    assert find_spec(words[2])


def check_pip(words: list[str]) -> None:
    assert words[1] == "install"
    folder, _, extra = words[2].rstrip("]").partition("[")
    extras = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not extra or extra in extras


def check_pytest(words: list[str]) -> None:
    assert all((ROOT / word).exists() for word in words[1:] if "/" in word)


def check_tool(words: list[str]) -> None:
    """A tool of others is pinned for `make contract`, where tests/contract/test_guide.py runs its command."""
    tool = words[words[0] == "npx"]
    distributions = {"datamodel-codegen": "datamodel-code-generator"}
    pinned = (ROOT / "tests/contract/package.json").read_text() + (ROOT / "requirements/contract.txt").read_text()
    assert distributions.get(tool, tool) in pinned


def check_environment(words: list[str]) -> list[str]:
    """Check the settings before a command; the command."""
    variables = dict(word.split("=", 1) for word in takewhile(lambda word: re.match(r"[A-Z_]+=", word), words))
    settings = {name: value for name, value in variables.items() if name.startswith("SURPRISAL_")}
    Settings.model_validate({name.removeprefix("SURPRISAL_").lower(): value for name, value in settings.items()})
    assert variables.keys() - settings.keys() <= {"DATASETS", "PORT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    return words[len(variables) :]


CHECKS = {
    "make": check_make,
    "docker": check_docker,
    "npx": check_tool,
    "pip": check_pip,
    "openapi-python-client": check_tool,
    "datamodel-codegen": check_tool,
    ".venv-dev/bin/pytest": check_pytest,
    ".venv-dev/bin/python": check_module,
    ".venv/bin/python": check_module,
}


@pytest.mark.parametrize(
    "command",
    sorted({c for document in DOCUMENTS for c in document.commands() if not c.startswith(("curl ", "python -c "))}),
)
def test_a_command_exists(command: str) -> None:
    words = check_environment(shlex.split(command))
    CHECKS[words[0]](words)


@pytest.mark.parametrize(
    "command", sorted({c for document in DOCUMENTS for c in re.findall(r"`(make [^`]+)`", document.text)})
)
def test_a_target_named_in_a_sentence_exists(command: str) -> None:
    make([word for word in shlex.split(command)[1:] if "=" not in word])
