"""The requests and answers of calibrating: models made from those of scoring."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, WithJsonSchema, create_model

from app.api.schemas import answers, score
from app.api.schemas.answers import Answer, MetricValue
from app.api.schemas.query import RowsSchema
from app.api.schemas.validation import field_errors
from app.core.fits.platt_isotonic import Method
from app.core.options import Unit
from app.core.tasks import COLUMNS, TASKS, TaskName
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, pointer
from app.service import CALIBRATED, CALIBRATING_OPTIONS, CalibrateInclude, CalibrateRequest

MAX_FOLDS = 20
"""The largest value of `n_folds`; each fold takes a fit of its own."""
MAX_SEED = 2**32 - 1


def calibrate_request(task: TaskName, body: Mapping[str, Any]) -> CalibrateRequest:
    """The request that a decoded body makes.

    Raises:
        InvalidInput: A field is unknown or has no bearing on a fit, there is not one truth and one prediction, or an
            option is wrong.
    """
    known = score.given(body, MODELS[task])
    own, errors = _own_fields(task, known)
    unknown = [name for name in body if name not in MODELS[task].model_fields]
    n_errors = len(errors) + len(unknown)
    names = list(_unknown_errors(task, unknown[:MAX_LISTED_ERRORS]))
    shared = {name: value for name, value in known.items() if name not in OWN[task].model_fields}
    try:
        scoring = score.score_request(task, shared)
    except InvalidInput as refusal:
        raise InvalidInput((*names, *refusal.errors, *errors), refusal.n_errors + n_errors) from None
    if n_errors:
        raise InvalidInput((*names, *errors), n_errors)
    options = replace(scoring.options, normalization=own.pop("normalization", "renormalize"))
    include = frozenset(own.pop("include", ()))
    return CalibrateRequest(task, scoring.columns, options, include=include, **own)


def _own_fields(task: TaskName, known: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that scoring lacks or knows otherwise, and the errors in them."""
    sent = {name: known[name] for name in OWN[task].model_fields if name in known}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}
    try:
        checked = OWN[task].model_validate(values)
    except ValidationError as error:
        return {}, field_errors(error.errors(include_url=False))
    return {name: getattr(checked, name) for name in sent}, []


def _unknown_errors(task: TaskName, names: list[str]) -> Iterator[FieldError]:
    rule = f"must be a field that calibrating {task} knows"
    return (_unknown(task, name, rule, MODELS[task].model_fields) for name in names)


def _unknown(task: TaskName, name: str, rule: str, known: Iterable[str]) -> FieldError:
    if name in score.MODELS[task].model_fields:
        return FieldError(pointer(name), "unknown_field", f"{rule}; scoring knows this one, but a fit does not use it")
    return score.unknown_field(name, rule, known)


def own_model(task: TaskName) -> type[BaseModel]:
    """The schema of the fields that scoring lacks or knows otherwise."""
    methods = Literal.__getitem__(CALIBRATED[task])
    definitions: dict[str, Any] = {
        "method": (methods, Field("temperature", description="The curve to fit.")),
        "n_folds": (Annotated[int, Ge(2), Le(MAX_FOLDS)], Field(5, description="Folds of the cross-fitted gain.")),
        "seed": (
            Annotated[int, Ge(0), Le(MAX_SEED)],
            Field(0, description="Seed of the assignment of rows, or clusters, to folds."),
        ),
        "include": (
            Annotated[tuple[CalibrateInclude, ...], FailFast()],
            Field((), description="Further sections of the answer."),
        ),
    }
    if "normalization" in score.MODELS[task].model_fields:
        text = "Treatment of a row that does not sum to 1: divide it, as softmax does in any case, or refuse it."
        definitions["normalization"] = (Literal["renormalize", "error"], Field("renormalize", description=text))
    return create_model(f"{task.capitalize()}Fit", __config__=ConfigDict(strict=True), **definitions)


def request_model(task: TaskName) -> type[BaseModel]:
    """The schema of a task's body: that of scoring without the fields that have no bearing on a fit."""
    scoring, own = score.MODELS[task], OWN[task].model_fields
    fitted = [name for name in TASKS[task].columns if COLUMNS[name].is_fitted]
    kept = (*TASKS[task].truths, *TASKS[task].predictions, *fitted, *CALIBRATING_OPTIONS)
    chosen = {name: scoring.model_fields[name] for name in kept if name in scoring.model_fields} | own
    definitions: dict[str, Any] = {name: (field.annotation, field) for name, field in chosen.items()}
    text = "A truth, and the prediction that is fitted to it."
    name = f"{task.capitalize()}CalibrateRequest"
    return create_model(name, __config__=scoring.model_config, __doc__=text, **definitions)


OWN = {task: own_model(task) for task in CALIBRATED}
MODELS = {task: request_model(task) for task in CALIBRATED}
FITTED_ROWS = RowsSchema(MODELS, calibrate_request, _unknown)


class Thresholds(Answer):
    """A curve over the predicted probability that never falls: straight between these points, level beyond them."""

    probabilities: list[float] = Field(description="Predicted probabilities, rising.")
    calibrated: list[float] = Field(
        description="Calibrated probability of each, in [1 / (n + 2), (n + 1) / (n + 2)] after a fit to n "
        "rows. Where no fit has a smaller loss, each stays as it is."
    )


Calibrated: TypeAlias = list[float | None] | list[list[float] | None]
ROW: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
PROBABILITIES: dict[str, Any] = {"type": "array", "items": {"anyOf": [{"type": "number"}, ROW, {"type": "null"}]}}


class CalibrationMap(Answer):
    """A fitted curve, to be sent with other predictions as it came."""

    version: int = Field(description="Version of the form.")
    task: TaskName
    method: Method
    n_classes: int
    classes: list[str | int] | None = Field(
        None, description="Names of the classes in column order, if the fit had any."
    )
    temperature: float | None = Field(None, description="Method `temperature`.")
    slope: float | None = Field(None, description="Method `platt`.")
    intercept: float | None = Field(None, description="Method `platt`.")
    thresholds: Thresholds | None = Field(None, description="Method `isotonic`.")


class CalibrateAnswer(Answer):
    """The fitted curve and its gain; losses are weighted means in `unit`."""

    task: TaskName
    unit: Unit
    method: Method
    n_samples: int
    n_scored: int
    temperature: float | None = Field(
        None, description="Divide logits by it. Divide log-probabilities by it too, then normalise."
    )
    slope: float | None = Field(None, description="Method `platt`: the calibrated logit is slope * logit + intercept.")
    intercept: float | None = Field(None, description="Method `platt`: see `slope`.")
    thresholds: Thresholds | None = Field(None, description="Method `isotonic`: the fitted curve.")
    cross_entropy_before: float = Field(
        description="Loss before the fit. Probabilities below 1e-12 count as 1e-12, and rows are divided by their sum."
    )
    cross_entropy_after: float = Field(description="Loss after the fit, on the same rows; never above the loss before.")
    cross_fitted_gain: MetricValue = Field(
        description="Loss before less loss after, on rows that the fit has not seen: each fold under the fit "
        "to all others. Rows count as independent. With `cluster_id` clusters do, and each lies "
        "in one fold. Infinite means minus infinity."
    )
    converged: bool = Field(description="True if the fit reached its tolerance.")
    at_bound: bool = Field(
        description="True if the temperature stands at the end of its range, e**-10 or e**10: the rows are "
        "separable, or no better than wrong. Method `isotonic`: true if a probability was kept at"
        " 1 / (n + 2) or (n + 1) / (n + 2), where n is the number of rows of the fit."
    )
    expected_calibration_error_before: float
    expected_calibration_error_after: float
    maximum_calibration_error_before: float
    maximum_calibration_error_after: float
    warnings: list[answers.Warning]
    options: dict[str, Any] = Field(description="Every option in force.")
    map: CalibrationMap | None = Field(
        None, description="The fitted curve, if included, for `POST /v1/calibrate/{task}/apply`."
    )
    probabilities: Annotated[Calibrated | None, WithJsonSchema(PROBABILITIES)] = Field(
        None,
        description="Calibrated probabilities, if included: in the shape of the prediction, null where a row "
        "is not scored.",
    )
