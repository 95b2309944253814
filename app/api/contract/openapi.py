"""The OpenAPI document: FastAPI's own, and the bodies that routes read raw.

    python -m app.api.contract.openapi          # write openapi/openapi.json
    python -m app.api.contract.openapi --check  # exit 1 if it differs from the code

Answers in examples come from the routes themselves, so they cannot rot.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, get_args

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app import __version__
from app.api import problems
from app.api.access.scopes import needs
from app.api.contract import access, jobs, samples, texts
from app.api.contract.asking import Asked, answers
from app.api.contract.components import class_name, reference, schemas_of
from app.api.contract.examples import EXAMPLES, PARTS, REFUSED, Example
from app.api.contract.model_examples import APPLY_EXAMPLES, CALIBRATE_EXAMPLES, COMPARE_EXAMPLES
from app.api.contract.parameters import parameters_of
from app.api.negotiation.formats import FORMATS
from app.api.negotiation.media import JSON
from app.api.routes import ROUTERS
from app.api.schemas import apply, calibrate, compare, score
from app.api.schemas.answers import ProblemDetails
from app.api.schemas.jobs import JobSubmission
from app.api.schemas.merge import MergeRequest
from app.api.schemas.query import SCORED_ROWS
from app.core.tasks import TaskName

DOCUMENT = Path(__file__).parents[3] / "openapi" / "openapi.json"
SIGNIFICANT_DIGITS = 12
"""The digits to which numbers of libraries are compared with those in the committed document."""
FROM_LIBRARIES = frozenset(
    {
        "confidence_interval",
        "simultaneous_interval",
        "p_value",
        "p_value_adjusted",
        "perplexity",
        "macro_perplexity",
        "byte_perplexity",
        "word_perplexity",
        "focal_loss",
    }
)
"""Numbers that a library computes (Student's t, exponentials, powers): their last bit may differ between processors."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Routes `/v1/{noun}/{task}`, or others of a template, that read their bodies raw.

    Attributes:
        path: The template of their paths.
        models: The schemas of their bodies, by task.
        examples: Bodies to try, by task and name.
    """

    path: str
    models: Mapping[TaskName, type[BaseModel]]
    examples: Mapping[TaskName, Mapping[str, Example]]


ENDPOINTS = {
    "score": Endpoint("/v1/score/{task}", score.MODELS, EXAMPLES),
    "compare": Endpoint("/v1/compare/{task}", compare.MODELS, COMPARE_EXAMPLES),
    "calibrate": Endpoint("/v1/calibrate/{task}", calibrate.MODELS, CALIBRATE_EXAMPLES),
    "apply": Endpoint("/v1/calibrate/{task}/apply", apply.MODELS, APPLY_EXAMPLES),
}
ROWS = {"score": SCORED_ROWS, "compare": compare.COMPARED_ROWS, "calibrate": calibrate.FITTED_ROWS}
"""The operations that take rows too, by noun."""


@cache
def document() -> dict[str, Any]:
    """The whole document; the first call runs the examples."""
    api = application()
    found = api.openapi()
    shapes = _schemas() | {"ExtraColumns": {"type": "string", "enum": ["ignore", "error"]}}
    parameters, options = parameters_of(shapes, ROWS)
    found |= {"security": access.SECURITY, "components": _components(api, shapes, parameters)}
    for path, operation in _operations(found):
        (status,) = operation["responses"].keys() - {"422"}
        answer = operation["responses"][status]
        answer = answer | {"headers": {"X-Request-ID": reference("headers", "RequestId"), **answer.get("headers", {})}}
        operation["responses"] = {status: answer, "default": reference("responses", "Problem")}
        if needs(path):
            operation["responses"] |= access.REFUSALS
        else:
            operation["security"] = []
    for noun, task, path in _paths():
        _describe_json(found["paths"][path]["post"], noun, task)
    for (noun, task), references in options.items():
        _describe_rows(found["paths"][f"/v1/{noun}/{task}/rows"]["post"], noun, task, references)
    _add_answers(api, found)
    _describe_merge(api, found)
    jobs.describe(api, found)
    return found


def application() -> FastAPI:
    """An application for the document alone: all routes, the general texts, and answers to the examples."""
    api = FastAPI(
        title="Surprisal",
        version=__version__,
        summary="Log loss and its relatives, with their uncertainty.",
        description=texts.DESCRIPTION,
        contact={"name": "the Surprisal authors"},
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": ".", "description": "The address of this document, without its name."}],
        openapi_tags=[{"name": name, "description": text} for name, text in texts.TAGS.items()],
    )
    for router in ROUTERS:
        api.router.routes += router.routes
    return api


def _paths() -> Iterator[tuple[str, TaskName, str]]:
    return ((name, task, noun.path.format(task=task)) for name, noun in ENDPOINTS.items() for task in noun.models)


def _operations(found: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((path, operation) for path, methods in found["paths"].items() for operation in methods.values())


def _schemas() -> dict[str, Any]:
    bodies = [model for noun in ENDPOINTS.values() for model in noun.models.values()]
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    answered = [route.response_model for route in routes if route.include_in_schema and route.response_model]
    models = dict.fromkeys(chain.from_iterable(get_args(model) or (model,) for model in answered))
    return schemas_of(bodies, [*models, MergeRequest, JobSubmission, ProblemDetails])


def _components(api: FastAPI, shapes: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    (refusal,) = answers(api, [Asked("/v1/score/binary", JSON, orjson.dumps(REFUSED))])
    problem = {"schema": reference("schemas", "ProblemDetails"), "example": orjson.loads(refusal.body)}
    text = "The request's own if it sent one of 1 to 128 visible ASCII characters, else a new one."
    return {
        "schemas": shapes,
        "parameters": parameters,
        "headers": {"RequestId": {"description": text, "schema": {"type": "string"}}, **access.HEADERS},
        "responses": {
            "Problem": {"description": texts.errors(), "content": {problems.MEDIA_TYPE: problem}},
            **access.RESPONSES,
        },
        "securitySchemes": access.SCHEMES,
        "examples": {},
    }


def _describe_json(operation: dict[str, Any], noun: str, task: TaskName) -> None:
    model, examples = ENDPOINTS[noun].models[task], ENDPOINTS[noun].examples[task]
    bodies = {name: {"summary": example.summary, "value": example.body} for name, example in examples.items()}
    content = {"schema": reference("schemas", model.__name__), "examples": bodies}
    operation["requestBody"] = {"required": True, "content": {JSON: content}}


def _describe_rows(operation: dict[str, Any], noun: str, task: TaskName, parameters: list[dict[str, str]]) -> None:
    content = {FORMATS[format_].media_type: _rows(noun, task, format_) for format_ in samples.formats_of(task, noun)}
    operation["requestBody"] = {"required": True, "content": content}
    operation["parameters"] = parameters


def _rows(noun: str, task: TaskName, format_: str) -> dict[str, Any]:
    if format_ not in samples.TEXTS:
        return {"schema": {"type": "string", "format": "binary"}}
    return {"schema": {"type": "string"}, "example": samples.sample(task, format_, noun).decode()}


def _add_answers(api: FastAPI, found: dict[str, Any]) -> None:
    """Add the routes' answers to the examples; the first one of a task also stands for the same rows in a file."""
    cases = [
        (noun, task, path, name, example)
        for noun, task, path in _paths()
        for name, example in ENDPOINTS[noun].examples[task].items()
    ]
    asked = [Asked(path, JSON, orjson.dumps(example.body)) for _, _, path, _, example in cases]
    for (noun, task, path, name, example), answer in zip(cases, answers(api, asked), strict=True):
        if answer.status != 200:
            raise ValueError(f"the example {name} of {path} must be answered, found {answer.body.decode()}")
        key = class_name(f"{noun}_{task}_{name}")
        found["components"]["examples"][key] = {"summary": example.summary, "value": orjson.loads(answer.body)}
        _examples_of(found, path)[name] = reference("examples", key)
        if noun in ROWS and name == next(iter(ENDPOINTS[noun].examples[task])):
            _examples_of(found, f"{path}/rows")[name] = reference("examples", key)


def _describe_merge(api: FastAPI, found: dict[str, Any]) -> None:
    """Add the body of merging, and an example: the states of two requests, and their answer."""
    path, name = "/v1/merge", "two_requests"
    parts = answers(api, [Asked("/v1/score/tokens", JSON, orjson.dumps(body)) for body in PARTS])
    body = {"states": [orjson.loads(part.body)["state"] for part in parts]}
    (answer,) = answers(api, [Asked(path, JSON, orjson.dumps(body))])
    operation, text = found["paths"][path]["post"], "The states of two requests about one document each"
    content = {"schema": reference("schemas", "MergeRequest"), "examples": {name: {"summary": text, "value": body}}}
    operation["requestBody"] = {"required": True, "content": {JSON: content}}
    key = class_name(f"merge_{name}")
    found["components"]["examples"][key] = {"summary": text, "value": orjson.loads(answer.body)}
    _examples_of(found, path)[name] = reference("examples", key)


def _examples_of(found: dict[str, Any], path: str) -> dict[str, Any]:
    content = found["paths"][path]["post"]["responses"]["200"]["content"][JSON]
    examples: dict[str, Any] = content.setdefault("examples", {})
    return examples


def main(arguments: list[str] | None = None) -> int:
    """Write the document, or compare it with the code; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.api.contract.openapi", description="The OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = dump(document())
    if not options.check:
        DOCUMENT.write_text(text)
        return 0
    written = DOCUMENT.read_text() if DOCUMENT.exists() else "{}\n"
    if _comparable(orjson.loads(written)) == _comparable(document()):
        return 0
    difference = unified_diff(written.splitlines(), text.splitlines(), "openapi.json", "the code", lineterm="")
    print("openapi/openapi.json differs from the code; to write it anew: python -m app.api.contract.openapi")
    print("\n".join(islice(difference, 40)))
    return 1


def dump(content: dict[str, Any]) -> str:
    """The text of the document as it is committed: sorted, indented, with a newline at the end."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(content, option=options).decode()


def _comparable(value: Any, *, is_exact: bool = True) -> Any:
    """The document with the numbers of libraries and fits rounded; all others are compared to the last bit."""
    match value:
        case float() if not is_exact:
            return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        case dict():
            return {
                key: _comparable(item, is_exact=is_exact and key not in FROM_LIBRARIES and not _is_fit(key))
                for key, item in value.items()
            }
        case list():
            return [_comparable(item, is_exact=is_exact) for item in value]
        case _:
            return value


def _is_fit(key: str) -> bool:
    """Tell if an object is an answer of calibrating, which an optimizer's steps and sums in floating point make."""
    return key.startswith("Calibrate") and key.removeprefix("Calibrate") not in {"Answer", "Section"}


if __name__ == "__main__":
    sys.exit(main())
