"""Comparing against the plain reference, over random bodies."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from app.core.tasks import TASKS, TaskName
from app.service import COMPARED, CompareRequest, compare
from tests.bodies import Body, random_body
from tests.reference_compare import compare as reference
from tests.requests import column, request_of

OWN = ("candidates", "baseline", "margin", "min_samples", "family")


def random_comparison(task: TaskName, rng: np.random.Generator) -> Body:
    """A body of scoring whose prediction is held by one to three candidates more, with rows in other places."""
    body = random_body(task, rng)
    form = next(name for name in TASKS[task].predictions if name in body)
    sent = body.pop(form)
    candidates = {"base": sent} | {f"c{i}": _other(task, sent, rng) for i in range(int(rng.integers(1, 4)))}
    options: Body = {"min_samples": int(rng.integers(1, 6)), "margin": float(rng.choice([0.0, 0.1, 5.0]))}
    if rng.random() < 0.3:
        options["family"] = "none"
    if rng.random() < 0.4:
        options["cluster_id"] = rng.integers(0, len(sent), len(sent)).tolist()
    chosen = {name: {form: values} for name, values in candidates.items()}
    return body | options | {"candidates": chosen, "baseline": "base"}


def _other(task: TaskName, sent: list[Any], rng: np.random.Generator) -> list[Any]:
    if rng.random() < 0.1:
        return sent
    if task == "tokens":
        factor = rng.choice([0.5, 1.0, 2.0])
        return [[float(x * factor * rng.uniform(0.8, 1.2)) for x in document] for document in sent]
    return [sent[row] for row in rng.permutation(len(sent))]


def asked(task: TaskName, body: Body) -> dict[str, Any]:
    shared = request_of(task, {name: value for name, value in body.items() if name not in OWN})
    candidates = {
        name: (form, column(values)) for name, sent in body["candidates"].items() for form, values in sent.items()
    }
    own = {name: body[name] for name in OWN[2:] if name in body}
    return compare(CompareRequest(shared, candidates, body["baseline"], **own))


def differing(told: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The members of a comparison that are not what the reference has; words of reasons are the service's own."""
    left_out = {"correlation", "reason"}
    others = sorted((told.keys() ^ found.keys()) - left_out)
    return others + [name for name in (told.keys() & found.keys()) - left_out if not near(told[name], found[name])]


def near(told: Any, found: Any) -> bool:
    """Equal, but for the rounding of sums in which numbers near 1 may cancel."""
    if isinstance(told, dict):
        return not differing(told, found)
    if isinstance(told, list | tuple):
        size = max(map(abs, told))
        return all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-6 * size) for x, y in zip(told, found, strict=True))
    if isinstance(told, float):
        return math.isclose(told, found, rel_tol=1e-6, abs_tol=1e-13)  # differences of 1e-10 have six digits
    return bool(told == found)


@pytest.mark.parametrize("task", COMPARED)
def test_comparisons_are_those_of_the_reference(task: TaskName) -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(300):
        body = random_comparison(task, np.random.default_rng(seed))
        found = asked(task, body)["comparisons"]
        for entry, told in zip(found, reference(task, body), strict=True):
            verdicts[entry["verdict"]] += 1
            assert differing(told, entry) == [], (seed, told, entry)
    assert min(verdicts[name] for name in ("better", "worse", "equivalent", "inconclusive")) > 2, verdicts


@pytest.mark.parametrize("task", COMPARED)
def test_differences_of_slices_add_up_to_that_of_all_rows(task: TaskName) -> None:
    n_added = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        body = random_comparison(task, rng) | {"denominator": "count"}
        n = len(next(iter(body["candidates"]["base"].values())))
        answer = asked(task, body | {"slices": {"part": rng.integers(0, 3, n).tolist()}})
        for place, whole in enumerate(answer["comparisons"]):
            parts = [(part["comparisons"][place], part) for part in answer["slices"]["part"].values()]
            assert whole["wins"] == sum(entry["wins"] for entry, _ in parts)
            if task != "tokens" and all(entry["difference"]["status"] == "ok" for entry, _ in parts):
                total = sum(entry["difference"]["value"] * part["n_scored"] for entry, part in parts)
                assert near(whole["difference"]["value"], total / answer["n_scored"])
                n_added += 1
    assert n_added > 10 or task == "tokens"
