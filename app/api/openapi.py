"""The OpenAPI document: what FastAPI knows of the routes, and the bodies that routes read raw.

    python -m app.api.openapi          # write openapi/openapi.json
    python -m app.api.openapi --check  # exit 1 if it differs from the code

Answers in examples come from the service itself, so they cannot rot.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app import __version__
from app.api import calibrate_schemas, compare_schemas, problems, schemas
from app.api.accept import dumps
from app.api.answers import ProblemDetails
from app.api.example_rows import ROWS_AS_TEXT
from app.api.examples import CALIBRATE_EXAMPLES, COMPARE_EXAMPLES, EXAMPLES, Example
from app.api.media import ARROW, ROWS_TYPES
from app.api.query import query_names
from app.api.routes import ROUTERS, calibrate, compare, score
from app.api.telemetry import Exchange
from app.core.tasks import TaskName
from app.errors import InvalidInput

DOCUMENT = Path(__file__).parents[2] / "openapi" / "openapi.json"
REFERENCE = "#/components/schemas/{model}"
SIGNIFICANT_DIGITS = 12
DESCRIPTION = (
    "Scores predicted probabilities: cross-entropy and its relatives, with standard errors.\n\n"
    "Errors are `application/problem+json` (RFC 9457); every code has a page at `/problems/{code}`. "
    "Every answer carries `X-Request-ID`."
)
HEADERS = {
    "X-Request-ID": {
        "description": "The request's own if it sent one of 1 to 128 visible ASCII characters, else a new one.",
        "schema": {"type": "string"},
    }
}


@dataclass(frozen=True, slots=True)
class Noun:
    """Routes `/v1/{noun}/{task}` that read their bodies raw.

    Attributes:
        models: The schemas of their bodies, by task.
        answer: From a task and a JSON body to the answer.
        examples: Bodies to try, by task and name.
    """

    models: Mapping[TaskName, type[BaseModel]]
    answer: Callable[[TaskName, bytes], dict[str, Any]]
    examples: Mapping[TaskName, Mapping[str, Example]]


NOUNS = {
    "score": Noun(schemas.MODELS, score.answer, EXAMPLES),
    "compare": Noun(compare_schemas.MODELS, compare.answer, COMPARE_EXAMPLES),
    "calibrate": Noun(calibrate_schemas.MODELS, calibrate.answer, CALIBRATE_EXAMPLES),
}


@cache
def document() -> dict[str, Any]:
    """The whole document; the first call runs the examples."""
    api = FastAPI(title="Surprisal", version=__version__, description=DESCRIPTION)
    for router in ROUTERS:
        api.include_router(router)
    found = api.openapi()
    found["servers"] = [{"url": ".", "description": "Where this document is served."}]
    bodies = chain.from_iterable(noun.models.values() for noun in NOUNS.values())
    models = [(model, "validation") for model in (*bodies, ProblemDetails)]
    _, shapes = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]
    found["components"]["schemas"] |= shapes["$defs"]
    for name, noun in NOUNS.items():
        for task in noun.models:
            path = f"/v1/{name}/{task}"
            _add_examples(found["paths"][path]["post"], path, noun, task)
    for task in schemas.MODELS:
        _add_formats(found["paths"][f"/v1/score/{task}/rows"]["post"], task)
    for operation in chain.from_iterable(methods.values() for methods in found["paths"].values()):
        for response in operation["responses"].values():
            response["headers"] = HEADERS
    return found


def _add_examples(operation: dict[str, Any], path: str, noun: Noun, task: TaskName) -> None:
    reference = {"$ref": REFERENCE.format(model=noun.models[task].__name__)}
    examples = noun.examples[task]
    bodies = {name: {"summary": e.summary, "value": e.body} for name, e in examples.items()}
    content = {"application/json": {"schema": reference, "examples": bodies}}
    operation["requestBody"] = {"required": True, "content": content}
    for name, example in examples.items():
        status, media_type, value = _ask(path, noun, task, example.body)
        answers = operation["responses"][status]["content"][media_type].setdefault("examples", {})
        answers.pop("invalid_input", None)  # a true one takes its place
        answers[name] = {"summary": example.summary, "value": value}


def _add_formats(operation: dict[str, Any], task: TaskName) -> None:
    """What may be sent and answered besides JSON, and the options that then stand in the query."""
    content: dict[str, Any] = {}
    operation["requestBody"] = {"required": True, "content": content}
    for media_type, format_ in ROWS_TYPES.items():
        if format_ in ROWS_AS_TEXT:
            text = ROWS_AS_TEXT[format_](next(iter(EXAMPLES[task].values())).body)
            content[media_type] = {"schema": {"type": "string"}} | ({"example": text} if text else {})
        else:
            content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    operation["responses"]["200"]["content"][ARROW] = {"schema": {"type": "string", "format": "binary"}}
    fields = schemas.MODELS[task].model_json_schema(ref_template=REFERENCE)["properties"]
    operation["parameters"] = [_parameter(name, fields[name]) for name in query_names(task)]


def _parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    text = f"{field['description']}{' A JSON object.' if name == 'bootstrap' else ''}"
    shape = {key: value for key, value in field.items() if key not in ("description", "title", "default")}
    parameter = {"name": name, "in": "query", "required": False, "description": text}
    return parameter | {"schema": {"type": "string"} if name == "bootstrap" else shape}


def _ask(path: str, noun: Noun, task: TaskName, body: dict[str, Any]) -> tuple[str, str, Any]:
    try:
        return "200", "application/json", orjson.loads(dumps(noun.answer(task, orjson.dumps(body))))
    except InvalidInput as error:
        exchange = Exchange("5e0c6d9a1f0b4c7e8a3d2b1f6c5e4d3a", "POST")
        scope = {"path": path, "state": {"exchange": exchange}}
        return "422", problems.MEDIA_TYPE, orjson.loads(problems.answer(scope, error).body)


def main(arguments: list[str] | None = None) -> int:
    """Write the document or compare it with the code; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.api.openapi", description="The OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = dump(document())
    if not options.check:
        DOCUMENT.write_text(text)
        return 0
    written = DOCUMENT.read_text() if DOCUMENT.exists() else "{}\n"
    if _rounded(orjson.loads(written)) == _rounded(document()):
        return 0
    difference = unified_diff(written.splitlines(), text.splitlines(), "openapi.json", "the code", lineterm="")
    print("openapi/openapi.json differs from the code; to write it anew: python -m app.api.openapi")
    print("\n".join(islice(difference, 40)))
    return 1


def dump(content: dict[str, Any]) -> str:
    """As it is committed: sorted, indented, with a newline at the end."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(content, option=options).decode()


def _rounded(value: Any) -> Any:
    """Logarithms differ in their last bit from processor to processor; the contract does not."""
    match value:
        case float():
            return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list():
            return [_rounded(item) for item in value]
        case _:
            return value


if __name__ == "__main__":
    sys.exit(main())
