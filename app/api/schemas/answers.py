"""Models of answers: they document them in OpenAPI, and the tests hold real answers against them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.core.metrics.metric import Direction, LossOption, MetricUnit
from app.core.options import Unit
from app.core.tasks import TaskName
from app.core.values import Status


class Answer(BaseModel):
    """A part of an answer; it holds no field that is not documented."""

    model_config = ConfigDict(extra="forbid")


class MetricValue(Answer):
    """One number, or the reason why there is none."""

    value: float | None = Field(description="The number; null unless `status` is `ok`.")
    status: Status
    standard_error: float | None = Field(None, description="Standard error, in the unit of the value.")
    confidence_interval: tuple[float, float] | None = Field(None, description="Lower and upper end of the interval.")
    z: float | None = Field(None, description="The value in standard errors; `entropy_gap` only.")
    reason: str | None = Field(None, description="Reason why there is no value.")


class Warning(Answer):  # noqa: A001 - the contract's word
    """A remark on the rows behind the numbers; further fields say how many and which."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str
    count: int | None = Field(None, description="Number of rows it concerns.")
    rows: list[int] | None = Field(None, description="Numbers of the first of these rows.")


class PerSample(Answer):
    """One value a row."""

    cross_entropy: list[float | None] = Field(
        description="Loss of each row; null where the row is not scored or the loss is infinite."
    )


class ClassScores(Answer):
    """The rows of one class (multilabel: of one label); fields without a value are left out."""

    class_: int | str = Field(alias="class")
    n: int
    weight: float
    status: Status = Field(
        description="Status of the loss: `undefined` if the rows weigh nothing, `infinite` if their loss is."
    )
    cross_entropy: float | None = None
    brier_score: float | None = None
    accuracy: float | None = None


class Bin(Answer):
    """One bin of the reliability diagram; a bin without weight has its edges only."""

    lower: float
    upper: float
    n: int
    weight: float
    confidence: float | None = Field(None, description="Mean predicted probability.")
    accuracy: float | None = Field(None, description="Observed frequency.")
    confidence_interval: tuple[float, float] | None = Field(
        None,
        description="Wilson interval of the frequency. There is none with `cluster_id`, since it takes rows "
        "for independent.",
    )


class Calibration(Answer):
    """The reliability diagram."""

    bins: list[Bin]


LABEL: dict[str, Any] = {"type": ["integer", "string", "array", "null"], "items": {"type": ["integer", "null"]}}
PROBABILITY: dict[str, Any] = {"type": ["number", "array", "null"], "items": {"type": ["number", "null"]}}


class WorstRow(Answer):
    """A row among those of largest loss."""

    index: int = Field(description="0-based row of the request.")
    label: Annotated[int | str | list[int | None] | None, WithJsonSchema(LABEL)] = Field(
        None, description="Observed label, where the truth is a label; null for single labels that are not scored."
    )
    probability: Annotated[float | list[float | None] | None, WithJsonSchema(PROBABILITY)] = Field(
        None, description="Probability that was predicted for the observed label."
    )
    cross_entropy: float | None = Field(description="Loss of the row; null where it is infinite.")


class SliceScores(Answer):
    """The rows of one slice, scored by themselves."""

    n_scored: int
    metrics: dict[str, MetricValue]


class Failure(Answer):
    """A rule of `require` that the answer breaks."""

    rule: str = Field(description="JSON pointer of the rule in the request.")
    found: float | str = Field(description="Value of the metric; its status where it has none; or the verdict.")
    detail: str


STATE = "The state, if included; `POST /v1/merge` takes it."
PASSED = "True if the answer keeps all rules of `require`; absent without `require`."
FAILURES = "The rules of `require` that the answer breaks."


class SkippedRow(Answer):
    """A row that was left out, and why."""

    file: str
    row: int | None = Field(None, description="0-based row of the file, where one is at fault.")
    code: str
    detail: str


class SkippedRows(Answer):
    """Rows that could not be scored."""

    count: int
    rows: list[SkippedRow] = Field(description="The first of them, at most 20.")


class ScoreAnswer(Answer):
    """The scores of one batch."""

    task: TaskName
    unit: Unit
    n_samples: int
    n_scored: int
    n_ignored: int
    n_classes: int | None = Field(None, description="Columns of the prediction; absent for tokens.")
    weight_sum: float = Field(description="Sum of the weights of the scored rows.")
    metrics: dict[str, MetricValue] = Field(
        description="Value of each metric by name; `GET /v1/metrics` explains them."
    )
    warnings: list[Warning]
    options: dict[str, Any] = Field(description="Every option in force.")
    per_sample: PerSample | None = Field(None, description="Section of that name, if included.")
    per_class: list[ClassScores] | None = Field(None, description="Section of that name, if included.")
    calibration: Calibration | None = Field(None, description="Section of that name, if included.")
    confusion: list[Any] | None = Field(
        None, description="Counts (k, k), true class by predicted class, if included; multilabel (l, 2, 2)."
    )
    worst: list[WorstRow] | None = Field(None, description="Rows of the largest losses, largest first, if included.")
    gradient: dict[str, list[Any]] | None = Field(
        None, description="Derivative of `cross_entropy` by the prediction field, in its shape, if included."
    )
    slices: dict[str, dict[str, SliceScores]] | None = Field(
        None, description="Scores of each slice by name and value, if slices were sent."
    )
    state: dict[str, Any] | None = Field(None, description=STATE)
    passed: bool | None = Field(None, description=PASSED)
    failures: list[Failure] | None = Field(None, description=FAILURES)
    skipped: SkippedRows | None = Field(None, description='Rows left out by a job with `"on_error": "skip"`.')


class MetricEntry(Answer):
    """One metric of the catalogue."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    tasks: tuple[TaskName, ...]
    unit: MetricUnit = Field(
        description="Unit of the value; `information` is nats, bits or hartleys, as the option `unit` says."
    )
    direction: Direction
    formula: str
    reference: str
    library: dict[TaskName, str] = Field(
        description="Call of scikit-learn, SciPy or NumPy that gives the same number with default options, by"
        " task. Its variables are the fields of a request as arrays (tokens: as lists). Tasks "
        "without such a call are left out."
    )
    on_request: bool = Field(description="True if it is computed only where `metrics` names it.")
    moved_by: list[LossOption] = Field(description="Options of the loss that change its value.")
    mergeable: bool = Field(description="True if the sums of two batches add up to the sums of both together.")


class MetricCatalogue(Answer):
    """All metrics that the service knows."""

    metrics: list[MetricEntry]
    uncertainty: str = Field(description="Assumptions behind standard errors and intervals.")


class MediaTypeLimit(Answer):
    """Limits of a body of one format."""

    max_bytes: int = Field(description="Largest body in bytes, as sent and as decoded.")
    scored_while_arriving: bool = Field(description="True if rows are scored before the last ones have come.")


class ProtocolLimits(Answer):
    """Limits of requests and connections, whatever they are for."""

    max_head_bytes: int = Field(description="Most bytes of request line and headers; beyond it 431.")
    max_header_bytes: int = Field(description="Most bytes of one header; beyond it 431.")
    max_headers: int = Field(description="Most headers of a request; beyond it 431.")
    max_trailer_bytes: int = Field(description="Most bytes of the trailers of a body; beyond it 431.")
    max_content_type_bytes: int = Field(description="Most bytes of `Content-Type`; beyond it 415.")
    max_accept_ranges: int = Field(description="Most media ranges of `Accept`; beyond it 406.")
    max_pipelined: int = Field(
        description="Most requests that a connection may have waiting behind one; beyond it the connection is closed "
        "after their answers."
    )
    max_chunks_per_second: int = Field(description="Most chunks of a body in a second; beyond it 400.")
    head_timeout_seconds: float = Field(
        description="Longest time from the first byte, an empty line too, to the end of a head, and from the first "
        "trailer to the last; beyond it 408."
    )
    max_connections: int = Field(description="Most connections of a process; beyond it 503, but for probes.")
    max_connections_per_address: int = Field(description="Most connections of an address to a process; beyond it 503.")


class JobLimits(Answer):
    """Limits of jobs; one that goes beyond them fails."""

    are_on: bool = Field(description="True if jobs may be submitted: there are folders or buckets that they may read.")
    max_queued_jobs: int = Field(description="Most jobs that wait for their turn; beyond it 503.")
    max_running_jobs: int = Field(description="Most jobs that run at once; the others wait.")
    max_job_files: int = Field(description="Most files of a job.")
    max_job_shards: int = Field(description="Most pieces into which a job is cut.")
    max_job_rows: int = Field(description="Most rows of a job.")
    job_timeout_seconds: float = Field(description="Longest time that a job may run.")
    job_workers: int = Field(description="Processes that score the pieces of a job; 0 for one a CPU.")
    job_worker_memory_bytes: int = Field(description="Memory that each of them may use.")
    job_retention_days: float = Field(description="Days after its end at which a job is deleted.")


class LimitsAnswer(Answer):
    """Limits of a request; beyond them the answer is 413."""

    media_types: dict[str, MediaTypeLimit] = Field(description="Limits by the `Content-Type` of the body.")
    content_encodings: list[str] = Field(description="Values that `Content-Encoding` may have.")
    max_zstd_window_bytes: int = Field(description="Largest window of a zstd frame (RFC 9659).")
    max_ratio: float = Field(
        description="Most decoded bytes for each byte sent, of a body beyond `max_part_bytes`; most bytes of an answer "
        "for each byte sent, of one beyond `max_any_answer_bytes`."
    )
    max_answer_bytes: int = Field(
        description="Most bytes of an answer in JSON, a number counted as 20; more losses come as an Arrow stream."
    )
    max_any_answer_bytes: int = Field(description="Most bytes of the answer to a body however short.")
    max_rows: int
    max_columns: int = Field(description="Most classes or labels of a prediction.")
    max_candidates: int = Field(description="Most candidates of a comparison.")
    max_part_bytes: int = Field(description="Most bytes of one record batch or page.")
    max_line_bytes: int = Field(description="Most bytes of one row of NDJSON or CSV, with its line end.")
    max_held_bytes: int = Field(
        description="Most bytes of columns where rows come in a file or a stream and the answer needs all of them at "
        "once: calibrating, `cluster_id`, `gradient`, `bootstrap`, metrics that do not merge; for `per_sample` 8 bytes "
        "a row."
    )
    body_timeout_seconds: float = Field(
        description="Longest time for a JSON body to arrive, and longest pause of any other body; beyond it 408."
    )
    min_bytes_per_second: int = Field(
        description="Lowest rate at which a body that is not plain JSON may arrive; below it 408."
    )
    spool_timeout_seconds: float = Field(
        description="Longest time for an npz, Parquet or compressed JSON body to arrive; beyond it 408."
    )
    request_timeout_seconds: float = Field(
        description="Processor time that the work of one request may take, for each 32 MiB of a longer body anew; "
        "beyond it 413."
    )
    jobs: JobLimits
    protocol: ProtocolLimits


class Health(Answer):
    """The state of the service."""

    status: Literal["alive", "ready"]


class FieldProblem(Answer):
    """A fault at one place of the body."""

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
    errors: list[FieldProblem] | None = Field(None, description="Places that are at fault, at most 20.")
    n_errors: int | None = Field(None, description="Number of places at fault.")


def example(answer: Answer) -> dict[int | str, dict[str, Any]]:
    """The documentation of an answer by an example."""
    return {200: {"content": {"application/json": {"example": answer.model_dump(mode="json")}}}}
