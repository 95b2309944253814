"""The requests and answers of comparing: models made from those of scoring."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from types import NoneType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from app.api.schemas import answers, require, score
from app.api.schemas.answers import Answer, MetricValue
from app.core.compare.comparison import MIN_SAMPLES
from app.core.compare.verdicts import Family, Verdict
from app.core.options import NonNegative, Unit
from app.core.tasks import TASKS, TaskName
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, clip, describe, pointer
from app.service import COMPARED, CompareRequest, own_options
from app.service.candidates import COMPARED_METRICS
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
    candidates = {name: _prediction(task, fields) for name, fields in sent["candidates"].items()}
    own = {name: getattr(checked, name) for name in own_options(task)}
    request = CompareRequest(score.request_of(task, checked), candidates, sent["baseline"], **own)
    if "require" not in sent:
        return request
    names = request.shared.question.metric_names
    return replace(request, require=require.compare_rules(task, sent["require"], names, candidates, request.baseline))


def _prediction(task: TaskName, fields: Mapping[str, Any]) -> tuple[str, Any]:
    return next((name, fields[name]) for name in TASKS[task].predictions if fields.get(name) is not None)


def _candidates_errors(task: TaskName, body: Mapping[str, Any]) -> Iterator[FieldError]:
    candidates = body.get("candidates", {})
    if not isinstance(candidates, dict):
        yield FieldError("/candidates", "wrong_type", f"must be an object, found {describe(candidates)}")
    elif not MIN_CANDIDATES <= len(candidates) <= MAX_CANDIDATES:
        rule = f"must hold {MIN_CANDIDATES} to {MAX_CANDIDATES} candidates, found {len(candidates)}"
        yield FieldError("/candidates", "out_of_range", rule)
    else:
        for name, fields in candidates.items():
            yield from _candidate_errors(task, name, fields)


def _candidate_errors(task: TaskName, name: str, fields: object) -> Iterator[FieldError]:
    forms = TASKS[task].predictions
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
    for other in [name for name in fields if name not in forms][:1]:
        yield FieldError(place + pointer(other), "unknown_field", f"must be one of {', '.join(forms)}")


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
    candidate: dict[str, Any] = {
        "title": f"{task.capitalize()}Candidate",
        "description": "The prediction of one candidate.",
        "type": "object",
        "properties": {form: fields[form] for form in forms},
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


class Candidate(Answer):
    """The scores of one candidate."""

    metrics: dict[str, MetricValue] = Field(description="Metrics as `POST /v1/score/{task}` gives them.")


class Comparison(Answer):
    """One candidate against the baseline; fields without a value are left out."""

    candidate: str
    baseline: str
    verdict: Verdict = Field(
        description="The result that a gate reads. It says where the interval of the difference lies "
        "(`simultaneous_interval`, if there is one): `better` below -margin, `worse` above margin, for `accuracy` the "
        "other way round; `equivalent` within both if margin > 0; else `inconclusive`. An infinite loss of one "
        "decides. Too few rows, infinite losses of both, or a difference that is the same on every row are "
        "`inconclusive`."
    )
    reason: str | None = Field(None, description="Reason why the interval did not decide, where it did not.")
    difference: MetricValue = Field(
        description="Mean `metric` of the candidate minus that of the baseline, paired by row. Below 0 the candidate "
        "is better, for `accuracy` above 0. Infinite or undefined if a loss is infinite; `reason` says whose."
    )
    simultaneous_interval: tuple[float, float] | None = Field(
        None,
        description="Interval of the difference that holds together with all others of the family; only if "
        "there are several.",
    )
    t_statistic: float | None = Field(None, description="Difference in standard errors.")
    p_value: float | None = Field(None, description="Two-sided p-value of no difference, by Student's t.")
    p_value_adjusted: float | None = Field(
        None, description="The p-value by Holm's method over its family; only if there are several."
    )
    correlation: float | None = Field(
        None,
        description="Correlation of both losses over rows; with weights or clusters, of the share that each "
        "row or cluster has in the errors of both means. The nearer to 1, the more pairing gains.",
    )
    wins: int = Field(description="Rows in which the candidate is better.")
    losses: int = Field(description="Rows in which the candidate is worse.")
    ties: int = Field(description="Rows in which both are equal, but for rounding.")


class ComparedSlice(Answer):
    """The comparisons on the rows of one slice."""

    n_scored: int
    comparisons: list[Comparison]


class CompareAnswer(Answer):
    """The scores of all candidates, and how each differs from the baseline."""

    comparisons: list[Comparison] = Field(description="Every other candidate, in the order of the request.")
    task: TaskName
    unit: Unit
    n_scored: int
    candidates: dict[str, Candidate]
    slices: dict[str, dict[str, ComparedSlice]] | None = Field(
        None, description="Comparisons of each slice by name and value, if slices were sent."
    )
    warnings: list[answers.Warning] = Field(description="Warnings; one about a prediction names its `candidate`.")
    options: dict[str, Any] = Field(description="Every option in force.")
    passed: bool | None = Field(None, description=answers.PASSED)
    failures: list[answers.Failure] | None = Field(None, description=answers.FAILURES)
