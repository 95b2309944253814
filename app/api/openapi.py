"""The OpenAPI document: what FastAPI knows of the routes, and the bodies that routes read raw.

    python -m app.api.openapi          # write openapi/openapi.json
    python -m app.api.openapi --check  # exit 1 if it differs from the code

Answers in examples come from the service itself, so they cannot rot.
"""

import argparse
import sys
from difflib import unified_diff
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app import __version__
from app.api import problems
from app.api.answers import ProblemDetails
from app.api.examples import EXAMPLES, Example
from app.api.routes import ROUTERS
from app.api.routes.score import answer, dumps
from app.api.schemas import MODELS
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


@cache
def document() -> dict[str, Any]:
    """The whole document; the first call runs the examples."""
    api = FastAPI(title="Surprisal", version=__version__, description=DESCRIPTION)
    for router in ROUTERS:
        api.include_router(router)
    found = api.openapi()
    models = [(model, "validation") for model in (*MODELS.values(), ProblemDetails)]
    _, schemas = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]
    found["components"]["schemas"] |= schemas["$defs"]
    for task, examples in EXAMPLES.items():
        _add_examples(task, found["paths"][f"/v1/score/{task}"]["post"], examples)
    for operation in chain.from_iterable(methods.values() for methods in found["paths"].values()):
        for response in operation["responses"].values():
            response["headers"] = HEADERS
    return found


def _add_examples(task: TaskName, operation: dict[str, Any], examples: dict[str, Example]) -> None:
    reference = {"$ref": REFERENCE.format(model=MODELS[task].__name__)}
    bodies = {name: {"summary": e.summary, "value": e.body} for name, e in examples.items()}
    content = {"application/json": {"schema": reference, "examples": bodies}}
    operation["requestBody"] = {"required": True, "content": content}
    for name, example in examples.items():
        status, media_type, value = _ask(task, example.body)
        answers = operation["responses"][status]["content"][media_type].setdefault("examples", {})
        answers.pop("invalid_input", None)  # a true one takes its place
        answers[name] = {"summary": example.summary, "value": value}


def _ask(task: TaskName, body: dict[str, Any]) -> tuple[str, str, Any]:
    try:
        return "200", "application/json", orjson.loads(dumps(answer(task, orjson.dumps(body), max_columns=100)))
    except InvalidInput as error:
        exchange = Exchange("5e0c6d9a1f0b4c7e8a3d2b1f6c5e4d3a", "POST")
        scope = {"path": f"/v1/score/{task}", "state": {"exchange": exchange}}
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
