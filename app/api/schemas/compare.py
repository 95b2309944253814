"""The requests of comparing: models made from those of scoring."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from types import NoneType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from app.api.schemas import require, score
from app.api.schemas.query import RowsSchema
from app.core.compare.comparison import MIN_SAMPLES
from app.core.compare.verdicts import Family
from app.core.options import NonNegative
from app.core.tasks import TASKS, TaskName, candidate_fields
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, clip, describe, pointer
from app.service import COMPARED, CompareRequest, own_options
from app.service.candidates import COMPARED_METRICS, CompareQuestion
from app.service.units import Per

MIN_CANDIDATES, MAX_CANDIDATES = 2, 50
MAX_NAME = 80
"""The most characters of the name of a candidate."""
MAX_SAMPLES = 1_000_000_000
"""The largest value of `min_samples`."""


def compare_request(task: TaskName, body: Mapping[str, Any]) -> CompareRequest:
    """The request that a decoded body makes.

    Raises:
        InvalidInput: A field is unknown, an option is wrong, candidates are too few or too many, or one of them is
            anything but one prediction.
    """
    sent = score.given(body, MODELS[task])
    shared = score.given(sent, SHARED[task])
    checked, wrong = score.validated(SHARED[task], shared)
    errors = [
        *score.choice_errors((TASKS[task].truths,), shared),
        *wrong,
        *_candidates_errors(task, sent),
        *_baseline_errors(sent),
    ]
    unknown = [name for name in body if name not in MODELS[task].model_fields]
    if checked is None or errors or unknown:
        raise InvalidInput((*_unknown_errors(task, unknown), *errors), len(errors) + len(unknown))
    scoring = score.request_of(task, checked)
    candidates = {name: _fields(task, fields) for name, fields in sent["candidates"].items()}
    own = {name: getattr(checked, name) for name in own_options(task)}
    question = CompareQuestion(scoring.question, candidates, sent["baseline"], **own)
    if "require" in sent:
        names, baseline = scoring.question.metric_names, question.baseline
        question = replace(question, require=require.compare_rules(task, sent["require"], names, candidates, baseline))
    columns = {**scoring.columns, "slices": scoring.slices, "candidates": sent["candidates"]}
    return CompareRequest(question, {}).with_columns(columns)


def _fields(task: TaskName, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that a candidate holds, its prediction first."""
    return tuple(name for name in candidate_fields(task) if fields.get(name) is not None)


def _candidates_errors(task: TaskName, body: Mapping[str, Any]) -> Iterator[FieldError]:
    candidates = body.get("candidates", {})
    if not isinstance(candidates, dict):
        yield FieldError("/candidates", "wrong_type", f"must be an object, found {describe(candidates)}")
    elif not MIN_CANDIDATES <= len(candidates) <= MAX_CANDIDATES:
        rule = f"must hold {MIN_CANDIDATES} to {MAX_CANDIDATES} candidates, found {len(candidates)}"
        yield FieldError("/candidates", "out_of_range", rule)
    else:
        shared = [name for name in candidate_fields(task) if body.get(name) is not None]
        for name, fields in candidates.items():
            yield from _candidate_errors(task, name, fields, shared)


def _candidate_errors(task: TaskName, name: str, fields: object, shared: list[str]) -> Iterator[FieldError]:
    forms, known = TASKS[task].predictions, candidate_fields(task)
    place = pointer("candidates", name)
    if not 1 <= len(name) <= MAX_NAME:
        yield FieldError(place, "out_of_range", f"must have a name of 1 to {MAX_NAME} characters, found {len(name)}")
    if not isinstance(fields, dict):
        yield FieldError(place, "wrong_type", f"must be an object, found {describe(fields)}")
        return
    sent = [form for form in forms if fields.get(form) is not None]
    if len(sent) != 1:
        words = f"exactly one of {', '.join(forms)}" if len(forms) > 1 else forms[0]
        code = "exclusive" if sent else "missing"
        yield FieldError(place, code, f"must hold {words}, found {' and '.join(sent) or 'none'}")
    for other in [name for name in fields if name not in known][:1]:
        yield FieldError(place + pointer(other), "unknown_field", f"must be one of {', '.join(known)}")
    for other in [name for name in shared if fields.get(name) is not None]:
        rule = "must stand in a candidate or beside `candidates`, found it in both"
        yield FieldError(place + pointer(other), "exclusive", rule)


def _baseline_errors(body: Mapping[str, Any]) -> Iterator[FieldError]:
    rule = "must be the name of a candidate"
    baseline, candidates = body.get("baseline"), body.get("candidates")
    if baseline is None:
        yield FieldError("/baseline", "missing", f"{rule}, found none")
    elif not isinstance(baseline, str):
        yield FieldError("/baseline", "wrong_type", f"{rule}, found {describe(baseline)}")
    elif isinstance(candidates, dict) and baseline not in candidates:
        names = [clip(name) for name in islice(candidates, MAX_CANDIDATES)]
        close = get_close_matches(clip(baseline), names, n=1, cutoff=0.5)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        yield FieldError("/baseline", "out_of_range", f"{rule}, found {describe(baseline)}{hint}")


def _unknown_errors(task: TaskName, names: list[str]) -> Iterator[FieldError]:
    rule = f"must be a field that comparing {task} knows"
    for name in names[:MAX_LISTED_ERRORS]:
        if name in TASKS[task].predictions:
            yield FieldError(pointer(name), "unknown_field", f"{rule}; a prediction stands in a candidate")
        elif name in score.MODELS[task].model_fields:
            yield FieldError(pointer(name), "unknown_field", f"{rule}; scoring does, but a comparison does not use it")
        else:
            yield score.unknown_field(name, rule, MODELS[task].model_fields)


def shared_model(task: TaskName) -> type[BaseModel]:
    """The model by which pydantic checks all fields of a body but candidates and baseline."""
    scoring = score.MODELS[task].model_fields
    left_out = (*TASKS[task].predictions, *SCORING_ONLY)
    metrics: Any = Literal.__getitem__(COMPARED_METRICS[task])
    definitions: dict[str, Any] = {
        "metric": (metrics, Field("cross_entropy", description=METRIC)),
        **OPTIONS,
        "include": (Annotated[tuple[Literal["state"], ...], MaxLen(1)], Field((), description=INCLUDE)),
        **(TOKEN_OPTIONS if task == "tokens" else {}),
        **{name: (field.annotation, field) for name, field in scoring.items() if name not in left_out},
    }
    return create_model(f"{task.capitalize()}Shared", __config__=ConfigDict(strict=True), **definitions)


def request_model(task: TaskName) -> type[BaseModel]:
    """The schema of a task's body: that of scoring, with candidates where the prediction was."""
    definitions: dict[str, Any] = {
        "candidates": (Annotated[object, WithJsonSchema(_candidates_schema(task))], Field(description=CANDIDATES)),
        "baseline": (str, Field(description="Name of the candidate that the others are compared with.")),
        **{name: (field.annotation, field) for name, field in SHARED[task].model_fields.items()},
        "require": (
            Annotated[object, WithJsonSchema(require.COMPARE_SCHEMA)],
            Field(default_factory=NoneType, description=require.COMPARE_TEXT),
        ),
    }
    config = ConfigDict(extra="forbid", strict=True, json_schema_extra=score.exactly_one(TASKS[task].truths))
    text = "A truth, and the predictions of several candidates for its rows."
    return create_model(f"{task.capitalize()}CompareRequest", __config__=config, __doc__=text, **definitions)


def _candidates_schema(task: TaskName) -> dict[str, Any]:
    forms = TASKS[task].predictions
    fields = score.MODELS[task].model_json_schema()["properties"]
    own = [name for name in candidate_fields(task) if name not in forms]
    candidate: dict[str, Any] = {
        "title": f"{task.capitalize()}Candidate",
        "description": "The prediction of one candidate.",
        "type": "object",
        "properties": {name: fields[name] for name in (*forms, *own)},
        "additionalProperties": False,
    }
    score.exactly_one(forms)(candidate)
    return {
        "type": "object",
        "additionalProperties": candidate,
        "propertyNames": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
        "minProperties": MIN_CANDIDATES,
        "maxProperties": MAX_CANDIDATES,
    }


INCLUDE = "`state` adds the state of the request, which `POST /v1/merge` adds to others."
METRIC = "Metric whose differences decide. Of `accuracy` the higher is better, so `better` lies above margin there."
OPTIONS: dict[str, Any] = {
    "margin": (
        NonNegative,
        Field(0.0, description="The largest difference that does not matter, in the unit of `metric`."),
    ),
    "min_samples": (
        Annotated[int, Ge(1), Le(MAX_SAMPLES)],
        Field(
            MIN_SAMPLES,
            description="Least number of rows of positive weight, or of their clusters, for a verdict other than "
            "`inconclusive`.",
        ),
    ),
    "family": (
        Family,
        Field(
            "pairs",
            description="The comparisons whose intervals hold together with `confidence_level`: `pairs` are all of "
            "them (those within slices are a family of their own), by Bonferroni; with `none` each holds for itself.",
        ),
    ),
}
"""The options that scoring lacks."""

TOKEN_OPTIONS: dict[str, Any] = {
    "per": (
        Per,
        Field(
            "token",
            description="Unit that a difference is of: a `token`, of which all candidates have the same; or a `byte`, "
            "a `word` (by `n_bytes` or `n_words`) or a `document`, where candidates may be cut differently.",
        ),
    ),
}
"""The options of `tokens` that scoring lacks."""

SCORING_ONLY = (
    "include",
    "n_worst",
    "bootstrap",
    "require",
)  # resampling for each of fifty candidates is too much for one request
CANDIDATES = "Prediction of each candidate for the same rows (tokens: documents), under its name."
SHARED = {task: shared_model(task) for task in COMPARED}
MODELS = {task: request_model(task) for task in COMPARED}


def _unknown(task: TaskName, name: str, rule: str, known: Collection[str]) -> FieldError:
    """The error of a query parameter that comparing does not know."""
    if name in TASKS[task].predictions:
        return FieldError(pointer(name), "unknown_field", f"{rule}; candidates.old.{name} names that of a candidate")
    return score.unknown_field(name, rule, known)


COMPARED_ROWS = RowsSchema(MODELS, compare_request, _unknown, has_candidates=True)
