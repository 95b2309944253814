import json
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from app.api import openapi
from app.api.contract.examples import REFUSED
from app.api.problems import CATALOGUE, MEDIA_TYPE
from app.core.options import option_names
from app.core.registry import on_request
from app.core.tasks import TASKS

pytestmark = pytest.mark.anyio

DOCUMENT = openapi.document()
OPERATIONS = [
    (method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def resolved(node: Any) -> Any:
    """A part of the document, or the one that it refers to."""
    while "$ref" in node:
        path = node["$ref"].removeprefix("#/").split("/")
        node = DOCUMENT
        for part in path:
            node = node[part]
    return node


def examples() -> Iterator[Any]:
    for _, path, operation in OPERATIONS:
        bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        answers = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("examples", {})
        for name, body in bodies.items():
            yield pytest.param(path, body["value"], resolved(answers[name])["value"], id=f"{path}-{name}")


def test_the_committed_document_is_that_of_the_code() -> None:
    assert openapi.main(["--check"]) == 0


def test_a_document_that_differs_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "DOCUMENT", tmp_path / "openapi.json")
    assert openapi.main(["--check"]) == 1
    assert "python -m app.api.openapi" in capsys.readouterr().out
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("told", "changed", "status"),
    [
        ("0.7135581778200729", "0.713558177820073", 1),  # a mean, which is promised to the last bit
        ("0.6727361832998177", "0.6727361832998178", 1),  # so is its standard error
        ("2.0412414523193", "2.0412414523193005", 0),  # an exponential
        ("2.0412414523193", "2.0412414524", 1),
    ],
)
def test_the_check_is_exact_but_for_what_libraries_compute(
    told: str, changed: str, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    written = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "DOCUMENT", written)
    text = openapi.dump(DOCUMENT)
    assert told in text
    written.write_text(text.replace(told, changed))
    assert openapi.main(["--check"]) == status


async def test_the_document_is_served(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert response.json() == DOCUMENT


def test_every_reference_resolves() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_operations_are_named_once_and_explained() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["description"] for _, _, operation in OPERATIONS)


def test_errors_are_one_problem_everywhere() -> None:
    for _, path, operation in OPERATIONS:
        assert operation["responses"].keys() == {"200", "default"}, path
        problem = resolved(operation["responses"]["default"])
        assert problem["content"].keys() == {MEDIA_TYPE}
        assert all(
            f"{entry.status} [{code}](problems/{code})" in problem["description"] for code, entry in CATALOGUE.items()
        )


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: str(task.name))
def test_a_body_is_described_field_by_field(task: Any) -> None:
    schema = DOCUMENT["components"]["schemas"][f"{task.name.capitalize()}Request"]
    columns = {*task.truths, *task.predictions, *task.columns}
    requested = {"metrics", "bootstrap"} if on_request(task.name) else set()
    assert schema["properties"].keys() == {*columns, *option_names(task.name), "include", *requested}
    assert schema["additionalProperties"] is False
    for name, field in schema["properties"].items():
        assert field["description"], name
        shape = "object" if name == "slices" else "array"
        assert field.get("type", shape) == shape or name not in columns, name


@pytest.mark.parametrize(("path", "body", "stated"), list(examples()))
async def test_an_example_has_the_answer_it_states(
    path: str, body: Any, stated: Any, client: httpx.AsyncClient
) -> None:
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()) == (200, stated)


async def test_the_shown_problem_is_true(client: httpx.AsyncClient) -> None:
    shown = DOCUMENT["components"]["responses"]["Problem"]["content"][MEDIA_TYPE]["example"]
    headers = {"x-request-id": shown["request_id"]}
    response = await client.post(shown["instance"], json=REFUSED, headers=headers)
    assert (response.status_code, response.json()) == (422, shown)


def test_there_are_examples_for_every_task() -> None:
    paths = {param.values[0] for param in examples()}
    assert paths == {f"/v1/{name}/{task}" for name, noun in openapi.NOUNS.items() for task in noun.models}


def test_the_worked_example_is_true() -> None:
    operation = DOCUMENT["paths"]["/v1/score/multiclass"]["post"]
    examples = operation["responses"]["200"]["content"]["application/json"]["examples"]
    shown = resolved(examples["worked_example"])["value"]
    assert shown["metrics"]["cross_entropy"]["value"] == pytest.approx(0.7135581778200729, rel=1e-15)
    assert "not_normalized" in {warning["code"] for warning in shown["warnings"]}


def test_the_file_is_stable() -> None:
    text = openapi.dump(DOCUMENT)
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(DOCUMENT)
    assert orjson.loads(text) == DOCUMENT
