"""Options of requests whose body has no place for them: query parameters of the same names."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.api.schemas.score import MODELS, score_request, unknown_field
from app.api.schemas.validation import field_errors
from app.core.tasks import CANDIDATE, COLUMNS, TASKS, TaskName, candidate_column, candidate_fields, candidate_of
from app.errors import FieldError, InvalidInput, describe, pointer
from app.wire.fields import EXTRA, field_of, is_of_candidate
from app.wire.mapping.naming import AUTO, Classes, Named, Naming, own_names

NUMBER = re.compile(r"(?:(-)|\+)?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class RowsSchema:
    """The fields of an operation on rows: columns stand in the rows, options in the query.

    Attributes:
        models: The schemas of the same fields in JSON, by task.
        request: The function that makes a request of fields.
        unknown: The function that makes the error of a field that the operation does not know, of the task, the name
            and the rule that it breaks.
        has_candidates: Whether predictions are those of candidates; parameters like `candidates.old.logits` then name
            their columns, and `candidates.old` is short for the first prediction that the task knows.
    """

    models: Mapping[TaskName, type[BaseModel]]
    request: Callable[[TaskName, Mapping[str, Any]], Any]
    unknown: Callable[[TaskName, str, str, Collection[str]], FieldError]
    has_candidates: bool = False

    def options(self, task: TaskName) -> list[str]:
        """The query parameters that a task knows, in the order of the contract."""
        return [name for name in self.models[task].model_fields if name not in (*COLUMNS, "candidates")]

    def columns(self, task: TaskName) -> list[str]:
        """The query parameters that say which column holds a field of a task."""
        found = TASKS[task]
        names = (*found.truths, *found.predictions, *found.columns)
        return [name for name in names if name in self.models[task].model_fields]


SCORED_ROWS = RowsSchema(MODELS, score_request, lambda _, *field: unknown_field(*field))


def query_naming(schema: RowsSchema, task: TaskName, query: QueryParams) -> Naming:
    """The columns as a query names them, which `query_options` has found to hold no unknown parameter.

    Raises:
        InvalidInput: `extra_columns` is neither of its values, or is sent twice.
    """
    names, roles = schema.columns(task), own_names(task).roles
    if schema.has_candidates:
        roles = tuple(role for role in roles if role != TASKS[task].predictions)
    own = replace(own_names(task), known=frozenset(names), roles=roles, has_candidates=schema.has_candidates)
    if not query:
        return own
    fields = {name: name for name in names if name in query} | _candidate_columns(schema, task, query)
    named = tuple(Named(field_of(field, task), name, tuple(query.getlist(name))) for name, field in fields.items())
    return replace(own, named=named, ignores_extra=_ignores_extra(query, bool(named)), classes=_classes(query))


def _candidate_columns(schema: RowsSchema, task: TaskName, query: QueryParams) -> dict[str, str]:
    """The columns of candidates that parameters name, by the parameter.

    Raises:
        InvalidInput: Two parameters name columns for one field.
    """
    if not schema.has_candidates:
        return {}
    parameters: dict[str, str] = {}
    for parameter in query:
        if parameter.startswith(CANDIDATE):
            whole = candidate_column(parameter.removeprefix(CANDIDATE), TASKS[task].predictions[0])
            field = parameter if is_of_candidate(parameter, task) else whole
            if parameters.setdefault(field, parameter) != parameter:
                rule = f"must be sent once, found it as {describe(parameters[field])} too"
                raise InvalidInput.at(pointer(parameter), "duplicate", rule)
    return {parameter: field for field, parameter in parameters.items()}


def _ignores_extra(query: QueryParams, is_named: bool) -> bool:
    texts = query.getlist(EXTRA) or ["ignore" if is_named else "error"]
    if len(texts) > 1 or texts[0] not in ("ignore", "error"):
        rule = f"must be ignore or error, found {describe(texts[-1])}" if len(texts) == 1 else "must be sent once"
        raise InvalidInput.at(pointer(EXTRA), "out_of_range", rule)
    return texts[0] == "ignore"


def _classes(query: QueryParams) -> Classes:
    texts = query.getlist("classes")
    if not texts:
        return None
    return AUTO if texts == [AUTO] else tuple(_class_names(texts))


def _class_names(texts: Sequence[str]) -> list[str]:
    """The class names of a query: one in each parameter, which may hold commas, or all in one with commas between."""
    return list(texts) if len(texts) > 1 else list(map(str.strip, texts[0].split(",")))


def query_options(schema: RowsSchema, task: TaskName, query: QueryParams) -> dict[str, Any]:
    """The values that query parameters stand for, as JSON would have sent them, held to the schema.

    A list is a parameter sent several times, or its values with commas between them; `bootstrap` and `require` are JSON
    objects. `classes=auto` is left to the body, and parameters that name columns are to `query_naming`.

    Raises:
        InvalidInput: A parameter that the task does not know, one value too many, or one that is wrong whatever the
            columns are.
    """
    if not query and not schema.has_candidates:
        return {}
    known, columns = schema.options(task), (*schema.columns(task), EXTRA)
    candidates = _candidate_columns(schema, task, query)
    unknown = [name for name in query if name not in known and name not in columns and name not in candidates]
    if unknown:  # a search for a name that was meant takes long, so only listed errors have one
        rule = "must be an option or name a column, found another query parameter"
        raise InvalidInput((schema.unknown(task, name, rule, (*known, *columns)) for name in unknown), len(unknown))
    options = {
        name: _value(schema, task, name, query.getlist(name))
        for name in query
        if name in known and not (name == "classes" and query.getlist(name) == [AUTO])
    }
    to_come = columns_to_come(schema, task)
    if schema.has_candidates:
        to_come |= _candidates_to_come(task, options, candidates.values())
    schema.request(task, options | to_come)
    return options


def refuse_query(request: Request) -> None:
    """Refuse a query beside a JSON body: the body holds the options, so a parameter is a mistake.

    Raises:
        InvalidInput: There is a query parameter.
    """
    if request.scope["query_string"]:
        _refuse_all(request, "misplaced", "must not stand in the query: a JSON body holds its options itself")


def refuse_unknown(request: Request) -> None:
    """Refuse every parameter of a GET: it knows none, and an answer that heeded none would say that it did.

    Raises:
        InvalidInput: There is a query parameter.
    """
    if request.scope["query_string"]:
        _refuse_all(request, "unknown_field", "must be left out: this path has no query parameters")


def query_model(model: type[BaseModel], request: Request) -> BaseModel:
    """The query of a path that has few parameters, as a model of its fields; those that are text are never numbers.

    Raises:
        InvalidInput: A parameter is unknown, is sent twice, or is wrong.
    """
    query, fields = request.query_params, model.model_fields
    errors = [FieldError(pointer(name), "unknown_field", _unknown(fields)) for name in query if name not in fields]
    errors += [
        FieldError(pointer(name), "duplicate", f"must be sent once, found {len(query.getlist(name))} values")
        for name in query
        if len(query.getlist(name)) > 1
    ]
    if errors:
        raise InvalidInput(errors, len(errors))
    try:
        return model.model_validate(
            {name: text if fields[name].annotation is str else _json_value(text) for name, text in query.items()}
        )
    except ValidationError as error:
        raise InvalidInput(field_errors(error.errors(include_url=False))) from error


def _unknown(fields: Collection[str]) -> str:
    return f"must be left out: the query parameters of this path are {', '.join(fields)}"


def _refuse_all(request: Request, code: str, rule: str) -> None:
    if query := request.query_params:
        raise InvalidInput((FieldError(pointer(name), code, rule) for name in query), len(query))


def columns_to_come(schema: RowsSchema, task: TaskName) -> dict[str, Any]:
    """Empty columns for a truth, a prediction and what asks for metrics: the schema does not look into them."""
    predictions = () if schema.has_candidates else TASKS[task].predictions
    needed = [names[0] for names in (TASKS[task].truths, predictions) if names]
    details = [name for name in schema.columns(task) if COLUMNS[name].role == "detail"]
    own = candidate_fields(task) if schema.has_candidates else ()  # which candidates may have one by one
    return dict.fromkeys([*needed, *(name for name in details if name not in own)], ())


def _candidates_to_come(task: TaskName, options: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """Empty columns for the candidates that a query names; where it names none, for two, of which one is the baseline.

    Rules under the names of candidates, which only the body tells, are then left for later.
    """
    candidates: dict[str, Any] = {}
    for name, field in filter(None, map(candidate_of, columns)):
        candidates.setdefault(name, {})[field] = ()
    if candidates:
        return {"candidates": candidates}
    baseline = options.get("baseline")
    names = [baseline if isinstance(baseline, str) else "a", "another"]
    form = TASKS[task].predictions[0]
    return {"candidates": {name: {form: ()} for name in (*names, "b")}, "require": None}


def _value(schema: RowsSchema, task: TaskName, name: str, texts: Sequence[str]) -> Any:
    if name == "classes":
        return _class_names(texts)
    kinds, several = _kinds(schema, task)[name], len(texts) > 1 or "," in texts[0]
    if "array" in kinds and (several or "number" not in kinds):
        return [_json_value(item.strip()) for text in texts for item in text.split(",")]
    if len(texts) > 1:
        raise InvalidInput.at(pointer(name), "duplicate", f"must be sent once, found {len(texts)} values")
    return texts[0] if kinds == {"string"} else _json_value(texts[0])


@cache
def _kinds(schema: RowsSchema, task: TaskName) -> dict[str, set[str]]:
    """The JSON types that each option may have."""
    properties = schema.models[task].model_json_schema()["properties"]
    found = {name: properties[name] for name in schema.options(task)}
    return {name: {kind.get("type", "") for kind in p.get("anyOf", [p])} for name, p in found.items()}


def _json_value(text: str) -> Any:
    """The value of a text that is JSON, numbers in other notations included; else the text itself."""
    try:
        return orjson.loads(_as_json(text))
    except orjson.JSONDecodeError:
        return text


def _as_json(text: str) -> str:
    """A number as JSON writes it, from `.5`, `1.`, `+1` and the like; any other text stays as it is.

    In a query a bare `+` is a space, and no number has one.

    >>> _as_json(".5"), _as_json("-1.e3"), _as_json("1e 3"), _as_json("1_000"), _as_json("nan")
    ('0.5', '-1.0e3', '1e+3', '1_000', 'nan')
    """
    match = NUMBER.fullmatch(text.replace(" ", "+"))
    if match is None:
        return text
    minus, whole, fraction, exponent = match.groups("")
    if not whole and fraction in {"", "."}:
        return text
    fraction += "0" * (fraction == ".")
    return f"{minus}{whole or 0}{fraction}{exponent}"
