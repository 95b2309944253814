"""Query parameters of rows in the document: options, and names of columns."""

from collections.abc import Mapping
from typing import Any

from app.api.contract.components import class_name, reference
from app.api.schemas import score
from app.api.schemas.query import column_names, query_names
from app.core.tasks import TaskName
from app.wire.columns import WIDE
from app.wire.fields import EXTRA

SEVERAL = "Several stand with commas between them; `p_*` is all that begin with `p_`."
SLICE_COLUMNS = "Names of columns, with commas between them."
AUTO_CLASSES = "`auto` takes them from the names of the columns of the prediction."
EXTRA_COLUMNS = {
    "name": EXTRA,
    "in": "query",
    "description": "Treatment of columns that hold no field: leave them out, or refuse them. It is `ignore` as soon as "
    "the query names a column, else `error`.",
    "schema": {"$ref": "#/components/schemas/ExtraColumns"},
}


def parameters_of(shapes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[TaskName, list[dict[str, str]]]]:
    """Options as query parameters by name, one for all tasks that know it in the same way, and references by task."""
    named: dict[str, Any] = {}
    references: dict[TaskName, list[dict[str, str]]] = {task: [] for task in score.MODELS}
    for option in dict.fromkeys(option for task in score.MODELS for option in query_names(task)):
        found = {
            task: _parameter(option, shapes[model.__name__]["properties"][option])
            for task, model in score.MODELS.items()
            if option in query_names(task)
        }
        is_shared = all(parameter == next(iter(found.values())) for parameter in found.values())
        for task, parameter in found.items():
            name = class_name(option if is_shared else f"{task}_{option}")
            named[name] = parameter
            references[task].append(reference("parameters", name))
    for task, of_task in references.items():
        for column in column_names(task):
            name = class_name(f"{column}_column")
            named[name] = _column_parameter(column)
            of_task.append(reference("parameters", name))
        of_task.append(reference("parameters", class_name(EXTRA)))
    named[class_name(EXTRA)] = EXTRA_COLUMNS
    return named, references


def _parameter(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    text, shape = field["description"], {key: value for key, value in field.items() if key != "description"}
    if name == "classes":
        text = f"{text} {AUTO_CLASSES}"
    if name == "bootstrap":
        text, shape = f'{text} As JSON: `{{"n_resamples": 1000, "seed": 0}}`.', {"type": "string"}
    if name == "require":
        text, shape = f"{text} As JSON.", {"type": "string"}
    return {"name": name, "in": "query", "description": text, "schema": shape}


def _column_parameter(name: str) -> dict[str, Any]:
    text = f"Name of the column that holds `{name}`, where it is another."
    if name in WIDE:
        text = f"{text} {SEVERAL}"
    if name == "slices":
        text = SLICE_COLUMNS
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
