"""Query parameters of rows in the document: options, and names of columns."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from app.api.contract import samples
from app.api.contract.components import class_name, reference
from app.api.schemas.query import RowsSchema
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
CANDIDATE_COLUMNS = {
    "name": "candidates",
    "in": "query",
    "description": "Columns of candidates: `candidates.old=p_old`, or `candidates.old.logits=z_old_*`, a parameter for "
    f"each. Where one is named, there are no others. {SEVERAL}",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}

References: TypeAlias = dict[tuple[str, TaskName], list[dict[str, str]]]


def parameters_of(shapes: Mapping[str, Any], schemas: Mapping[str, RowsSchema]) -> tuple[dict[str, Any], References]:
    """Options and columns as query parameters by name, and the references to them of each operation and task.

    One parameter serves all tasks and operations that know it in the same way.
    """
    named: dict[str, Any] = {class_name(EXTRA): EXTRA_COLUMNS}
    references: References = {(noun, task): [] for noun, schema in schemas.items() for task in schema.models}
    for noun, schema in schemas.items():
        for option in dict.fromkeys(option for task in schema.models for option in schema.options(task)):
            found = {
                task: _parameter(option, shapes[model.__name__]["properties"][option])
                | (_required(noun, task, option) if model.model_fields[option].is_required() else {})
                for task, model in schema.models.items()
                if option in schema.options(task)
            }
            is_shared = all(parameter == next(iter(found.values())) for parameter in found.values())
            for task, parameter in found.items():
                names = (option, f"{noun}_{option}") if is_shared else (f"{task}_{option}", f"{noun}_{task}_{option}")
                references[noun, task].append(_reference(named, names, parameter))
    for (noun, task), of_task in references.items():
        of_task += [
            _reference(named, (f"{column}_column",), _column_parameter(column))
            for column in schemas[noun].columns(task)
        ]
        if schemas[noun].has_candidates:
            of_task.append(_reference(named, ("candidate_columns",), CANDIDATE_COLUMNS))
        of_task.append(reference("parameters", class_name(EXTRA)))
    return named, references


def _reference(named: dict[str, Any], names: tuple[str, ...], parameter: dict[str, Any]) -> dict[str, str]:
    """A reference to a parameter under the first of some names that is free, or that it has already."""
    name = next(name for name in map(class_name, names) if named.setdefault(name, parameter) == parameter)
    return reference("parameters", name)


def _parameter(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    text, shape = field["description"], {key: value for key, value in field.items() if key != "description"}
    if name == "classes":
        text = f"{text} {AUTO_CLASSES}"
    if name == "bootstrap":
        text, shape = f'{text} As JSON: `{{"n_resamples": 1000, "seed": 0}}`.', {"type": "string"}
    if name == "require":
        text, shape = f"{text} As JSON.", {"type": "string"}
    return {"name": name, "in": "query", "description": text, "schema": shape}


def _required(noun: str, task: TaskName, option: str) -> dict[str, Any]:
    """The words of a parameter that must be set, with its value for the rows of the first example."""
    return {"required": True, "example": samples.first_body(task, noun)[option]}


def _column_parameter(name: str) -> dict[str, Any]:
    text = f"Name of the column that holds `{name}`, where it is another."
    if name in WIDE:
        text = f"{text} {SEVERAL}"
    if name == "slices":
        text = SLICE_COLUMNS
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
