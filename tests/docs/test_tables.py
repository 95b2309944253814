"""The tables of the documents are made from the code. A failure shows the table that belongs there."""

import ast
import json
import re
import shlex
from dataclasses import fields
from itertools import chain
from types import NoneType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen

from app.api.problems import CATALOGUE
from app.api.schemas.calibrate import OWN as CALIBRATE_OPTIONS
from app.core.metrics.metric import LOSS_OPTIONS
from app.core.metrics.registry import METRICS
from app.core.options import Options, option_types
from app.core.tasks import TASKS, TaskName
from app.service import INCLUDES
from app.service.sections import MAX_LISTED_CLASSES
from app.settings import Settings
from tests.asking import WORKED, Body, ask, near, values
from tests.docs.test_examples import requests_and_answers
from tests.documents import ROOT, Document, markdown, shown

REFERENCE = Document("docs/reference.md")
CONVENTIONS = Document("docs/conventions.md")
OPERATING = Document("docs/operating.md")


def quoted(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def tasks_table() -> str:
    rows = [
        [f"`{task.name}`", quoted(task.truths), quoted(task.predictions), quoted(task.columns), task.summary]
        for task in TASKS.values()
    ]
    return markdown("| task | truth: one of | prediction: one of | may come along | what it is |", rows)


def options_table() -> str:
    rows = [
        [
            f"`{option.name}`",
            "none" if option.default is None else f"`{json.dumps(option.default)}`".replace('"', ""),
            domain(option_types()[option.name]),
            "all" if set(option.metadata["tasks"]) == set(TASKS) else ", ".join(option.metadata["tasks"]),
            option.metadata["doc"],
        ]
        for option in fields(Options)
    ]
    return markdown("| option | default | values | tasks | what it does |", rows)


SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<"), MaxLen: ("max_length", "length ≤")}


def domain(hint: Any) -> str:
    """The values that a type allows, in words."""
    if get_origin(hint) is Literal:
        return quoted(get_args(hint))
    if get_origin(hint) is Annotated:
        bounds = [(getattr(bound, SIGNS[type(bound)][0]), SIGNS[type(bound)][1]) for bound in hint.__metadata__]
        kind = domain(hint.__origin__)
        return kind + (", " if " " in kind else " ") + ", ".join(f"{sign} {limit}" for limit, sign in bounds)
    if get_origin(hint) is tuple:
        items = domain(get_args(hint)[0])
        if " or " in items:
            return "list of " + " or of ".join(f"{item}s" for item in items.split(" or "))
        kind, *rest = items.split(maxsplit=1)
        return " ".join([f"list of {kind}s", *rest])
    kinds = {float: "number", int: "integer", str: "string"}
    return kinds.get(hint) or " or ".join(domain(part) for part in get_args(hint) if part is not NoneType)


def metrics_table() -> str:
    asking = askings()
    rows = [
        [
            f"`{metric.name}`",
            metric.unit,
            metric.direction,
            *("x" if task in metric.tasks else "" for task in TASKS),
            " or ".join(f"`{name}`" for name in asking.get(metric.name, [])),
        ]
        for metric in METRICS
    ]
    return markdown(f"| metric | unit | direction | {' | '.join(TASKS)} | asked for with |", rows)


def moved_table() -> str:
    rows = [
        [f"`{metric.name}`", *("x" if option in metric.moved_by else "" for option in LOSS_OPTIONS)]
        for metric in METRICS
        if metric.moved_by
    ]
    return markdown(f"| metric | {' | '.join(f'`{option}`' for option in LOSS_OPTIONS)} |", rows)


def askings() -> dict[str, list[str]]:
    """The fields that make a metric appear, for those that are not there in any case."""
    tried: dict[TaskName, tuple[Body, Body]] = {
        "multiclass": (WORKED, {"focal_gamma": 2.0, "focal_alpha": 0.5, "top_k": [1]}),
        "tokens": ({"log_probabilities": [[-1.0]]}, {"n_bytes": [3], "n_words": [1]}),
    }
    found = {metric.name: ["metrics"] for metric in METRICS if metric.on_request}
    for task, (body, fields_to_try) in tried.items():
        for name, value in fields_to_try.items():
            for metric in values(task, body | {name: value}).keys() - values(task, body):
                found.setdefault(metric.replace("top_1", "top_{k}"), []).append(name)
    return found


def calibrate_table() -> str:
    known = {
        name: field for model in reversed(CALIBRATE_OPTIONS.values()) for name, field in model.model_fields.items()
    }
    rows = []
    for name in ("method", "n_folds", "seed", "normalization"):
        field = known[name]
        hint: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        rows.append([f"`{name}`", f"`{field.default}`", domain(hint), field.description or ""])
    return markdown("| option | default | values | meaning |", rows)


def problems_table() -> str:
    rows = [[f"`{code}`", str(problem.status), problem.title] for code, problem in CATALOGUE.items()]
    return markdown("| code | status | meaning |", rows)


def settings_table() -> str:
    rows = [
        [
            f"`SURPRISAL_{name.upper()}`",
            f"`{setting.default}`" if setting.default != "" else "none",
            setting.description or "",
        ]
        for name, setting in Settings.model_fields.items()
    ]
    return markdown("| variable | default | what it does |", rows)


TABLES = {
    "Tasks": (REFERENCE, tasks_table),
    "Options": (REFERENCE, options_table),
    "Metrics": (REFERENCE, metrics_table),
    "Options of the loss": (CONVENTIONS, moved_table),
    "Calibrating": (REFERENCE, calibrate_table),
    "Errors": (REFERENCE, problems_table),
    "Settings": (OPERATING, settings_table),
}


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_is_that_of_the_code(heading: str) -> None:
    document, table = TABLES[heading]
    assert document.table(heading) == table()


@pytest.mark.parametrize("row", REFERENCE.rows("Tasks", 1), ids=lambda row: str(row[0]))
def test_a_body_of_each_task(row: list[str]) -> None:
    task, body, value = (cell.strip("`") for cell in row)
    assert values(task, json.loads(body))["cross_entropy"] == ("ok", near(float(value)))


def test_there_is_a_body_of_each_task() -> None:
    assert [row[0].strip("`") for row in REFERENCE.rows("Tasks", 1)] == list(TASKS)


def test_the_worked_example_is_shown() -> None:
    command, answer = requests_and_answers(REFERENCE)[0]
    assert json.loads(shlex.split(command)[-1]) == WORKED
    told = shown(answer)
    assert told["metrics"]["cross_entropy"]["value"] == 0.7135581778200729
    assert [warning["code"] for warning in told["warnings"]] == ["not_normalized", "single_class"]


def test_every_path_is_in_the_table() -> None:
    described = re.findall(r"`(?:GET|POST) ([^`]+)`", REFERENCE.table("Paths"))
    served = json.loads((ROOT / "openapi/openapi.json").read_text())["paths"]
    known = {re.sub(r"/(score|compare|calibrate)/\w+", r"/\1/{task}", path) for path in served}
    assert known <= set(described)


def test_sections() -> None:
    told = {row[0].strip("`"): row[1].split(", ") for row in REFERENCE.rows("Sections")}
    sections = dict.fromkeys(chain.from_iterable(INCLUDES.values()))
    assert f"at most {MAX_LISTED_CLASSES:,} of them" in REFERENCE.section("Sections")
    assert told == {section: [task for task in TASKS if section in INCLUDES[task]] for section in sections}


PAIR: Body = {"labels": [1, 0], "probabilities": [[0.2, 0.8], [0.7, 0.3]]}
WARNED: dict[str, Body] = {
    "all_ignored": PAIR | {"mask": [False, False]},
    "not_normalized": WORKED,
    "rounded_to_bounds": PAIR | {"probabilities": [[-1e-16, 1.0], [0.7, 0.3]]},
    "sentinel_value": {"labels": [1, 0], "logits": [[0.5, -9999.0], [0.7, 0.3]]},
    "zero_probability": PAIR | {"probabilities": [[1.0, 0.0], [0.7, 0.3]]},
    "clipped": PAIR | {"probabilities": [[1.0, 0.0], [0.7, 0.3]], "epsilon": 0.01},
    "looks_like_probabilities": {"labels": [1, 0], "logits": PAIR["probabilities"]},
    "worse_than_uniform": PAIR | {"labels": [0, 1]},
    "single_class": WORKED,
    "few_samples": PAIR | {"sample_weight": [1.0, 0.0]},
    "constant_predictions": {"labels": [0, 1] * 5, "probabilities": [[0.5, 0.5]] * 10},
    "duplicated_rows": {"labels": [0, 1] * 5, "probabilities": [[0.9, 0.1], [0.2, 0.8]] * 5},
}


def test_warnings() -> None:
    told = {code.strip("`"): re.findall(r"\w+", evidence) for code, _, evidence in REFERENCE.rows("Warnings")}
    assert set(told) == codes_in_the_source()
    for code, evidence in told.items():
        raised = [warning for warning in ask("multiclass", WARNED[code])["warnings"] if warning["code"] == code]
        assert [sorted(warning) for warning in raised] == [sorted(["code", "detail", *evidence])], code


def codes_in_the_source() -> set[str]:
    """The first argument of every call of `warning`."""
    calls = [
        node
        for path in (ROOT / "app/core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "warning"
    ]
    return {cast("ast.Constant", call.args[0]).value for call in calls}  # type: ignore[misc]


def test_every_field_of_a_request_is_described() -> None:
    schemas = json.loads((ROOT / "openapi/openapi.json").read_text())["components"]["schemas"]
    requests = {
        name: schema for name, schema in schemas.items() if name.endswith(("Request", "Candidate", "Bootstrap"))
    }
    assert len(requests) > 10
    missing = {
        field
        for schema in requests.values()
        for field in schema["properties"]
        if not re.search(rf'[`"]{field}[`"]', REFERENCE.text)
    }
    assert missing == set()
