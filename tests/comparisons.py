"""Random bodies of `POST /v1/compare/{task}`, and parts of them."""

from typing import Any

import numpy as np

from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from tests.bodies import Body, random_body


def random_comparison(task: TaskName, rng: np.random.Generator) -> Body:
    """A body of scoring whose prediction is held by one to three candidates more, with rows in other places."""
    body = random_body(task, rng)
    if max(body.get("sample_weight", [1.0])) < 1e-100:
        body["denominator"] = "weights"  # differences that no double holds are no test of verdicts
    form = next(name for name in TASKS[task].predictions if name in body)
    sent = body.pop(form)
    candidates = {"base": sent} | {f"c{i}": _other(task, sent, rng) for i in range(int(rng.integers(1, 4)))}
    options: Body = {"min_samples": int(rng.integers(1, 6)), "margin": float(rng.choice([0.0, 0.1, 5.0]))}
    if rng.random() < 0.3:
        options["family"] = "none"
    if rng.random() < 0.4:
        options["cluster_id"] = rng.integers(0, len(sent), len(sent)).tolist()
    if task == "tokens" and rng.random() < 0.7:
        options["per"] = str(rng.choice(_units(body)))
        if options["per"] != "token" and not {"mask", "n_tokens"} & body.keys():
            candidates |= {name: list(map(_cut, candidates[name])) for name in candidates if name != "base"}
    chosen = {name: {form: values} for name, values in candidates.items()}
    return body | options | {"candidates": chosen, "baseline": "base"}


def _other(task: TaskName, sent: list[Any], rng: np.random.Generator) -> list[Any]:
    if rng.random() < 0.1:
        return sent
    if task == "tokens":
        factor = rng.choice([0.5, 1.0, 2.0])
        return [[float(x * factor * rng.uniform(0.8, 1.2)) for x in document] for document in sent]
    return [sent[row] for row in rng.permutation(len(sent))]


def _units(body: Body) -> list[str]:
    """The units of documents of which their numbers are known."""
    return ["token", "document", *(per for per in ("byte", "word") if f"n_{per}s" in body)]


def _cut(document: list[float]) -> list[float]:
    """The document cut into one token more."""
    return [*document[1:], 0.25 * document[0], 0.75 * document[0]] if document else document


def n_rows(body: Body) -> int:
    """The number of rows of a body."""
    return len(next(iter(body["candidates"][body["baseline"]].values())))


def rows_of(body: Body, rows: slice) -> Body:
    """The body with some of its rows."""
    cut = {name: values[rows] for name, values in body.items() if name in COLUMN_NAMES}
    candidates = {
        name: {field: values[rows] for field, values in sent.items()} for name, sent in body["candidates"].items()
    }
    slices = {name: values[rows] for name, values in body.get("slices", {}).items()}
    return body | cut | {"candidates": candidates} | ({"slices": slices} if slices else {})
