"""Comparing against the plain reference, over random bodies; weights of any size; memory."""

import math
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest

from app.core.options import Options
from app.core.tasks import TASKS, TaskName
from app.service import COMPARED, CompareRequest, compare
from tests.bodies import Body, random_body
from tests.reference_compare import compare as reference
from tests.requests import column, request_of, scoring

ROWWISE = ("binary", "multiclass", "distributions")
"""The tasks whose mean loss is one over rows, not over tokens or labels."""
OWN = ("candidates", "baseline", "margin", "min_samples", "family", "per")


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
    for seed in range(200):
        body = random_comparison(task, np.random.default_rng(seed))
        found = asked(task, body)["comparisons"]
        for entry, told in zip(found, reference(task, body), strict=True):
            verdicts[entry["verdict"]] += 1
            assert differing(told, entry) == [], (seed, told, entry)
    assert min(verdicts[name] for name in ("better", "worse", "equivalent", "inconclusive")) > 1, verdicts


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
            if task in ROWWISE and all(entry["difference"]["status"] == "ok" for entry, _ in parts):
                total = sum(entry["difference"]["value"] * part["n_scored"] for entry, part in parts)
                assert near(whole["difference"]["value"], total / answer["n_scored"])
                n_added += 1
    assert n_added > 10 or task not in ROWWISE


@pytest.mark.parametrize("task", COMPARED)
@pytest.mark.parametrize("size", [5e-324, 2.0**-1040, 2.0**300])
def test_weights_of_any_size_give_the_differences_of_weights_of_one(task: TaskName, size: float) -> None:
    """Bit for bit: a power of two cancels."""
    for seed in range(15):
        body = random_comparison(task, np.random.default_rng(seed)) | {"denominator": "weights"}
        sent = [rows for candidate in body["candidates"].values() for rows in candidate.values()]
        n = len(sent[0])
        if task == "tokens" and any(-math.inf < x < -500.0 for rows in sent for row in rows for x in row):
            continue  # a weight times such a perplexity is beyond doubles, and refused
        one, other = (asked(task, body | {"sample_weight": [weight] * n})["comparisons"] for weight in (1.0, size))
        assert one == other


def test_a_weight_beside_huge_ones_still_counts_as_a_row() -> None:
    rng = np.random.default_rng(3)
    old = rng.uniform(0.4, 0.6, 20).tolist()
    new = [p + 0.2 + 0.01 * rng.random() for p in old]
    body = {"labels": [1] * 20, "candidates": {"old": {"probabilities": old}, "new": {"probabilities": new}}}
    body |= {"baseline": "old", "sample_weight": [5e-324, *[1e100] * 19]}
    (pair,) = asked("binary", body)["comparisons"]
    assert (pair["verdict"], pair["wins"]) == ("better", 20)


@pytest.mark.parametrize("n_slices", [0, 10])
def test_comparing_takes_a_loss_a_row_of_each_candidate(n_slices: int) -> None:
    """The losses of the rows of one slice come on top, and some columns of the candidate that is scored."""
    rng = np.random.default_rng(0)
    n, names = 10_000, [f"c{i}" for i in range(20)]
    slices = {f"s{i}": rng.integers(0, 2, n) for i in range(n_slices)}
    shared = scoring("binary", {"labels": rng.integers(0, 2, n)}, Options(), frozenset(), slices)
    candidates = {name: ("probabilities", rng.uniform(0.01, 0.99, n)) for name in names}
    request = CompareRequest(shared, candidates, "c0")
    compare(request)
    tracemalloc.start()
    compare(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * (2 * len(names) + 30)
