"""The operations of the service: what is asked, and what the answer becomes. Nothing here touches a network."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surprisal_client.errors import InputError
from surprisal_client.exchange import Context, Request, Steps, exchange
from surprisal_client.fields import PREDICTIONS, TRUTHS, inferred_task, split, wrong
from surprisal_client.results.calibration import Calibration
from surprisal_client.results.comparison import Comparisons
from surprisal_client.results.score import Score
from surprisal_client.sources import Source, inputs, memory

CANDIDATE = "candidates."
OWN = {*PREDICTIONS, "mask", "n_tokens"}
"""Fields that a candidate may have for itself."""
APPLIED_VALUES = 100_000
"""Numbers that are calibrated in one request, some 2 MB of JSON."""


@dataclass(frozen=True)
class Question:
    """A call as the caller made it."""

    data: tuple[Any, ...]
    given: Mapping[str, Any]
    task: str | None = None


def score(question: Question, context: Context) -> Steps[Score]:
    """Score rows."""
    fields, options = split(question.given)
    source = inputs.source_of(question.data, fields)
    task, told = _task_of(question, source, source.dimensions)
    return Score((yield from _ask("score", task, source, options, context)), told)


def _task_of(question: Question, source: Source, told: Mapping[str, int]) -> tuple[str, str]:
    """The task that the caller named, or that the dimensions tell, and how they tell it.

    Raises:
        InputError: Neither says it.
    """
    if question.task:
        return question.task, ""
    if source.untold or (source.name and not source.dimensions):
        raise InputError(f"{source.name or 'the first row'}: {source.untold or 'name the task, as task=...'}")
    return inferred_task(told)


def calibrate(question: Question, context: Context) -> Steps[Calibration]:
    """Fit a calibration to rows; the answer holds the fitted map, whatever else it is to include."""
    fields, options = split(question.given)
    options["include"] = list(dict.fromkeys([*options.get("include", []), "map"]))
    source = inputs.source_of(question.data, fields)
    task, told = _task_of(question, source, source.dimensions)
    return Calibration((yield from _ask("calibrate", task, source, options, context)), told)


def apply(fitted: Calibration | Mapping[str, Any], question: Question, context: Context) -> Steps[NDArray[np.float64]]:
    """Calibrate predictions by a fitted map, some at a time; rows without a probability are NaN."""
    fitted_map = _map_of(fitted)
    fields, options = split(question.given)
    columns = memory.columns_of(_applied(question.data, fields))
    n_rows = len(next(iter(columns.values()), []))
    n_values = max(map(memory.n_values, columns.values()), default=0)
    step = max(1, APPLIED_VALUES * n_rows // max(1, n_values))
    parts = []
    for start in range(0, n_rows, step):
        part = {name: column[start : start + step] for name, column in columns.items()}
        body = memory.json_body({"map": fitted_map, **part, **options})
        path = f"/v1/calibrate/{fitted_map['task']}/apply"
        told = yield from exchange(Request("POST", path, (), body), replace(context, place=_counted_from(start)))
        parts.append(_with_gaps(told["probabilities"]))
    return np.concatenate(parts) if parts else np.empty(0)


def _map_of(fitted: Any) -> Mapping[str, Any]:
    """The map that was fitted, of a calibration, of its answer, or as it was kept."""
    answer = fitted.answer if isinstance(fitted, Calibration) else fitted
    found = answer.get("map", answer) if isinstance(answer, Mapping) else answer
    if isinstance(found, Mapping) and isinstance(found.get("task"), str):
        return found
    raise InputError("apply takes what calibrate returned, or its `map`, and then predictions")


def _applied(data: tuple[Any, ...], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of predictions: probabilities, or the columns that are named of one frame."""
    form = next((name for name in PREDICTIONS if name in fields), "")
    if len(data) > 1 or not (data or form):
        raise InputError("apply takes predictions after the map: probabilities, or logits by name")
    if not data:
        return fields
    if not form:
        return {"probabilities": data[0]} | dict(fields)
    return {name: data[0][value] if isinstance(value, str | list) else value for name, value in fields.items()}


def _counted_from(start: int) -> Callable[[int | None], str]:
    return lambda row: f"row {row + start:,} of all" if row is not None and start else ""


def _with_gaps(rows: list[Any]) -> NDArray[np.float64]:
    """Rows as an array; a null in place of a row is NaN throughout."""
    width = next((len(row) for row in rows if isinstance(row, list)), 0)
    return np.array([([math.nan] * width or math.nan) if row is None else row for row in rows], dtype=np.float64)


def compare(question: Question, context: Context) -> Steps[Comparisons]:
    """Compare candidates on the same rows."""
    given = dict(question.given)
    candidates = given.pop("candidates", {} if question.data else None)  # a table may have columns that say so
    if not isinstance(candidates, Mapping):
        raise wrong("candidates", "missing", 'must be an object of name and prediction, such as {"old": p, "new": q}')
    fields, options = split(given)
    is_tokens = question.task == "tokens" or not (fields.keys() & set(TRUTHS) or question.data)
    fields |= {f"{CANDIDATE}{name}.{form}": value for name, form, value in _predictions(candidates, is_tokens)}
    source = inputs.source_of(question.data, fields)
    task, told = _task_of(question, source, _of_first(source.dimensions))
    return Comparisons((yield from _ask("compare", task, source, options, context)), told)


def _predictions(candidates: Mapping[str, Any], is_tokens: bool) -> Iterator[tuple[str, str, Any]]:
    """Yield the name of each candidate with its prediction; bare values are probabilities, or those of tokens.

    A candidate of `tokens` may have a mask and numbers of tokens of its own beside its prediction.
    """
    for name, value in candidates.items():
        if isinstance(value, Mapping) and value.keys() <= OWN:
            yield from ((name, form, values) for form, values in value.items())
        else:
            yield name, "log_probabilities" if is_tokens else "probabilities", value


def _of_first(dimensions: Mapping[str, int]) -> dict[str, int]:
    """The dimensions of the truth and of the first prediction of a candidate."""
    truths = {name: number for name, number in dimensions.items() if name in TRUTHS}
    for name, number in dimensions.items():
        if name.startswith(CANDIDATE) and name.rpartition(".")[2] in PREDICTIONS:
            return truths | {name.rpartition(".")[2]: number}
    return truths


def merge(states: Iterable[Any], context: Context) -> Steps[Score | Comparisons]:
    """Add up the states of several answers."""
    found = [_state_of(number, state) for number, state in enumerate(states)]
    answer = yield from exchange(Request("POST", "/v1/merge", (), memory.json_body({"states": found})), context)
    return Comparisons(answer) if "comparisons" in answer else Score(answer)


def _state_of(number: int, given: Any) -> Any:
    """The state in an answer, decoded or not, or the state itself."""
    answer = given.answer if isinstance(given, Score | Comparisons) else given
    if isinstance(answer, Mapping) and "options" in answer and "version" not in answer:
        if "state" not in answer:
            raise InputError(f'answer {number} holds no state: score with include=["state"]')
        return answer["state"]
    return answer


def metrics(context: Context) -> Steps[list[dict[str, Any]]]:
    """The catalogue of metrics."""
    return (yield from exchange(Request("GET", "/v1/metrics"), context))["metrics"]  # type: ignore[no-any-return]


def limits(context: Context) -> Steps[dict[str, Any]]:
    """The limits of the service."""
    return (yield from exchange(Request("GET", "/v1/limits"), context))  # type: ignore[no-any-return]


def _ask(verb: str, task: str, source: Source, options: Mapping[str, Any], context: Context) -> Steps[Any]:
    context = replace(context, place=source.place, options=options)
    path = f"/v1/{verb}/{task}"
    if source.body is None:
        body = memory.json_body({**(source.columns or {}), **options})
        return (yield from exchange(Request("POST", path, (), body), context))
    query = (*source.query, *query_of(options))
    return (yield from exchange(Request("POST", f"{path}/rows", query, source.body), context))


def query_of(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the query parameters of options; a list becomes several, an object is JSON.

    >>> list(query_of({"top_k": [1, 5], "unit": "bits", "bootstrap": {"seed": 1}}))
    [('top_k', '1'), ('top_k', '5'), ('unit', 'bits'), ('bootstrap', '{"seed": 1}')]
    """
    for name, value in options.items():
        plain = memory.jsonable(value)
        for item in plain if isinstance(plain, list) else [plain]:
            yield name, item if isinstance(item, str) else json.dumps(item)
