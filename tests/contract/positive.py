"""Random requests that schemathesis draws from the document, sent to a server; their columns are made one table.

A program for the environment of the contract: `python positive.py URL DOCUMENT FOLDER N`. The folder holds a body of
rows for each operation, task and media type. It prints a line for each operation: the requests sent, those that were
answered 200, and what failed.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
Body = dict[str, Any]
Level = Callable[[Any], Any]
MOST_ROWS, MOST_CLASSES = 20, 5
SHARED = {"multiclass", "distributions"}
"""The tasks whose rows are shares of classes, which add up to 1."""
SHARES = {"targets", "probabilities", "log_probabilities"}


ROWS = ["vnd.apache.arrow.stream", "vnd.apache.parquet", "x-npz", "x-ndjson"]


def as_it_is(_: Any, body: bytes) -> bytes:
    return body


schemathesis.serializer("text/csv", *(f"application/{name}" for name in ROWS))(as_it_is)


def share(value: float) -> float:
    return abs(value) if abs(value) <= 1 else 1 / abs(value)


def count(value: int) -> int:
    return 1 + abs(value) % 1000


def label(value: Any, k: int) -> int:
    return (value if isinstance(value, int) else len(value)) % k


def levels(k: int) -> dict[str, Level]:
    """The functions, by column, that make a value of its type one that it may hold."""
    return {
        "labels": partial(label, k=k),
        "targets": share,
        "probabilities": share,
        "log_probabilities": lambda value: 0.0 if isinstance(value, str) else -min(700.0, abs(value)),
        "logits": lambda value: value,
        "sample_weight": lambda value: min(abs(value), 1e9),
        "n_tokens": count,
        "n_bytes": count,
        "n_words": count,
        "mask": bool,
        "cluster_id": str,
    }


def repeated(values: Iterable[Any], n: int) -> list[Any]:
    return list(islice(cycle(values), n))


def as_table(body: Body, task: str) -> Body:
    """The same body, with columns of one length and width, rows of shares that add up to 1, and labels of classes."""
    parts = [body, *body.get("candidates", {}).values()]
    columns = [part[name] for part in parts for name in (*SHARES, "labels", "logits") if name in part]
    n = min(MOST_ROWS, max(map(len, columns)))
    widths = [len(row) for column in columns for row in column if isinstance(row, list)]
    k = min(MOST_CLASSES, max(2, *widths)) if widths else 2
    level_of = levels(k if task in SHARED else 2)
    for part in parts:
        for name in part.keys() & level_of.keys():
            rows = [wide(row, level_of[name], k) for row in repeated(part[name] or (), n)]
            part[name] = [split(row, name) for row in rows] if task in SHARED and name in SHARES else rows or None
    if body.get("slices"):
        body["slices"] = {name: repeated(map(str, values or ["a"]), n) for name, values in body["slices"].items()}
    of_documents(body, parts)
    if body.get("require"):  # no schema tells which names are metrics of the answer
        body["require"] = {"cross_entropy": {"max": 1.0}}
    if not body.get("labels"):  # the label that is left out is one of theirs
        body.pop("ignore_index", None)
    if "candidates" in body:
        body["baseline"] = next(iter(body["candidates"]))
    if "classes" in body:
        body["classes"] = [f"{i}{name}" for i, name in enumerate(repeated(body["classes"] or ["a"], k))]
    return body


def of_documents(body: Body, parts: list[Body]) -> None:
    """Leave out what documents that are sums, or of which no sizes are sent, cannot have."""
    if (per := body.get("per")) in ("byte", "word") and not body.get(f"n_{per}s"):
        del body["per"]
    for part in parts[1:]:  # what stands beside candidates, or differs in the tokens that are compared, is not theirs
        for name in ("mask", "n_tokens"):
            if body.get(name) or body.get("per", "token") == "token":
                part.pop(name, None)
    if any(part.get("n_tokens") for part in parts):
        body.pop("epsilon", None)
        for part in parts if body.get("n_tokens") else [part for part in parts if part.get("n_tokens")]:
            part |= {name: [row[:1] for row in part[name]] for name in ("log_probabilities", "mask") if part.get(name)}


def wide(row: Any, level: Level, k: int) -> Any:
    """A value, or a row of k values."""
    return list(map(level, repeated(row or [0], k))) if isinstance(row, list) else level(row)


def split(row: list[float], name: str) -> list[float]:
    """The row as shares, or as their logarithms."""
    values = list(map(math.exp, row)) if name == "log_probabilities" else row
    total = math.fsum(values)
    parts = [value / total for value in values] if total else [1 / len(row)] * len(row)
    return [math.log(max(part, 1e-300)) for part in parts] if name == "log_probabilities" else parts


def of_columns(query: Body, noun: str, task: str) -> Body:
    """The query, with the columns that it names among those of the body."""
    own = {"distributions": {"targets", "probabilities"}, "tokens": {"log_probabilities"}}
    there = own.get(task, {"labels", "probabilities"})
    names = levels(2).keys() | {"slices", "candidates"}
    if noun == "compare":
        there -= {"probabilities", "log_probabilities"}
        query |= {"baseline": "a"} | ({"per": "token"} if "per" in query else {})
    return {
        name: name if name in there else value for name, value in query.items() if name in there or name not in names
    }


def tried(operation: Any, url: str, folder: Path, n: int) -> Body:
    """Send random requests of an operation, and look at each answer."""
    noun, task = operation.path.split("/")[2:3], operation.path.split("/")[3:4]
    found: Body = {"operation": operation.label, "sent": 0, "accepted": 0, "failures": []}

    @settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        if operation.path.endswith("/rows"):
            case.body = (folder / f"{noun[0]} {task[0]} {case.media_type.replace('/', ' ')}").read_bytes()
            case.query = of_columns(case.query or {}, noun[0], task[0])
        elif task and isinstance(case.body, dict):
            case.body = as_table(case.body, task[0])
        response = case.call(base_url=url)
        found["sent"] += 1
        found["accepted"] += response.status_code == 200
        case.validate_response(response, checks=CHECKS)

    try:
        send()
    except Exception as error:  # noqa: BLE001 every failure is told, and the next operation tried
        found["failures"].append(repr(error)[:2_000])
    return found


def main(url: str, document: str, folder: str, n: str) -> None:
    for operation in schemathesis.openapi.from_path(document).get_all_operations():
        print(json.dumps(tried(operation.ok(), url, Path(folder), int(n))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
