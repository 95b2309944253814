"""Schemas in the form that suits generators of clients: every enum, object, and schema that is used twice has a name.

Pydantic writes enums, ranges and inner objects out wherever they occur, and a generator of clients numbers such copies
(`Unit8`). It also writes a default beside each option, which makes the option required for some generators, and a null
beside everything optional, though an answer leaves out what it does not have.
"""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.schemas.jobs import JobStatus
from app.core.metrics.metric import Direction, MetricUnit
from app.core.metrics.registry import on_request
from app.core.tasks import TASKS, TaskName
from app.service import INCLUDES

REFERENCE = "#/components/schemas/{model}"
INTERVAL = {
    "type": "array",
    "description": "Lower and upper end of the interval.",
    "prefixItems": [{"type": "number"}, {"type": "number"}],
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}
NULL = {"type": "null"}

Schema = dict[str, Any]
Values = tuple[str, ...]


def reference(kind: str, name: str) -> dict[str, str]:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def enum_names(task: TaskName | None) -> dict[Values, str]:
    """The names of enums by their values, where the name of the field does not say it all; some by task."""
    names: dict[Values, str] = {
        get_args(TaskName): "Task",
        get_args(MetricUnit): "MetricUnit",
        get_args(Direction): "Direction",
        ("alive", "ready"): "HealthStatus",
        ("-Infinity",): "MinusInfinity",
        ("renormalize", "error"): "CalibrateNormalization",
        ("probabilities", "map"): "CalibrateSection",
        ("cross_entropy", "brier_score", "accuracy"): "ComparedMetric",
        ("cross_entropy",): "ComparedLoss",
        ("temperature",): "MulticlassMethod",
        ("temperature", "platt", "isotonic"): "Method",
        get_args(JobStatus): "JobStatus",
    }
    if task:
        names[INCLUDES[task]] = f"{task.capitalize()}Section"
        names[on_request(task)] = f"{task.capitalize()}ExtraMetric"
    return names


def schemas_of(requests: Iterable[type[BaseModel]], answers: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """The named schemas of bodies and answers, and of all that they hold.

    Raises:
        ValueError: Two different schemas would have the same name.
    """
    names = Names()
    for schema in _raw(requests).values():
        task = next((task for task in TASKS if schema["title"].startswith(task.capitalize())), None)
        if task:  # the others are parts of answers, which are sent back
            names.add_request(task, _without_nulls(schema, schema["properties"]))
    for schema in _raw(answers).values():
        optional = schema.get("properties", {}).keys() - set(schema.get("required", ()))
        names.add_model(_without_nulls(schema, optional))
    return names.schemas


def _raw(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    _, shapes = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    models_by_name: dict[str, Schema] = shapes["$defs"]
    return models_by_name


class Names:
    """Schemas by name, each once."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._enums = enum_names(None)

    def add_request(self, task: TaskName, schema: Schema) -> None:
        """Name the schema of a body, some of whose enums are named for its task."""
        self._enums = enum_names(task)
        self.add_model(schema)

    def add_model(self, schema: Schema) -> Schema:
        """Name a model by its title; a reference to it."""
        fields = {name: self.field(name, field) for name, field in schema.get("properties", {}).items()}
        return self._named(schema["title"], {**schema, "properties": fields} if fields else schema)

    def field(self, name: str, schema: Schema) -> Schema:
        """The schema of a field in which every enum, range in a list, and object is a reference."""
        text = _described(schema)
        plain = {key: value for key, value in schema.items() if key not in ("title", "default", "description")}
        inner = self._inner(class_name(name), plain | ({"title": schema["title"]} if "properties" in schema else {}))
        return {"description": text, **inner} if text else inner

    def _inner(self, name: str, schema: Schema) -> Schema:
        if "enum" in schema or "const" in schema:
            values = tuple(schema.get("enum", (schema.get("const"),)))
            return self._named(self._enums.get(values, name), {"type": "string", "enum": list(values)})
        if "prefixItems" in schema:
            return self._named("Interval", INTERVAL)
        if "properties" in schema:
            return self.add_model(schema)
        return {key: self._part(name, key, value) for key, value in _as_type_list(schema).items()}

    def _part(self, name: str, key: str, value: Any) -> Any:
        if key in ("items", "additionalProperties", "propertyNames") and isinstance(value, dict):
            return self._item(name, value)
        return [self._item(name, choice) for choice in value] if key == "anyOf" else value

    def _item(self, name: str, schema: Schema) -> Schema:
        if schema.get("maximum") == 1e100:
            return self._named("Weight", schema)
        if "minimum" in schema:
            return self._named(f"{name}Item", schema)
        return self._inner(name, schema)

    def _named(self, name: str, schema: Schema) -> Schema:
        known = self.schemas.setdefault(name, schema)
        if known != schema:
            raise ValueError(f"two schemas are called {name}: give one of them another name in enum_names")
        return {"$ref": REFERENCE.format(model=name)}


def _described(schema: Schema) -> str:
    """The text of a field, which also tells its default: a `default` of its own makes the field required for some."""
    text: str = schema.get("description", "")
    default = schema.get("default")
    if default in (None, []):
        return text
    return f"{text} Default: `{default:g}`." if isinstance(default, float) else f"{text} Default: `{default}`."


def class_name(name: str) -> str:
    """A field's name as the name of a class.

    >>> class_name("bin_edges")
    'BinEdges'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def _without_nulls(schema: Schema, names: Iterable[str]) -> Schema:
    """A model of which some fields are left out where they have no value, so they are not null."""
    fields = schema.get("properties", {})
    kept = {name: _without_null(field) if name in names else field for name, field in fields.items()}
    return {**schema, "properties": kept} if kept else schema


def _without_null(field: Schema) -> Schema:
    choices = [choice for choice in field.get("anyOf", ()) if choice != NULL]
    others = {key: value for key, value in field.items() if key != "anyOf"}
    if not choices:
        return field
    return {**choices[0], **others} if len(choices) == 1 else {**others, "anyOf": choices}


def _as_type_list(schema: Schema) -> Schema:
    """Write a choice of plain types as a list of types; bounds of numbers are left out, for they would make classes."""
    choices = schema.get("anyOf", ())
    if not choices or any("type" not in choice or "enum" in choice for choice in choices):
        return schema
    kept = {key: choice[key] for choice in choices for key in ("items", "maxItems") if key in choice}
    others = {key: value for key, value in schema.items() if key != "anyOf"}
    return {"type": [choice["type"] for choice in choices], **kept, **others}
