"""The texts of the document about operations and their groups."""

from app.api.contract import samples
from app.api.problems import CATALOGUE
from app.core.tasks import TASKS, TaskName

DESCRIPTION = (
    "Each operation opens with a body that can be sent as it stands. Everything optional may be left out or `null`; "
    "unknown fields are refused. Every answer carries `X-Request-ID`. An error is `application/problem+json` "
    "(RFC 9457), and each of its codes has a page."
)
TAGS = {
    "score": "Scores of predictions, as columns of one JSON object.",
    "rows": "The same scores for rows in a file or a stream: CSV, NDJSON, Parquet, Arrow, npz. "
    "Options stand in the query.",
    "compare": "Comparison of candidates on the same rows, with a verdict that a release can be gated on.",
    "calibrate": "A fit that mends predicted probabilities, and its gain on rows that it has not seen.",
    "merge": "Answers of parts of a body, added up to that of the whole.",
    "jobs": "Data sets of any size in folders and buckets, scored by jobs that survive a restart.",
    "catalogue": "The metrics that the service computes, and the limits of a request.",
    "operations": "Probes, and counters for Prometheus, for operators of the service.",
}
SUMMARIES: dict[str, dict[TaskName, str]] = {
    "score": {
        "binary": "Log loss, Brier score and calibration of yes/no predictions",
        "multiclass": "Log loss, Brier score and calibration of predictions over classes",
        "multilabel": "Log loss and Brier score of labels that may hold at once",
        "distributions": "Cross-entropy and divergences between two distributions a row",
        "tokens": "Perplexity and bits per byte of a language model",
    },
    "rows": {
        "binary": "The scores of yes/no predictions in a file or a stream",
        "multiclass": "The scores of predictions over classes in a file or a stream",
        "multilabel": "The scores of labels that may hold at once, in a file or a stream",
        "distributions": "Divergences between the distributions in a file or a stream",
        "tokens": "Perplexity of the documents in a file or a stream",
    },
    "compare": {
        "binary": "Paired comparison of yes/no models, with a verdict",
        "multiclass": "Paired comparison of models over classes, with a verdict",
        "multilabel": "Paired comparison of models of several labels, with a verdict",
        "distributions": "Paired comparison of predicted distributions, with a verdict",
        "tokens": "Paired comparison of language models, with a verdict",
    },
    "compare_rows": {
        "binary": "Paired comparison of yes/no models on rows in a file or a stream",
        "multiclass": "Paired comparison of models over classes on rows in a file or a stream",
        "multilabel": "Paired comparison of models of several labels on rows in a file or a stream",
        "distributions": "Paired comparison of predicted distributions in a file or a stream",
        "tokens": "Paired comparison of language models on documents in a file or a stream",
    },
    "calibrate": {
        "binary": "The temperature, line or steps that mend yes/no predictions",
        "multiclass": "The temperature that mends predictions over classes",
    },
    "apply": {
        "binary": "Yes/no predictions, mended by a fitted curve",
        "multiclass": "Predictions over classes, mended by a fitted temperature",
    },
    "calibrate_rows": {
        "binary": "The curve that mends yes/no predictions in a file or a stream",
        "multiclass": "The temperature that mends predictions over classes in a file or a stream",
    },
}
ANSWERS = {
    "score": "The scores.",
    "rows": "The scores.",
    "compare": "The verdicts, and the scores of all candidates.",
    "calibrate": "The fitted curve, and its gain.",
    "apply": "The calibrated probabilities.",
    "merge": "The answer that one request with all rows would have had.",
    "job": "The job, which has begun or waits for its turn.",
}
MERGE = (
    'Adds up states that `include: ["state"]` put into answers. All must come from the same task, options and columns. '
    "The answer is that of one request with all their rows, in that order, to the last bit."
)
JOBS = (
    "Scores files that lie where the service can read them, whatever their size: the answer has the bits that "
    "`POST /v1/score/{task}/rows` would give for all rows. The answer to this request is the job, which goes on by "
    "itself, also after a restart. With the header `Idempotency-Key` a request that is sent twice makes one job. The "
    "example reads a small data set that comes with the service."
)
COMPARED_ROWS = (
    "Their columns are called `candidates.<name>.<field>`, such as `candidates.old.probabilities`; or the query names "
    "them, as in `candidates.old=p_old_*` or `candidates.old.logits=z_old_*`. In NDJSON `candidates` may be an object."
)
AS_ARROW = (
    "With the header `Accept: application/vnd.apache.arrow.stream` and `per_sample` in "
    "`include`, the answer is an Arrow stream of the losses of rows."
)


def fields_of(task: TaskName) -> str:
    """The rows of a task, and which fields carry them."""
    found = TASKS[task]
    parts = [_one_of(names) for names in (found.truths, found.predictions) if names]
    return f"{found.summary} Send {' and '.join(parts)}."


def predictions_of(task: TaskName) -> str:
    """The rows of a task where a map is applied, and which fields carry them."""
    found = TASKS[task]
    return f"{found.summary} Send the `map` of a fit, and {_one_of(found.predictions)}; they need no truth."


def candidates_of(task: TaskName) -> str:
    """The rows of a task where candidates are compared, and which fields carry them."""
    found = TASKS[task]
    truth = f"Send {_one_of(found.truths)}, and candidates that each hold" if found.truths else "Each candidate holds"
    return f"{found.summary} {truth} {_one_of(found.predictions)} for the same rows."


def samples_of(task: TaskName, noun: str = "score") -> str:
    """Links to the rows of the first example as files."""
    names = samples.formats_of(task, noun)
    links = [f"[{name}](docs/samples/{samples.file_name(task, name, noun)})" for name in names]
    return f"Files to try: {', '.join(links)}."


def _one_of(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"exactly one of {', '.join(quoted)}"


def errors() -> str:
    """The text of the one answer that stands for all errors, with a link to the page of each."""
    links = [f"{entry.status} [{code}](problems/{code})" for code, entry in CATALOGUE.items()]
    return f"An error, by status and code: {', '.join(links)}."
