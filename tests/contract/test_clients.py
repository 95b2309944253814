"""Clients that three generators make of openapi/openapi.json are whole, type-check, and talk with a real server."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import tools
from tests.documents import Document

tools.demand()

PYTHON = ["client_of_package.py", "client_of_models.py"]
HTTP = {"get", "post", "put", "patch", "delete"}


def operations() -> list[dict[str, Any]]:
    paths = json.loads(tools.DOCUMENT.read_text())["paths"].values()
    return [operation for path in paths for method, operation in path.items() if method in HTTP]


def first_request() -> Any:
    """The body of the first request that the README shows."""
    words = (shlex.split(command) for command in Document("README.md").commands() if command.startswith("curl "))
    return next(json.loads(line[line.index("-d") + 1]) for line in words if "-d" in line)


def test_openapi_python_client_leaves_out_nothing_but_formats(folder: Path, package: str) -> None:
    warnings = re.findall(r"^(?:WARNING|ERROR).*\n\n(.*)$", package, re.MULTILINE)
    assert [warning for warning in warnings if not warning.startswith("Unsupported content type ")] == []
    assert "application/json" not in " ".join(warnings)
    modules = {path.stem: path.read_text() for path in (folder / "generated" / "api").glob("*/*.py")}
    assert {operation["operationId"] for operation in operations()} <= set(modules)
    empty = {operation["operationId"] for operation in operations() if "204" in operation["responses"]}
    assert {name for name, text in modules.items() if "body: Any" in text or "-> Any" in text} <= empty


def test_datamodel_code_generator_numbers_no_class(models: str) -> None:
    classes = re.findall(r"^class (\w+)\(", models, re.MULTILINE)
    assert "BinaryCompareRequest" in classes
    assert [name for name in classes if name[-1].isdigit()] == []


@pytest.mark.usefixtures("package", "models")
def test_python_type_checks(folder: Path) -> None:
    # One module of the generator is left out: its template passes `*args: object` on, whatever the document says.
    (folder / "mypy.ini").write_text("[mypy]\nstrict = True\n[mypy-generated.client]\nignore_errors = True\n")
    command = ["mypy", "--no-warn-redundant-casts", *PYTHON, "round_trips.py", "generated"]
    tools.succeeded(tools.python(*command, cwd=folder))


def test_typescript_compiles(compiled: Path) -> None:
    assert compiled.exists()


def check(said: dict[str, Any], address: str) -> None:
    """Hold what a program sent and got against what the README and plain HTTP say."""
    request, answer = said["score"]
    assert request == first_request()
    assert answer == httpx.post(f"{address}/v1/score/binary", json=request).json()
    assert said["cross_entropy"] == answer["metrics"]["cross_entropy"]["value"]
    comparison, compared = said["compare"]
    assert compared == httpx.post(f"{address}/v1/compare/binary", json=comparison).json()
    assert said["verdict"] == compared["comparisons"][0]["verdict"]
    rows = {"labels": [1, 0, 1, 0], "probabilities": [0.9, 0.2, 0.6, 0.3], "unit": "bits"}
    assert said["rows"] == httpx.post(f"{address}/v1/score/binary", json=rows).json()


@pytest.mark.usefixtures("package", "models")
@pytest.mark.parametrize("program", PYTHON)
def test_python_talks_with_the_service(program: str, folder: Path, address: str) -> None:
    done = tools.python("python", program, address, "rows.parquet", cwd=folder)
    tools.succeeded(done)
    check(json.loads(done.stdout), address)


def test_typescript_talks_with_the_service(compiled: Path, address: str) -> None:
    done = tools.node(compiled, address)
    tools.succeeded(done)
    check(json.loads(done.stdout), address)


@pytest.mark.usefixtures("package", "models")
def test_every_example_goes_through_the_models_of_python(folder: Path, examples: list[tuple[str, Any]]) -> None:
    assert len(examples) >= 20
    done = tools.python("python", "round_trips.py", "examples.json", cwd=folder)
    tools.succeeded(done)
    assert json.loads(done.stdout) == []
