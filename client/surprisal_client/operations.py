"""The operations of the service: what is asked, and what the answer becomes. Nothing here touches a network."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from surprisal_client.exchange import Context, Request, Steps, exchange
from surprisal_client.fields import PREDICTIONS, TRUTHS, inferred_task, split, wrong
from surprisal_client.results.calibration import Calibration
from surprisal_client.results.comparison import Comparisons
from surprisal_client.results.score import Score
from surprisal_client.sources import Source, inputs, memory

CANDIDATE = "candidates."


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
    task, told = (question.task, "") if question.task else inferred_task(source.dimensions)
    return Score((yield from _ask("score", task, source, options, context)), told)


def calibrate(question: Question, context: Context) -> Steps[Calibration]:
    """Fit a calibration to rows."""
    fields, options = split(question.given)
    source = inputs.source_of(question.data, fields)
    task, told = (question.task, "") if question.task else inferred_task(source.dimensions)
    return Calibration((yield from _ask("calibrate", task, source, options, context)), told)


def compare(question: Question, context: Context) -> Steps[Comparisons]:
    """Compare candidates on the same rows."""
    given = dict(question.given)
    candidates = given.pop("candidates", None)
    if not isinstance(candidates, Mapping):
        raise wrong("candidates", "missing", 'must be an object of name and prediction, such as {"old": p, "new": q}')
    fields, options = split(given)
    is_tokens = question.task == "tokens" or not (fields.keys() & set(TRUTHS) or question.data)
    fields |= {f"{CANDIDATE}{name}.{form}": value for name, form, value in _predictions(candidates, is_tokens)}
    source = inputs.source_of(question.data, fields)
    task, told = (question.task, "") if question.task else inferred_task(_of_first(source.dimensions))
    return Comparisons((yield from _ask("compare", task, source, options, context)), told)


def _predictions(candidates: Mapping[str, Any], is_tokens: bool) -> Iterator[tuple[str, str, Any]]:
    """Yield name, form and values of each candidate; bare values are probabilities, or those of tokens."""
    for name, value in candidates.items():
        if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in PREDICTIONS:
            yield (name, *next(iter(value.items())))
        else:
            yield name, "log_probabilities" if is_tokens else "probabilities", value


def _of_first(dimensions: Mapping[str, int]) -> dict[str, int]:
    """The dimensions of the truth and of the first candidate."""
    truths = {name: number for name, number in dimensions.items() if name in TRUTHS}
    first = next((name for name in dimensions if name.startswith(CANDIDATE)), None)
    return truths | ({first.rpartition(".")[2]: dimensions[first]} if first else {})


def merge(states: Iterable[Any], context: Context) -> Steps[Score | Comparisons]:
    """Add up the states of several answers."""
    found = [state.answer["state"] if isinstance(state, Score | Comparisons) else state for state in states]
    answer = yield from exchange(Request("POST", "/v1/merge", (), memory.json_body({"states": found})), context)
    return Comparisons(answer) if "comparisons" in answer else Score(answer)


def metrics(context: Context) -> Steps[list[dict[str, Any]]]:
    """The catalogue of metrics."""
    return (yield from exchange(Request("GET", "/v1/metrics"), context))["metrics"]  # type: ignore[no-any-return]


def limits(context: Context) -> Steps[dict[str, Any]]:
    """The limits of the service."""
    return (yield from exchange(Request("GET", "/v1/limits"), context))  # type: ignore[no-any-return]


def _ask(verb: str, task: str, source: Source, options: Mapping[str, Any], context: Context) -> Steps[Any]:
    context = replace(context, place=source.place, options=options)
    path = f"/v1/{verb}/{task}"
    if source.body is None or (verb == "compare" and source.columns):
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
