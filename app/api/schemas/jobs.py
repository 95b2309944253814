"""Jobs: the request of one, what a list is asked, and the answers that tell of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from app.api.schemas.answers import Answer, ProblemDetails, ScoreAnswer
from app.api.schemas.dataset_questions import dataset_question
from app.api.schemas.query import SCORED_ROWS, columns_to_come
from app.api.schemas.score import score_request, unknown_field
from app.api.schemas.validation import field_errors
from app.core.synonyms import meant
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import FieldError, InvalidInput, describe, pointer
from app.jobs.requests import JobRequest, OnError
from app.service.questions import check_addable
from app.store.records import Job
from app.wire.fields import EXTRA
from app.wire.mapping.naming import AUTO

MAX_SOURCES = 1_000
"""The most sources of a job; each may be a folder or a pattern."""
MAX_SOURCE = 1_024
"""The most characters of a source, as many as a bucket allows for a key."""
MAX_COLUMNS = 1_000
"""The most columns that a field of a job names one by one; a pattern names any number."""
MAX_CURSOR = 18
"""The most digits of a cursor."""
RATES = ("rows_per_second", "seconds_left")
"""The parts of the progress that are worked out when it is told."""
TRUTHS = frozenset(name for task in TASKS.values() for name in task.truths)
PREDICTIONS = frozenset(name for task in TASKS.values() for name in task.predictions)
OUTSIDE = ("include", "metrics", "require")
"""The options that may stand beside `options` as well as in it."""

LIST: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
TEXT_OR_LIST: dict[str, Any] = {"type": ["string", "array"], "items": {"type": "string"}}


class JobSubmission(BaseModel):
    """A data set to be scored, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: TaskName
    source: Annotated[object, WithJsonSchema(TEXT_OR_LIST)] = Field(
        description="Files, folders and patterns, one or a list, as absolute paths of the service or addresses of "
        "buckets (`s3://`, `gs://`, `abfss://`): Parquet, Arrow, CSV and NDJSON."
    )
    columns: Annotated[object, WithJsonSchema({"type": "object", "additionalProperties": {**TEXT_OR_LIST}})] = Field(
        default_factory=dict,
        description='The column of each field, as in `{"labels": "outcome", "probabilities": "p_*"}`: a name, several, '
        "or a pattern. A field that is not there is looked for under its own name.",
    )
    options: Annotated[object, WithJsonSchema({"type": "object", "additionalProperties": True})] = Field(
        default_factory=dict, description="The options of `POST /v1/score/{task}`, by name."
    )
    include: Annotated[object, WithJsonSchema(LIST)] = Field(
        default_factory=list, description="Further sections of the answer: any but those that need all rows at once."
    )
    metrics: Annotated[object, WithJsonSchema(LIST)] = Field(
        default_factory=list, description="Further metrics, of those that merge."
    )
    require: Annotated[object, WithJsonSchema({"type": "object", "additionalProperties": True})] = Field(
        default=None, description="The rules that the answer must keep, as of `POST /v1/score/{task}`."
    )
    extra_columns: Literal["ignore", "error"] | None = Field(
        None, description="Treatment of columns that hold no field; `ignore` as soon as `columns` names one."
    )
    on_error: OnError = Field(
        "fail", description="Treatment of a row that cannot be scored: it ends the job, or is counted and left out."
    )
    max_skipped_share: float = Field(
        0.01, ge=0, le=1, description="The largest share of rows that may be left out before the job fails."
    )


class JobsQuery(BaseModel):
    """The part of the list of jobs that is asked for."""

    model_config = ConfigDict(strict=True)

    limit: int = Field(20, ge=1, le=100, description="The most jobs of an answer.")
    cursor: str = Field("", description="The `next_cursor` of the answer before, for the jobs that follow.")


class JobProgress(Answer):
    """The progress of a job; what is not known yet is left out."""

    shards_done: int = Field(description="Pieces of the data set that have been scored.")
    shards_total: int | None = Field(None, description="Pieces into which the data set is cut, once it is planned.")
    rows_done: int
    rows_total: int | None = Field(None, description="Rows of the data set, where its files tell before they are read.")
    rows_skipped: int = Field(description='Rows that were left out, with `"on_error": "skip"`.')
    bytes_done: int
    bytes_total: int | None = Field(None, description="Bytes of all files, as they lie there.")
    rows_per_second: float | None = Field(None, description="Rows of a second, over the time for which it has run.")
    seconds_left: float | None = Field(None, description="Time that is left, by the bytes, while it runs.")


class JobProblem(ProblemDetails):
    """The reason why a job failed."""

    file: str | None = Field(None, description="File at fault.")
    row: int | None = Field(None, description="0-based row of that file, where one is at fault.")


JobStatus: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobAnswer(Answer):
    """A job; what it does not have is left out."""

    id: str
    status: JobStatus
    created_at: str = Field(description="Time of its submission (RFC 3339, UTC).")
    started_at: str | None = Field(None, description="Time at which it was first taken up.")
    ended_at: str | None = None
    request: JobSubmission = Field(description="The job as it was handed in.")
    progress: JobProgress
    result: ScoreAnswer | None = Field(None, description="The answer of scoring, once it has succeeded.")
    error: JobProblem | None = Field(None, description="The problem that ended it, if it has failed.")


class JobList(Answer):
    """Some jobs, the newest first, without their results."""

    jobs: list[JobAnswer]
    next_cursor: str | None = Field(None, description="The `cursor` of the jobs that follow; absent where none do.")


def submission_of(body: Mapping[str, Any]) -> tuple[bytes, JobRequest]:
    """A job as its JSON is stored, and as it is run: equal requests have the same bytes, however they were written.

    Raises:
        InvalidInput: A field is unknown or wrong, or asks for what needs all rows at once.
    """
    fields = {name: value for name, value in body.items() if value is not None}
    request = _checked(fields)
    return orjson.dumps({**fields, "source": list(request.sources)}, option=orjson.OPT_SORT_KEYS), request


def job_request(stored: bytes) -> JobRequest:
    """The request of a job, from its JSON."""
    return _checked(orjson.loads(stored))


def _checked(fields: Mapping[str, Any]) -> JobRequest:
    checked = _validated(fields)
    task, sources, columns = checked.task, _sources(checked.source), _columns(checked.columns)
    options = _options(fields)
    named = columns | ({EXTRA: [checked.extra_columns]} if checked.extra_columns else {})
    try:
        asked = options if options.get("classes") != AUTO else {**options, "classes": None}
        check_addable(score_request(task, asked | columns_to_come(SCORED_ROWS, task)).question)
        question = dataset_question(task, _query(named | options))
    except InvalidInput as refusal:
        raise _placed(refusal, fields, columns) from refusal
    return JobRequest(task, sources, columns, question, checked.on_error, checked.max_skipped_share)


def _validated(fields: Mapping[str, Any]) -> JobSubmission:
    known = JobSubmission.model_fields
    errors = [unknown_field(name, "must be a field of a job", known) for name in fields if name not in known]
    errors += [FieldError("", "missing", f"must hold {name}") for name in ("task", "source") if name not in fields]
    if errors:
        raise InvalidInput(errors, len(errors))
    try:
        return JobSubmission.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(field_errors(error.errors(include_url=False))) from error


def _sources(sent: object) -> tuple[str, ...]:
    sources = sent if isinstance(sent, list) else [sent]
    if not 1 <= len(sources) <= MAX_SOURCES:
        rule = f"must hold 1 to {MAX_SOURCES} sources, found {len(sources)}"
        raise InvalidInput.at("/source", "out_of_range", rule)
    for number, source in enumerate(sources):
        place = pointer("source", number) if isinstance(sent, list) else "/source"
        if not isinstance(source, str):
            raise InvalidInput.at(place, "wrong_type", f"must be a string, found {describe(source)}")
        if not 1 <= len(source) <= MAX_SOURCE or not (source.startswith("/") or "://" in source):
            rule = "must be an absolute path of the service or the address of a bucket such as s3://bucket/folder"
            raise InvalidInput.at(place, "out_of_range", f"{rule}, found {describe(source)}")
    return tuple(sources)


def _columns(sent: object) -> dict[str, list[str]]:
    """The names of columns by field."""
    if not isinstance(sent, dict):
        rule = f"must be an object of field and name of a column, found {describe(sent)}"
        raise InvalidInput.at("/columns", "wrong_type", rule)
    columns: dict[str, list[str]] = {}
    for field, value in sent.items():
        names = value if isinstance(value, list) else [value]
        if not 1 <= len(names) <= MAX_COLUMNS or not all(isinstance(name, str) and name for name in names):
            rule = f"must be the name of a column, or a list of up to {MAX_COLUMNS}, found {describe(value)}"
            raise InvalidInput.at(pointer("columns", field), "wrong_type", rule)
        if field not in COLUMN_NAMES and field != "slices":
            raise InvalidInput.at(pointer("columns", field), "unknown_field", _no_field(field))
        columns[field] = names
    for role in (TRUTHS, PREDICTIONS):
        if len(found := columns.keys() & role) > 1:
            rule = f"must name the columns of one of {', '.join(sorted(found))}, found several"
            raise InvalidInput.at("/columns", "exclusive", rule)
    return columns


def _no_field(name: str) -> str:
    close = meant(name, (*COLUMN_NAMES, "slices"))
    hint = f'; did you mean "{close}"?' if close else ""
    return f"must be a field that a column can hold{hint}"


def _options(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a job, wherever they stand; null is not set."""
    sent = fields.get("options", {})
    if not isinstance(sent, dict):
        raise InvalidInput.at("/options", "wrong_type", f"must be an object, found {describe(sent)}")
    options = {name: value for name, value in sent.items() if value is not None}
    for name in options:
        if name in fields:
            rule = f"must stand in `options` or beside it, found {name} in both"
            raise InvalidInput.at(pointer("options", name), "duplicate", rule)
        if name in (*COLUMN_NAMES, "slices"):
            rule = "must be an option: a column is named in `columns`, and its rows stand in the files"
            raise InvalidInput.at(pointer("options", name), "misplaced", rule)
    return options | {name: fields[name] for name in OUTSIDE if name in fields}


def _query(parameters: Mapping[str, Any]) -> bytes:
    """The query in which `POST /v1/score/{task}/rows` would have had options and columns.

    >>> _query({"labels": ["y"], "top_k": [1, 5], "unit": "bits"})
    b'labels=y&top_k=1&top_k=5&unit=bits'
    """
    pairs = [
        (name, item if isinstance(item, str) else orjson.dumps(item))
        for name, value in parameters.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return urlencode(pairs).encode()


def _placed(refusal: InvalidInput, fields: Mapping[str, Any], columns: Mapping[str, Any]) -> InvalidInput:
    """The refusal of options and columns with pointers into the body of a job."""

    def placed(error: FieldError) -> FieldError:
        name = error.pointer.split("/")[1] if error.pointer else ""
        outer = "" if not name or name in fields else "/columns" if name in columns else "/options"
        return replace(error, pointer=f"{outer}{error.pointer}")

    return InvalidInput(map(placed, refusal.errors), refusal.n_errors)


def job_content(job: Job) -> bytes:
    """The JSON of a job."""
    return orjson.dumps(_members(job))


def list_content(jobs: Sequence[Job], limit: int) -> bytes:
    """The JSON of a list of jobs, of which one more than the limit was read if there are more."""
    shown = jobs[:limit]
    further = {"next_cursor": str(shown[-1].number)} if len(jobs) > limit else {}
    return orjson.dumps({"jobs": list(map(_members, shown)), **further})


def cursor_number(cursor: str) -> int | None:
    """The number of the last job of the list that a cursor continues; None for the first list.

    Raises:
        InvalidInput: No list has ended with this cursor.
    """
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= MAX_CURSOR):
        rule = f"must be the next_cursor of an answer, found {describe(cursor)}"
        raise InvalidInput.at("/cursor", "out_of_range", rule)
    return int(cursor)


def _members(job: Job) -> dict[str, Any]:
    """The members of a job; the parts that are stored as JSON stay as they are."""
    members: dict[str, Any] = {"id": job.id, "status": job.status, "created_at": _time(job.created_at)}
    members |= {name: _time(at) for name in ("started_at", "ended_at") if (at := getattr(job, name)) is not None}
    members |= {"request": orjson.Fragment(job.request), "progress": _progress(job)}
    parts = {"result": job.result, "error": job.problem}
    return members | {name: orjson.Fragment(part) for name, part in parts.items() if part is not None}


def _progress(job: Job) -> dict[str, float]:
    progress = job.progress
    names = (name for name in JobProgress.model_fields if name not in RATES)
    told = {name: value for name in names if (value := getattr(progress, name)) is not None}
    if progress.seconds > 0 and progress.rows_done:
        told["rows_per_second"] = round(progress.rows_done / progress.seconds, 1)
        if job.status == "running" and progress.bytes_total and progress.bytes_done:
            left = max(0, progress.bytes_total - progress.bytes_done)
            told["seconds_left"] = round(progress.seconds * left / progress.bytes_done, 1)
    return told


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
