import json
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from app.api import openapi
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


def examples() -> Iterator[Any]:
    for _, path, operation in OPERATIONS:
        bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, body in bodies.get("examples", {}).items():
            answers = {
                int(status): content["examples"][name]["value"]
                for status, response in operation["responses"].items()
                for content in response.get("content", {}).values()
                if name in content.get("examples", {})
            }
            yield pytest.param(path, body["value"], answers, id=f"{path}-{name}")


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


def test_a_last_bit_makes_no_difference_and_a_tenth_digit_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    written = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "DOCUMENT", written)
    text = openapi.dump(DOCUMENT)
    assert "0.7135581778200729" in text
    written.write_text(text.replace("0.7135581778200729", "0.7135581778200731"))
    assert openapi.main(["--check"]) == 0
    written.write_text(text.replace("0.7135581778200729", "0.7135581779"))
    assert openapi.main(["--check"]) == 1


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


def test_every_error_is_documented_as_a_problem() -> None:
    statuses = {str(problem.status) for problem in CATALOGUE.values()}
    for _, path, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            if status != "200":
                assert status in statuses, (path, status)
                assert response["content"].keys() == {MEDIA_TYPE}


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


@pytest.mark.parametrize(("path", "body", "answers"), list(examples()))
async def test_an_example_has_the_answer_it_states(
    path: str, body: Any, answers: dict[int, Any], client: httpx.AsyncClient
) -> None:
    response = await client.post(path, json=body)
    ((status, stated),) = answers.items()
    assert response.status_code == status
    found = response.json()
    if status != 200:
        stated["request_id"] = found["request_id"]
    assert found == stated


def test_there_are_examples_for_every_task() -> None:
    paths = {param.values[0] for param in examples()}
    assert paths == {f"/v1/{name}/{task}" for name, noun in openapi.NOUNS.items() for task in noun.models}


def test_the_worked_example_is_true() -> None:
    operation = DOCUMENT["paths"]["/v1/score/multiclass"]["post"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]["worked_example"]["value"]
    assert shown["metrics"]["cross_entropy"]["value"] == pytest.approx(0.7135581778200729, rel=1e-15)
    assert "not_normalized" in {warning["code"] for warning in shown["warnings"]}


def test_the_file_is_stable() -> None:
    text = openapi.dump(DOCUMENT)
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(DOCUMENT)
    assert orjson.loads(text) == DOCUMENT
