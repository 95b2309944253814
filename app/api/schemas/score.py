"""The requests of scoring: a pydantic model a task, made from the tasks and the options.

Columns arrive as the arrays that `app.wire` made, so pydantic looks at their names only; their shapes stand
in OpenAPI, and the batch checks their numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import product
from types import GenericAlias, NoneType
from typing import Annotated, Any, Literal

from annotated_types import MaxLen
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema, create_model

from app.api.schemas import require
from app.api.schemas.validation import MANY_ITEMS, check_list, field_errors
from app.core.columns import Column
from app.core.metrics.bootstrap import Bootstrap
from app.core.metrics.registry import is_resampled, on_request
from app.core.options import Options, Weight, option_names, option_types
from app.core.synonyms import meant
from app.core.tasks import COLUMN_NAMES, COLUMNS, TASKS, ColumnSpec, Shape, Task, TaskName, ValueKind, shape_of
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, describe, pointer
from app.service import INCLUDES, Question, ScoreRequest
from app.service.questions import check_mergeable

MAX_LIST_OPTION = 100_000
"""The most values of an option that is a list."""
_ITEMS: dict[str, Any] = {"classes": str | int, "class_weight": Weight, "pos_weight": Weight}
LONG_LISTS = {name: TypeAdapter[Any](item, config=ConfigDict(strict=True)) for name, item in _ITEMS.items()}
"""The options that may have so many values, and the type of one."""

ITEMS: dict[ValueKind, dict[str, Any]] = {
    "number": {"type": "number"},
    "score": {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["-Infinity"]}]},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
}
"""The schema of a value of each kind."""


class BootstrapRequest(BaseModel):
    """The number of resamples and the seed; the same seed gives the same intervals."""

    model_config = ConfigDict(extra="forbid", strict=True)

    n_resamples: int = Field(1000, ge=2, le=10_000, description="Number of resamples.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the draws of rows.")


def score_request(task: TaskName, body: Mapping[str, Any]) -> ScoreRequest:
    """The request that a decoded body makes.

    Raises:
        InvalidInput: A field is unknown, there is not one truth and one prediction, or an option is wrong.
    """
    model = MODELS[task]
    known = given(body, model)
    checked, wrong = validated(model, known)
    errors = [*choice_errors((TASKS[task].truths, TASKS[task].predictions), known), *wrong]
    unknown = [name for name in body if name not in model.model_fields]
    if checked is None or errors or unknown:
        # Unknown names first: one that is misspelt explains what is missing.
        raise InvalidInput((*_unknown_errors(task, unknown), *errors), len(errors) + len(unknown))
    return request_of(task, checked)


def validated(model: type[BaseModel], known: Mapping[str, Any]) -> tuple[BaseModel | None, list[FieldError]]:
    """The fields of a body as their model takes them, and the errors in them."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    _check_lists(model, values)
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        return None, field_errors(error.errors(include_url=False))


def given(body: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a body that a model knows and that are not null."""
    names = model.model_fields
    return {name: value for name, value in body.items() if value is not None and name in names}


def request_model(task: Task) -> type[BaseModel]:
    """The schema of a task's body; the model also checks options."""
    options = {option.name: option for option in fields(Options)}
    types = option_types() | ({"pos_weight": Weight | None} if task.name == "binary" else {})
    definitions: dict[str, Any] = {
        name: _column(task, name) for name, column in COLUMNS.items() if task.name in column.tasks
    }
    for name in option_names(task.name):
        definition = Field(options[name].default, description=options[name].metadata["doc"])
        definitions[name] = (types[name], definition)
    sections: Any = GenericAlias(tuple, (Literal.__getitem__(INCLUDES[task.name]), ...))
    sections = Annotated[sections, MaxLen(len(INCLUDES[task.name]))]
    if names := on_request(task.name):
        extra: Any = GenericAlias(tuple, (Literal.__getitem__(names), ...))
        text = "Further metrics. The catalogue tells which of them do not merge: these need all rows at once."
        definitions["metrics"] = (Annotated[extra, MaxLen(len(names))], Field((), description=text))
    if is_resampled(task.name):
        text = (
            "Resamples rows for the intervals of calibration errors, which have no formula. It does "
            "so for the whole batch, not for `slices`. More than some seconds of work is refused, and"
            " the error says how many resamples fit."
        )
        plan = Annotated[object, WithJsonSchema(BootstrapRequest.model_json_schema() | {"title": "Bootstrap"})]
        definitions["bootstrap"] = (plan, Field(default_factory=NoneType, description=text))
    definitions["include"] = (sections, Field((), description="Further sections of the answer."))
    rules = Annotated[object, WithJsonSchema(require.SCORE_SCHEMA)]
    definitions["require"] = (rules, Field(default_factory=NoneType, description=require.SCORE_TEXT))
    config = ConfigDict(extra="forbid", strict=True, json_schema_extra=exactly_one(task.truths, task.predictions))
    return create_model(f"{task.name.capitalize()}Request", __config__=config, __doc__=task.summary, **definitions)


def request_of(task: TaskName, checked: BaseModel) -> ScoreRequest:
    """The request of a model that holds fields of scoring."""
    sent = {name: getattr(checked, name) for name in checked.model_fields_set}
    columns = {name: sent[name] for name in COLUMN_NAMES if sent.get(name) is not None}
    given = {name: sent[name] for name in option_names(task) if name in sent}
    options = Options(**given) if given else _DEFAULTS
    classes = options.classes or ()
    if other := next((at for at, name in enumerate(classes) if type(name) is not type(classes[0])), 0):
        raise InvalidInput.at(f"/classes/{other}", "wrong_type", "must be all strings or all integers, found both")
    question = Question(
        task,
        tuple(columns),
        options,
        frozenset(sent.get("include", ())),
        sent.get("metrics", ()),
        _bootstrap(sent.get("bootstrap")),
    )
    if "state" in question.include:
        check_mergeable(question)
    if sent.get("require") is not None:
        question = replace(question, require=require.score_rules(task, sent["require"], question.metric_names))
    return ScoreRequest(question, columns, _slices(sent.get("slices")))


def _bootstrap(plan: Any) -> Bootstrap | None:
    if plan is None:
        return None
    if not isinstance(plan, dict):
        raise InvalidInput.at("/bootstrap", "wrong_type", f"must be an object, found {describe(plan)}")
    for name in plan.keys() - BootstrapRequest.model_fields.keys():
        raise InvalidInput.at(pointer("bootstrap", name), "unknown_field", "must be n_resamples or seed")
    try:
        return Bootstrap(**BootstrapRequest.model_validate(given(plan, BootstrapRequest)).model_dump())
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False))
        raise InvalidInput(replace(e, pointer=f"/bootstrap{e.pointer}") for e in errors) from error


def _slices(slices: Any) -> dict[str, Column]:
    slices = {} if slices is None else slices
    if not isinstance(slices, dict):
        raise InvalidInput.at("/slices", "wrong_type", "must be an object of name to one value a row")
    for name, values in slices.items():
        if values is None:
            raise InvalidInput.at(pointer("slices", name), "wrong_type", "must be a list, found null")
    return slices


def _column(task: Task, name: str) -> tuple[Any, Any]:
    column, shape = COLUMNS[name], shape_of(task.name, name)
    text = f"{column.doc} Shape {shape}."
    schema = WithJsonSchema(_schema(column, shape))
    return Annotated[object, schema], Field(default_factory=NoneType, description=text)


def _schema(column: ColumnSpec, shape: Shape) -> dict[str, Any]:
    item = _item(column.kinds)
    row = {"type": "array", "items": item}  # a bound on inner lists makes generators of clients number classes
    if column.name == "slices":
        return {"type": ["object", "null"], "additionalProperties": row}
    items: dict[Shape, dict[str, Any]] = {"(n,)": item, "(n,) or (n, l)": {"anyOf": [item, row]}}
    is_needed = column.role in ("truth", "prediction")
    return {"type": "array" if is_needed else ["array", "null"], "items": items.get(shape, row), "minItems": 1}


def _item(kinds: tuple[ValueKind, ...]) -> dict[str, Any]:
    schemas = [schema for kind, schema in ITEMS.items() if kind in kinds]
    return schemas[0] if len(schemas) == 1 else {"type": [schema["type"] for schema in schemas]}


def exactly_one(*groups: tuple[str, ...]) -> Callable[[dict[str, Any]], None]:
    """A change to a schema of OpenAPI: of each group of fields exactly one is required.

    All choices stand in one list, for a page that shows two lists as one would say what is not so.
    """

    def require(schema: dict[str, Any]) -> None:
        alone = [name for names in groups for name in names if len(names) == 1]
        choices = list(product(*(names for names in groups if len(names) > 1)))
        schema |= {"required": [*schema.get("required", ()), *alone]} if alone else {}
        if len(choices) > 1:
            schema["allOf"] = [
                {"oneOf": [{"title": " and ".join(names), "required": list(names)} for names in choices]}
            ]

    return require


def choice_errors(choices: Iterable[tuple[str, ...]], values: Mapping[str, Any]) -> Iterator[FieldError]:
    """Errors of fields of which exactly one must be there: one of each choice that is not empty."""
    for names in filter(None, choices):
        sent = [name for name in names if values.get(name) is not None]
        if len(sent) != 1:
            words = f"exactly one of {', '.join(names)}" if len(names) > 1 else names[0]
            code = "exclusive" if sent else "missing"
            yield FieldError("", code, f"must hold {words}, found {' and '.join(sent) or 'none'}")


def _check_lists(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Keeps a body full of wrong items from becoming thousands of errors."""
    for name, value in values.items():
        if isinstance(value, tuple) and len(value) > MANY_ITEMS:
            item = LONG_LISTS.get(name)
            check_list(name, value, MAX_LIST_OPTION if item else _max_length(model, name), item)


def _max_length(model: type[BaseModel], name: str) -> int:
    bounds = (bound.max_length for bound in model.model_fields[name].metadata if isinstance(bound, MaxLen))
    return next(bounds, MAX_LIST_OPTION)


def _unknown_errors(task: TaskName, names: list[str]) -> Iterator[FieldError]:
    for name in names[:MAX_LISTED_ERRORS]:
        yield unknown_field(name, f"must be a field that {task} scoring knows", MODELS[task].model_fields)


def unknown_field(name: str, rule: str, known: Iterable[str]) -> FieldError:
    """The error of an unknown field, with a hint to its task or to the name that was probably meant."""
    owners = [task for task, model in MODELS.items() if name in model.model_fields]
    close = meant(name, known, cutoff=0.55)
    hint = f'; did you mean "{close}"?' if close else ""
    if owners:
        hint = f"; this one belongs to {', '.join(owners)}"
    return FieldError(pointer(name), "unknown_field", f"{rule}{hint}")


_DEFAULTS = Options()
MODELS = {name: request_model(task) for name, task in TASKS.items()}
