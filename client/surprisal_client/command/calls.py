"""The calls of the client that the arguments of the command ask for."""

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from surprisal_client.client import Client
from surprisal_client.command import jobs
from surprisal_client.command.requirements import required
from surprisal_client.errors import InputError
from surprisal_client.readers.by_name import rows_of, runs_of
from surprisal_client.results.answer import Answer
from surprisal_client.results.comparison import Comparisons
from surprisal_client.results.job import Job, jobs_table
from surprisal_client.results.table import Table
from surprisal_client.sources.files import paths_of

COLUMNS = (
    "labels", "targets", "sample_weight", "cluster_id", "slices", "mask", "n_bytes", "n_words", "n_tokens",
    "probabilities", "log_probabilities", "logits",
)  # fmt: skip
STATE = re.compile(r"\bstate (\d+)")
"""A state as an error of the service names it."""
PASSING = ("better", "equivalent")


def _score(client: Client, options: Namespace) -> Answer | Job:
    if jobs.is_job(options):
        return jobs.score(client, options, _columns(options) | _options(options))
    return client.score(_rows(options), task=options.task, **_columns(options), **_options(options))


def _rows(options: Namespace) -> Any:
    """The files, or the rows in them where a reader is named."""
    if not options.reader:
        return options.files
    return [row for path in _read_paths(options) for row in rows_of(options.reader, path, options.task)]


def _read_paths(options: Namespace) -> list[Path]:
    return paths_of(options.files, opens_folders=False)


def _calibrate(client: Client, options: Namespace) -> Answer:
    further = {"method": options.method} if options.method else {}
    return client.calibrate(_rows(options), task=options.task, **_columns(options), **_options(options), **further)


def _compare(client: Client, options: Namespace) -> Answer:
    further = {name: value for name in ("margin", "per") if (value := getattr(options, name)) is not None}
    if options.reader == "lm-eval" and options.task == "tokens":
        further.setdefault("per", "byte")  # its samples do not tell tokens
    further |= {"unit": "bits"} if further.get("per") == "byte" and not options.unit else {}
    if options.reader:
        runs = runs_of(options.reader, _read_paths(options), options.task)
        return client.compare(task=options.task, **runs, **_options(options), **further)
    candidates = dict(_candidate(text, options.form) for text in filter(None, [options.baseline, *options.candidates]))
    if len(candidates) < 2 or not options.baseline:
        raise InputError("comparing takes --baseline and at least one --candidate, of different names")
    baseline = next(iter(candidates))
    given = _columns(options) | _options(options) | further
    return client.compare(options.files, task=options.task, candidates=candidates, baseline=baseline, **given)


def _candidate(text: str, form: str | None) -> tuple[str, Any]:
    """Name and columns of a candidate; the name is that of its columns where none is given."""
    name, equals, columns = text.partition("=")
    columns = columns if equals else text
    name = name if equals else text.replace("*", "").strip("_-. ") or text
    return name, {form: columns} if form else columns


def _columns(options: Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in COLUMNS if getattr(options, name, None)}


def _options(options: Namespace) -> dict[str, Any]:
    found = dict(options.options)
    if options.unit:
        found["unit"] = options.unit
    if options.classes:
        found["classes"] = options.classes.split(",") if options.classes != "auto" else "auto"
    include = options.include.split(",") if options.include else []
    include += ["slices"] if options.slices and "slices" not in include and options.verb == "score" else []
    include += ["state"] if getattr(options, "state", None) else []
    if include:
        found["include"] = include
    if getattr(options, "require", None):
        found["require"] = required(options.require)
    return found


def _merge(client: Client, options: Namespace) -> Answer:
    paths = paths_of(options.files)
    try:
        return client.merge(map(_read_state, paths))
    except InputError as error:  # which counts states from 0, as they were sent
        raise InputError(STATE.sub(lambda match: str(paths[int(match[1])]), str(error))) from error


def _read_state(path: Path) -> Any:
    """The state in a file, or in an answer that was asked for it."""
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: must be a state, as `surprisal score --state` writes it: {error}") from error
    state = found.get("state", found) if isinstance(found, dict) else found
    if isinstance(state, dict) and "version" in state:
        return state
    raise InputError(f"{path}: must be a state, as `surprisal score --state` writes it")


CALLS: dict[str, Callable[[Client, Namespace], Any]] = {
    "score": _score,
    "compare": _compare,
    "calibrate": _calibrate,
    "merge": _merge,
    "jobs": lambda client, options: client.jobs(options.limit),
    "job": jobs.job,
    "metrics": lambda client, _: client.metrics(),
    "limits": lambda client, _: client.limits(),
}


def state(answer: Answer) -> str:
    """The state of an answer, as a file holds it."""
    return json.dumps(answer.answer["state"])


def status(answer: Any) -> int:
    """The exit status of an answer: 0 passed, 1 failed, 2 inconclusive; of a job that of its scores, if it has any.

    Raises:
        SurprisalError: The job has ended without scores; the error says why.
    """
    if isinstance(answer, Job) and answer.has_ended:
        return status(answer.scores())
    if not isinstance(answer, Answer):
        return 0
    verdicts = {pair.verdict for pair in answer.comparisons} if isinstance(answer, Comparisons) else set()
    if answer.passed is False or "worse" in verdicts:
        return 1
    return 0 if verdicts <= set(PASSING) else 2


def tables(verb: str, answer: Any) -> list[Table]:
    """Tables of jobs, of the catalogue and of the limits."""
    if verb in ("score", "job"):
        return answer.tables()  # type: ignore[no-any-return]
    if verb == "jobs":
        return [jobs_table(answer)]
    if verb == "metrics":
        rows = [[entry["name"], ", ".join(entry["tasks"]), entry["direction"], entry["formula"]] for entry in answer]
        return [Table("metrics", ("metric", "tasks", "direction", "formula"), rows)]
    rows = [[name, json.dumps(value)] for name, value in _flat(answer)]
    return [Table("limits", ("limit", "value"), rows)]


def plain(answer: Any) -> Any:
    """An answer that is no result as JSON: jobs as the service told of them."""
    if isinstance(answer, Job):
        return answer.answer
    return list(map(plain, answer)) if isinstance(answer, list) else answer


def _flat(limits: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names of limits, those in objects after the object's, and their values."""
    for name, value in limits.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value
