"""The clients that the generators make, and a server for them to talk with."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api.servers import running
from tests.contract import tools

collect_ignore = ["clients", "positive.py"]  # programs of the environments of their own
ROWS = {"labels": [1, 0, 1, 0], "probabilities": [0.9, 0.2, 0.6, 0.3]}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with running() as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="session")
def examples() -> list[tuple[str, Any]]:
    """Every JSON example of a request or an answer, with the name of its schema."""
    document = json.loads(tools.DOCUMENT.read_text())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    holders = [operation["requestBody"] for operation in operations if "requestBody" in operation]
    holders += [answer for operation in operations for answer in operation["responses"].values()]
    return [
        (name_of(body["schema"], value := resolved(example, document)["value"], document), value)
        for holder in holders
        for media_type, body in resolved(holder, document).get("content", {}).items()
        if media_type == "application/json"
        for example in body.get("examples", {}).values()
    ]


def name_of(schema: dict[str, Any], example: dict[str, Any], document: dict[str, Any]) -> str:
    """The name of a schema, or of the first of several that has no more required fields than the example."""
    for choice in schema.get("anyOf", [schema]):
        if example.keys() >= set(resolved(choice, document).get("required", [])):
            return str(choice["$ref"]).rpartition("/")[2]
    raise AssertionError(f"no schema fits {example}")


def resolved(item: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The component that an item points to, or the item itself."""
    if "$ref" not in item:
        return item
    kind, name = item["$ref"].removeprefix("#/components/").split("/")
    component: dict[str, Any] = document["components"][kind][name]
    return component


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, examples: list[tuple[str, Any]]) -> Path:
    """A folder with the programs that use what is made, and with what they send."""
    folder = tmp_path_factory.mktemp("clients")
    for file in [*(tools.HERE / "clients").glob("*.*"), tools.HERE / "package.json"]:
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(tools.PACKAGES)
    (folder / "examples.json").write_text(json.dumps(examples))
    (folder / "examples.ts").write_text(typed(examples))
    pq.write_table(pa.table(ROWS), folder / "rows.parquet")
    return folder


def typed(examples: list[tuple[str, Any]]) -> str:
    """TypeScript in which every example has the type of its schema."""
    lines = ['import type { components } from "./generated.js";', 'type Schemas = components["schemas"];']
    for number, (name, example) in enumerate(examples):
        lines.append(f'export const example{number}: Schemas["{name}"] = {json.dumps(example)};')
    return "\n".join(lines)


@pytest.fixture(scope="session")
def package(folder: Path) -> str:
    """The package `generated` of openapi-python-client in the folder; what the generator said."""
    return tools.succeeded(
        tools.python(
            "openapi-python-client",
            "generate",
            *("--path", tools.DOCUMENT),
            *("--output-path", folder / "generated"),
            *("--config", tools.HERE / "python_client.yaml"),
            *("--meta", "none"),
        )
    )


@pytest.fixture(scope="session")
def models(folder: Path) -> str:
    """The module `generated_models` of datamodel-code-generator in the folder; its text."""
    tools.succeeded(
        tools.python(
            "datamodel-codegen",
            *("--input", tools.DOCUMENT),
            *("--input-file-type", "openapi"),
            *("--output", folder / "generated_models.py"),
            *("--output-model-type", "pydantic_v2.BaseModel"),
            *("--formatters", "builtin"),
            "--use-annotated",
        )
    )
    return (folder / "generated_models.py").read_text()


@pytest.fixture(scope="session")
def compiled(folder: Path) -> Path:
    """The program of TypeScript, compiled on the types that openapi-typescript makes by its defaults."""
    tools.succeeded(tools.node("openapi-typescript", tools.DOCUMENT, "--output", folder / "generated.ts", cwd=folder))
    tools.succeeded(tools.node("tsc", cwd=folder))
    return folder / "made" / "client.js"
