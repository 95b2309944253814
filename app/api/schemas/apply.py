"""The requests and answers of applying a fitted map to predictions."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from app.api.schemas import answers, score
from app.api.schemas.answers import Answer
from app.api.schemas.calibrate import OWN, PROBABILITIES, Calibrated, CalibrationMap
from app.api.schemas.validation import field_errors
from app.core.fits.platt_isotonic import Method
from app.core.options import Options
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput
from app.service import APPLYING_OPTIONS, CALIBRATED, ApplyRequest, opened_map


def apply_request(task: TaskName, body: Mapping[str, Any]) -> ApplyRequest:
    """The request that a decoded body makes.

    Raises:
        InvalidInput: A field is unknown, there is no map, not one prediction, or one of them is wrong.
    """
    model = MODELS[task]
    known = score.given(body, model)
    options, wrong = _options(task, known)
    errors = [*score.choice_errors((("map",), TASKS[task].predictions), known), *wrong]
    unknown = [name for name in body if name not in model.model_fields]
    if unknown or errors:
        rule = f"must be a field that applying a map to {task} knows"
        names = (score.unknown_field(name, rule, model.model_fields) for name in unknown[:MAX_LISTED_ERRORS])
        raise InvalidInput((*names, *errors), len(unknown) + len(errors))
    columns = {name: value for name, value in known.items() if name in COLUMN_NAMES}
    return ApplyRequest(opened_map(known["map"], task), columns, options)


def _options(task: TaskName, known: Mapping[str, Any]) -> tuple[Options, list[FieldError]]:
    """The options of a body, and the errors in them."""
    model = OPTIONS[task]
    try:
        checked = model.model_validate({name: known[name] for name in model.model_fields if name in known})
    except ValidationError as error:
        return Options(), field_errors(error.errors(include_url=False))
    return Options(**checked.model_dump()), []


def options_model(task: TaskName) -> type[BaseModel]:
    """The schema of the options of a task: that of calibrating, or where it has no other, of scoring."""
    known = score.MODELS[task].model_fields | OWN[task].model_fields
    chosen: dict[str, Any] = {name: (known[name].annotation, known[name]) for name in APPLYING_OPTIONS if name in known}
    return create_model(f"{task.capitalize()}Applying", __config__=ConfigDict(strict=True), **chosen)


def request_model(task: TaskName) -> type[BaseModel]:
    """The schema of a task's body."""
    known = score.MODELS[task].model_fields | OPTIONS[task].model_fields
    text = "The map that calibrating answered where `include` holds `map`."
    chosen: dict[str, Any] = {"map": (CalibrationMap, Field(description=text))}
    for name in (*TASKS[task].predictions, "mask", *OPTIONS[task].model_fields):
        chosen[name] = (known[name].annotation, known[name])
    config = ConfigDict(extra="forbid", strict=True, json_schema_extra=score.exactly_one(TASKS[task].predictions))
    name, text = f"{task.capitalize()}ApplyRequest", "A fitted map, and the predictions that it calibrates."
    return create_model(name, __config__=config, __doc__=text, **chosen)


OPTIONS = {task: options_model(task) for task in CALIBRATED}
MODELS = {task: request_model(task) for task in CALIBRATED}


class ApplyAnswer(Answer):
    """Calibrated probabilities, the same as those of the fit for the same rows."""

    task: TaskName
    method: Method
    n_samples: int
    n_scored: int
    n_classes: int
    classes: list[str | int] | None = Field(
        None, description="Names of the classes in column order, if the fit had any."
    )
    warnings: list[answers.Warning]
    options: dict[str, Any] = Field(description="Every option in force.")
    probabilities: Annotated[Calibrated, WithJsonSchema(PROBABILITIES)] = Field(
        description="Calibrated probabilities in the shape of the prediction, null where `mask` leaves a row out."
    )
