"""What answers say: models that document them in OpenAPI, and that the tests hold real answers against."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.core.metric import Direction, MetricUnit
from app.core.options import Unit
from app.core.tasks import TaskName
from app.core.values import Status


class Answer(BaseModel):
    """A part of an answer; it holds no field that is not documented."""

    model_config = ConfigDict(extra="forbid")


class MetricValue(Answer):
    """One number, or why there is none."""

    value: float | None = Field(description="null if status is not ok.")
    status: Status
    standard_error: float | None = Field(None, description="In the unit of the value.")
    confidence_interval: tuple[float, float] | None = Field(None, description="Lower and upper end.")
    z: float | None = Field(None, description="entropy_gap only: the value in standard errors.")
    reason: str | None = Field(None, description="Why there is no value.")


class Warning(Answer):  # noqa: A001 - the contract's word
    """Something that a reader of the numbers should know, and further fields that say how much of it."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str
    count: int | None = Field(None, description="How many rows it concerns.")
    rows: list[int] | None = Field(None, description="The first of them.")


class PerSample(Answer):
    """A value a row."""

    cross_entropy: list[float | None] = Field(description="null where a row is ignored or its loss infinite.")


class ClassScores(Answer):
    """The rows of one class (multilabel: one label); what has no value is left out."""

    class_: int | str = Field(alias="class")
    n: int
    weight: float
    status: Status = Field(description="undefined if the rows weigh nothing, infinite if their loss is.")
    cross_entropy: float | None = None
    brier_score: float | None = None
    accuracy: float | None = None


class Bin(Answer):
    """One bin of the reliability diagram; of one that weighs nothing there is only its place."""

    lower: float
    upper: float
    n: int
    weight: float
    confidence: float | None = Field(None, description="Mean predicted probability.")
    accuracy: float | None = Field(None, description="Observed frequency.")
    confidence_interval: tuple[float, float] | None = Field(
        None, description="Wilson interval of the frequency; none with cluster_id, for it takes rows as independent."
    )


class Calibration(Answer):
    """The reliability diagram."""

    bins: list[Bin]


LABEL: dict[str, Any] = {"type": ["integer", "string", "array", "null"], "items": {"type": ["integer", "null"]}}
PROBABILITY: dict[str, Any] = {"type": ["number", "array", "null"], "items": {"type": ["number", "null"]}}


class WorstRow(Answer):
    """One of the rows of largest loss."""

    index: int = Field(description="0-based row of the request.")
    label: Annotated[int | str | list[int | None] | None, WithJsonSchema(LABEL)] = Field(
        None, description="What was observed, where that is a label; null for single labels that are not scored."
    )
    probability: Annotated[float | list[float | None] | None, WithJsonSchema(PROBABILITY)] = Field(
        None, description="How probable that was said to be."
    )
    cross_entropy: float | None = Field(description="null where it is infinite.")


class SliceScores(Answer):
    """The rows of one slice, scored by themselves."""

    n_scored: int
    metrics: dict[str, MetricValue]


class ScoreAnswer(Answer):
    """The scores of one batch."""

    task: TaskName
    unit: Unit
    n_samples: int
    n_scored: int
    n_ignored: int
    n_classes: int | None = Field(None, description="Columns of the prediction; absent for tokens.")
    weight_sum: float = Field(description="Sum of the weights of the scored rows.")
    metrics: dict[str, MetricValue] = Field(description="`GET /v1/metrics` explains each.")
    warnings: list[Warning]
    options: dict[str, Any] = Field(description="Every option in force.")
    per_sample: PerSample | None = Field(None, description="If included.")
    per_class: list[ClassScores] | None = Field(None, description="If included.")
    calibration: Calibration | None = Field(None, description="If included.")
    confusion: list[Any] | None = Field(
        None, description="If included: counts (k, k), true class by predicted class; multilabel (l, 2, 2)."
    )
    worst: list[WorstRow] | None = Field(None, description="If included: the largest losses, largest first.")
    gradient: dict[str, list[Any]] | None = Field(
        None, description="If included: the derivative of cross_entropy by the prediction field, of its shape."
    )
    slices: dict[str, dict[str, SliceScores]] | None = Field(
        None, description="If slices were sent: by name and value, the scores of their rows."
    )


class MetricEntry(Answer):
    """One metric of the catalogue."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    tasks: tuple[TaskName, ...]
    unit: MetricUnit = Field(description="information: nats, bits or hartleys, as the option `unit` says.")
    direction: Direction
    formula: str
    reference: str
    library: dict[TaskName, str] = Field(
        description="By task, a call of scikit-learn, SciPy or NumPy that gives the same number, options left alone, "
        "of the fields of a request as arrays (tokens: lists); tasks without one are left out."
    )
    mergeable: bool = Field(description="Whether the sums of two batches add up to that of both.")


class MetricCatalogue(Answer):
    """Every metric the service knows."""

    metrics: list[MetricEntry]
    uncertainty: str = Field(description="What standard errors and intervals take for granted.")


class MediaTypeLimit(Answer):
    """What a body of one format may hold."""

    max_bytes: int = Field(description="As sent, and as decoded.")
    scored_while_arriving: bool = Field(description="Whether rows are scored before the last ones have come.")


class LimitsAnswer(Answer):
    """What a request may hold; beyond it the answer is 413."""

    media_types: dict[str, MediaTypeLimit] = Field(description="By the `Content-Type` of the body.")
    content_encodings: list[str] = Field(description="What `Content-Encoding` may say.")
    max_zstd_window_bytes: int = Field(description="What a zstd frame may ask to be kept in memory (RFC 9659).")
    max_ratio: float = Field(description="Decoded bytes for each one sent, of more than max_part_bytes.")
    max_rows: int
    max_columns: int = Field(description="Classes or labels of a prediction.")
    max_part_bytes: int = Field(description="Bytes of one record batch or page.")
    max_line_bytes: int = Field(description="Bytes of one row of NDJSON or CSV, its line end included.")
    max_held_bytes: int = Field(
        description="Bytes of columns, where a body comes in parts and its answer needs all rows at once: cluster_id, "
        "gradient, bootstrap, metrics on request; for per_sample 8 bytes a row."
    )
    body_timeout_seconds: float = Field(description="For a JSON body to arrive; how long another may pause (408).")
    min_bytes_per_second: int = Field(description="How fast a body that is not plain JSON must arrive (408).")
    spool_timeout_seconds: float = Field(
        description="For a body to arrive that is not scored while it arrives, unless it is plain JSON (408)."
    )


class Health(Answer):
    """How the service is."""

    status: Literal["alive", "ready"]


class FieldProblem(Answer):
    """What is wrong at one place of the body."""

    pointer: str = Field(description="JSON pointer (RFC 6901).")
    code: str
    detail: str


class ProblemDetails(Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    errors: list[FieldProblem] | None = Field(None, description="At most 20 places.")
    n_errors: int | None = Field(None, description="How many places there are in all.")
