import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from app.api.access.scopes import needs
from app.api.contract import openapi
from app.api.contract.components import Names
from app.api.contract.examples import REFUSED
from app.api.problems import CATALOGUE, MEDIA_TYPE
from app.core.metrics.registry import is_resampled, on_request
from app.core.options import option_names
from app.core.tasks import TASKS
from app.web import SAMPLE, SAMPLE_IN_IMAGE

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
        if path == "/v1/jobs":
            continue  # its answer is a job, whose id and times differ
        answers = (
            operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("examples", {})
        )
        for name, body in bodies.items():
            yield pytest.param(path, body["value"], resolved(answers[name])["value"], id=f"{path}-{name}")


def test_the_committed_document_is_that_of_the_code() -> None:
    assert openapi.main(["--check"]) == 0


def test_a_document_that_differs_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "DOCUMENT", tmp_path / "openapi.json")
    assert openapi.main(["--check"]) == 1
    assert "python -m app.api.contract.openapi" in capsys.readouterr().out
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
    here = response.text.replace(str(SAMPLE), SAMPLE_IN_IMAGE)  # the data set to try lies where the service does
    assert json.loads(here) == DOCUMENT


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


def test_a_key_may_be_sent_in_either_header_or_not_at_all() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}, {"apiKey": []}, {}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["apiKey"]["name"]) == ("bearer", "X-API-Key")


SUCCESS = {"submit_job": "202", "forget_job": "204"}
"""The statuses of success that are not 200, by operation."""


def test_errors_are_one_problem_everywhere() -> None:
    for _, path, operation in OPERATIONS:
        refusals = {"401", "403", "429"} if needs(path) else set()
        success = SUCCESS.get(operation["operationId"], "200")
        assert operation["responses"].keys() == {success, "default"} | refusals, path
        assert operation.get("security") == (None if refusals else []), path
        for status in {"default"} | refusals:
            assert resolved(operation["responses"][status])["content"].keys() == {MEDIA_TYPE}
        problem = resolved(operation["responses"]["default"])
        assert all(
            f"{entry.status} [{code}](problems/{code})" in problem["description"] for code, entry in CATALOGUE.items()
        )


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: str(task.name))
def test_a_body_is_described_field_by_field(task: Any) -> None:
    schema = DOCUMENT["components"]["schemas"][f"{task.name.capitalize()}Request"]
    columns = {*task.truths, *task.predictions, *task.columns}
    requested = {"metrics"} if on_request(task.name) else set()
    requested |= {"bootstrap"} if is_resampled(task.name) else set()
    assert schema["properties"].keys() == {*columns, *option_names(task.name), "include", "require", *requested}
    assert schema["additionalProperties"] is False
    for name, field in schema["properties"].items():
        assert field["description"], name
        shape = "object" if name == "slices" else "array"
        wanted: Any = shape if name in {*task.truths, *task.predictions} else [shape, "null"]
        assert field.get("type") == wanted or name not in columns, name


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


def leaf(schema: Any) -> Any:
    return leaf(schema["items"]) if "items" in schema else schema


@pytest.mark.parametrize(("task", "field"), [(name, field) for name in TASKS for field in TASKS[name].predictions])
async def test_minus_infinity_is_documented_where_it_is_taken(task: Any, field: str, client: httpx.AsyncClient) -> None:
    schema = leaf(DOCUMENT["components"]["schemas"][f"{task.capitalize()}Request"]["properties"][field])
    documented = any(resolved(choice).get("enum") == ["-Infinity"] for choice in schema.get("anyOf", ()))
    truth: dict[str, dict[str, Any]] = {
        "binary": {"labels": [0]},
        "multiclass": {"labels": [1]},
        "multilabel": {"labels": [[0, 1]]},
        "distributions": {"targets": [[0, 1]]},
        "tokens": {},
    }
    row = "-Infinity" if task == "binary" else ["-Infinity", 0.0]
    answer = await client.post(f"/v1/score/{task}", json={**truth[task], field: [row]})
    assert answer.status_code == (200 if documented else 422), answer.text


@pytest.mark.parametrize("path", ["/v1/limits", "/v1/metrics", "/healthz", "/readyz"])
async def test_the_answer_of_a_get_is_shown_as_it_is(path: str, client: httpx.AsyncClient) -> None:
    shown = DOCUMENT["paths"][path]["get"]["responses"]["200"]
    found, example = (await client.get(path)).json(), shown["content"]["application/json"]["example"]
    if path == "/v1/metrics":
        found["metrics"] = found["metrics"][:1]
    assert shown["description"] != "Successful Response"
    assert example == found


def test_there_are_examples_for_every_task() -> None:
    paths = {param.values[0] for param in examples()}
    served = {noun.path.format(task=task) for noun in openapi.ENDPOINTS.values() for task in noun.models}
    assert paths == served | {"/v1/merge"}


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


def schemas_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside of one, itself included."""
    yield node
    inner = [*node.get("properties", {}).values(), *node.get("anyOf", ()), *node.get("prefixItems", ())]
    inner += [
        node[key] for key in ("items", "additionalProperties", "propertyNames") if isinstance(node.get(key), dict)
    ]
    for schema in inner:
        yield from schemas_in(schema)


def test_enums_and_objects_have_names() -> None:
    for name, model in DOCUMENT["components"]["schemas"].items():
        inside = list(schemas_in(model))[1:]
        assert not [
            schema for schema in inside if schema.keys() & {"enum", "const", "properties", "default", "title"}
        ], name
    for parameter in DOCUMENT["components"]["parameters"].values():
        assert not [schema for schema in schemas_in(parameter["schema"]) if schema.keys() & {"enum", "default"}]


def test_a_range_makes_no_type_of_its_own() -> None:
    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    for name, model in DOCUMENT["components"]["schemas"].items():
        fields = model.get("properties", {}).values()
        parts = [part for field in fields for part in list(schemas_in(field))[1:]]
        assert not [part for part in parts if part.keys() & bounds], name
        assert not [field for field in fields if isinstance(field.get("type"), list) and field.keys() & bounds], name


def test_defaults_are_told_in_words() -> None:
    fields = DOCUMENT["components"]["schemas"]["MulticlassRequest"]["properties"]
    told = {name: field["description"].rpartition("Default: ")[2] for name, field in fields.items()}
    assert (told["unit"], told["n_bins"], told["tolerance"]) == ("`nats`.", "`15`.", "`1e-06`.")
    assert "Default" not in fields["include"]["description"]


def test_two_schemas_of_one_name_are_refused() -> None:
    names = Names()
    names.field("unit", {"enum": ["nats", "bits"]})
    with pytest.raises(ValueError, match="two schemas are called Unit"):
        names.field("unit", {"enum": ["metres", "feet"]})


def test_groups_are_explained() -> None:
    explained = [tag["name"] for tag in DOCUMENT["tags"] if tag["description"]]
    used = dict.fromkeys(tag for _, _, operation in OPERATIONS for tag in operation["tags"])
    assert list(used) == explained
    assert DOCUMENT["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    summaries = [operation["summary"] for _, _, operation in OPERATIONS]
    assert len(set(summaries)) == len(summaries)


def test_options_belong_to_rows_alone() -> None:
    """Jobs have parameters of their own, which are no options and stand where they are used."""
    for _, path, operation in OPERATIONS:
        options = [entry for entry in operation.get("parameters", ()) if "$ref" in entry]
        assert bool(options) == path.endswith("/rows"), path


def test_the_document_is_of_a_size_that_a_page_can_load() -> None:
    assert len(orjson.dumps(DOCUMENT)) < 9_000 * len(OPERATIONS)


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if path.endswith("/rows")])
async def test_files_to_try_are_those_of_the_first_example(path: str, client: httpx.AsyncClient) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    stated = resolved(next(iter(operation["responses"]["200"]["content"]["application/json"]["examples"].values())))
    links = re.findall(r"\]\((docs/samples/[^)]+)\)", operation["description"])
    assert len(links) == len(operation["requestBody"]["content"])
    parameters = map(resolved, operation["parameters"])
    required = {parameter["name"]: parameter["example"] for parameter in parameters if "required" in parameter}
    for link in links:
        file = await client.get(f"/{link}")
        assert file.headers["content-disposition"] == f'attachment; filename="{link.rpartition("/")[2]}"'
        headers = {"content-type": file.headers["content-type"]}
        scored = await client.post(path, params=required, content=file.content, headers=headers)
        assert scored.json() == stated["value"]


@pytest.mark.parametrize(
    "name",
    ["tokens.csv", "tokens.npz", "unary.csv", "calibrate-tokens.ndjson", "binary.exe", "binary", "binary.csv.gz"],
)
async def test_no_other_file_is_there(name: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/docs/samples/{name}")).status_code == 404
