"""The part of the document about jobs: requests to try over the data set that comes with the service, and answers."""

from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import FastAPI

from app.api.contract.asking import Asked, answers
from app.api.contract.components import reference
from app.api.contract.examples import Example
from app.api.negotiation.formats import FORMATS
from app.api.negotiation.media import JSON
from app.web import SAMPLE, SAMPLE_IN_IMAGE

COLUMNS = {"labels": "outcome", "probabilities": "p_*"}
CLASSES = ["cat", "dog", "emu"]
JOB_EXAMPLES = {
    "folder": Example(
        "All files of a folder, with the names of their columns",
        {"task": "multiclass", "source": SAMPLE_IN_IMAGE, "columns": COLUMNS, "options": {"classes": CLASSES}},
    ),
    "by_site": Example(
        "A pattern; folders such as `site=paris` are a column, and rows that cannot be scored are left out",
        {
            "task": "multiclass",
            "source": f"{SAMPLE_IN_IMAGE}/*/*.parquet",
            "columns": {**COLUMNS, "slices": ["site"]},
            "options": {"classes": CLASSES, "unit": "bits"},
            "include": ["slices", "worst"],
            "on_error": "skip",
            "max_skipped_share": 0.001,
        },
    ),
}
BEGUN = {
    "id": "8f7c2d1e5b6a4c3f9e0d7a6b5c4d3e2f",
    "status": "queued",
    "created_at": "2026-12-01T12:00:00.000Z",
    "request": JOB_EXAMPLES["folder"].body,
    "progress": {"shards_done": 0, "rows_done": 0, "rows_skipped": 0, "bytes_done": 0},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A word of your own, of up to 255 visible ASCII characters. Sent again with the same body it gives "
    "the same job, with another body 409.",
    "schema": {"type": "string", "maxLength": 255},
}
WITH_PARAMETERS = (
    ("/v1/jobs", "get"),
    ("/v1/jobs/{id}", "get"),
    ("/v1/jobs/{id}", "delete"),
    ("/v1/jobs/{id}/events", "get"),
)
LOCATION = {"description": "The address of the job.", "schema": {"type": "string"}}


def describe(api: FastAPI, found: dict[str, Any]) -> None:
    """Add the body of a job, its headers, and examples: requests, the job as it begins and as it ends, and a list."""
    post = found["paths"]["/v1/jobs"]["post"]
    bodies = {name: {"summary": example.summary, "value": example.body} for name, example in JOB_EXAMPLES.items()}
    content = {"schema": reference("schemas", "JobSubmission"), "examples": bodies}
    post["requestBody"] = {"required": True, "content": {JSON: content}}
    post["parameters"] = [IDEMPOTENCY_KEY]
    post["responses"]["202"]["headers"]["Location"] = LOCATION
    for operation in (found["paths"][path][method] for path, method in WITH_PARAMETERS):
        operation["parameters"] = list(map(_plain, operation["parameters"]))
    ended = _ended(_result(api))
    for path, method, status, value in (
        ("/v1/jobs", "post", "202", BEGUN),
        ("/v1/jobs", "get", "200", {"jobs": [_without_result(ended)], "next_cursor": "1"}),
        ("/v1/jobs/{id}", "get", "200", ended),
    ):
        found["paths"][path][method]["responses"][status]["content"][JSON]["example"] = value


def _plain(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter as the others of the document are written: its text tells the default, and stands once."""
    schema, text = parameter["schema"], parameter["description"]
    text += f" Default: `{schema['default']}`." if schema.get("default") else ""
    plain = {name: value for name, value in schema.items() if name not in ("default", "description", "title")}
    return parameter | {"description": text, "schema": plain}


def _ended(result: dict[str, Any]) -> dict[str, Any]:
    n_rows, n_bytes = result["n_samples"], sum(len(file) for file in _files())
    progress = {
        "shards_done": 1,
        "shards_total": 1,
        "rows_done": n_rows,
        "rows_total": n_rows,
        "rows_skipped": 0,
        "bytes_done": n_bytes,
        "bytes_total": n_bytes,
    }
    times = {"started_at": "2026-12-01T12:00:00.250Z", "ended_at": "2026-12-01T12:00:01.500Z"}
    return {**BEGUN, "status": "succeeded", **times, "progress": progress, "result": result}


def _without_result(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "result"}


def _result(api: FastAPI) -> dict[str, Any]:
    """The answer of the first example, by the way of every job: the states of all files, added up."""
    query = [*COLUMNS.items(), *(("classes", name) for name in CLASSES), ("include", "state")]
    rows, format_ = "/v1/score/multiclass/rows", FORMATS["parquet"].media_type
    parts = answers(api, [Asked(rows, format_, file, urlencode(query).encode()) for file in _files()])
    body = {"states": [orjson.loads(part.body)["state"] for part in parts]}
    (answer,) = answers(api, [Asked("/v1/merge", JSON, orjson.dumps(body))])
    result: dict[str, Any] = orjson.loads(answer.body)
    return result


def _files() -> list[bytes]:
    return [path.read_bytes() for path in sorted(SAMPLE.glob("*/*.parquet"))]
