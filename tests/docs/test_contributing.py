"""CONTRIBUTING.md is true: its metric, option and endpoint work, and what documents name exists."""

import ast
import asyncio
import doctest
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.api.contract.texts import TAGS
from app.api.schemas import answers
from app.core.formulas import divergences
from app.core.metrics import divergences as group
from app.core.metrics import registry
from app.core.metrics.plan import plan_of
from app.core.metrics.registry import METRICS
from app.core.tasks import TASKS
from app.service import score
from tests import reference
from tests.bodies import random_body
from tests.core.parts import rows, state, values
from tests.documents import DOCUMENTS, ROOT, Document
from tests.requests import request_of

GUIDE = Document("CONTRIBUTING.md")
CODE = [block.code for block in GUIDE.blocks() if block.language == "python"]
FUNCTION, MEAN, ENTRY, REFERENCE, HAND, OPTION, COLUMN, ANSWER, ROUTE, TEST = CODE


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run code of the page among `names`; those it adds."""
    scope = dict(names)
    exec(code, scope)  # noqa: S102 - the page's own example
    return {name: value for name, value in scope.items() if name not in names}


def value_of(code: str, names: dict[str, Any]) -> Any:
    return eval(code, dict(names))  # noqa: S307 - the page's own example


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The metric of the page, in the registry and in the reference; plans that do not know it are forgotten."""
    for name, function in run(FUNCTION, vars(divergences)).items():
        monkeypatch.setattr(divergences, name, function, raising=False)
    metric = value_of(ENTRY, vars(group) | run(MEAN, vars(group)))
    monkeypatch.setattr(registry, "METRICS", (*METRICS, metric))
    plain = reference._divergences

    def with_the_new_one(samples: Any, body: Any) -> dict[str, Any]:
        new = value_of(REFERENCE, vars(reference) | {"samples": samples, "body": body})
        return {**plain(samples, body), **new}

    monkeypatch.setattr(reference, "_divergences", with_the_new_one)
    plan_of.cache_clear()
    yield
    plan_of.cache_clear()


def test_the_function_shows_a_true_example() -> None:
    names = vars(divergences) | run(FUNCTION, vars(divergences))
    (example,) = doctest.DocTestFinder().find(names["total_variation"], "total_variation", globs=names)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.usefixtures("added")
def test_the_metric_has_the_value_worked_by_hand() -> None:
    _, task, body, name, expected = value_of(HAND, {})
    assert values(task, body)[name].value == expected
    assert score(request_of(task, body))["metrics"][name]["value"] == expected


@pytest.mark.usefixtures("added")
def test_the_metric_agrees_with_the_reference_and_keeps_the_laws() -> None:
    for seed in range(60):
        body = random_body("distributions", np.random.default_rng(seed))
        found = score(request_of("distributions", body))["metrics"]["total_variation"]
        expected = reference.score("distributions", body)["metrics"]["total_variation"]
        assert found["status"] == expected["status"]
        for name in expected.keys() & {"value", "standard_error"} if expected["status"] == "ok" else ():
            assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-14)
        parts = [state("distributions", rows(body, [row])) for row in range(len(body["targets"]))]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole + part
        assert whole == state("distributions", body)


@pytest.mark.parametrize(("example", "file"), [(OPTION, "options.py"), (COLUMN, "tasks.py")], ids=["option", "column"])
def test_the_example_is_that_of_the_code(example: str, file: str) -> None:
    source = re.sub(r"\s+", "", (ROOT / "app/core" / file).read_text())
    assert re.sub(r"\s+", "", example) in source


def test_the_endpoint_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model in run(ANSWER, vars(answers)).items():
        monkeypatch.setattr(answers, name, model, raising=False)
    app = FastAPI()
    app.include_router(run(ROUTE, {"__name__": "app.api.routes.tasks"})["router"])
    assert app.openapi()["paths"]["/v1/tasks"]["get"]["tags"] == [tag for tag in TAGS if tag == "catalogue"]
    test = run(TEST, {"httpx": httpx, "TASKS": TASKS})["test_every_task_is_listed"]

    async def drive() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://surprisal") as client:
            await test(client)

    asyncio.run(drive())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.name))
def test_what_a_document_names_exists(document: Document) -> None:
    assert missing_paths(document.name, document.text) == []
    assert missing_symbols(document.text) == []


def missing_paths(name: str, text: str) -> list[str]:
    """Files in backquotes, from the root, and targets of links, from where the document is."""
    folders = "app|tests|docs|openapi|requirements|deploy|scripts"
    quoted = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    linked = re.findall(r"\]\((?!\w+:)([^)#]+)\)", text)
    places = [ROOT / path for path in quoted] + [(ROOT / name).parent / path for path in linked]
    return [str(place) for place in places if not place.exists()]


def missing_symbols(text: str) -> list[str]:
    """Modules and what they hold, in backquotes."""
    return [name for name in re.findall(r"`(app(?:\.\w+)+)`", text) if not exists(name)]


def exists(name: str) -> bool:
    parts = name.split(".")
    depth = max(at for at in range(1, len(parts) + 1) if is_module(parts[:at]))
    found: Any = importlib.import_module(".".join(parts[:depth]))
    for part in parts[depth:]:
        found = getattr(found, part, None)
    return found is not None


def is_module(parts: list[str]) -> bool:
    path = Path(ROOT, *parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_the_layers_told_are_those_that_are_held() -> None:
    (sketch,) = [block.code for block in Document("docs/decisions/0013-layers.md").blocks() if block.language == "text"]
    (contract,) = [
        contract
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["name"] == "layers"
    ]
    told = [sorted(re.findall(r"\w+", line[:24])) for line in sketch.splitlines()]
    assert told == [sorted(re.findall(r"\w+", layer)) for layer in contract["layers"]]


@pytest.mark.parametrize("code", CODE)
def test_code_of_the_page_is_formatted_like_code(code: str) -> None:
    ast.parse(code)
    assert max(map(len, code.splitlines())) <= 120
