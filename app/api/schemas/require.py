"""The field `require`: rules that an answer must keep, read with the place of each fault."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from app.core.compare.verdicts import Verdict
from app.core.metrics.registry import on_request
from app.core.synonyms import meant
from app.core.tasks import TaskName
from app.errors import InvalidInput, clip, describe, pointer
from app.service.requiring import Allowed, Bound, Rule, Rules

SIDES = ("min", "max")
VERDICTS: tuple[str, ...] = get_args(Verdict)
MAX_RULES = 1_000
"""The most rules of a request."""

BOUNDS: dict[str, Any] = {
    "title": "Bounds",
    "description": "The least and the greatest allowed value.",
    "type": "object",
    "properties": {
        "min": {"type": "number", "description": "Least allowed value."},
        "max": {"type": "number", "description": "Greatest allowed value."},
    },
    "additionalProperties": False,
    "minProperties": 1,
}
SCORE_SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": BOUNDS, "minProperties": 1}
COMPARE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": ["object", "array"], "items": {"type": "string"}},
    "minProperties": 1,
}
SCORE_TEXT = (
    'Bounds that metrics must keep, by metric: `{"cross_entropy": {"max": 0.45}}`. The answer then ends in `passed` '
    "and `failures`. A metric without a value keeps no bound."
)
COMPARE_TEXT = (
    "Rules that the answer must keep: bounds by metric and, under `verdict`, the list of allowed verdicts. They hold "
    "for every candidate but the baseline, or, in an object under the name of a candidate, for that one. The answer "
    "then ends in `passed` and `failures`."
)


class _Reader:
    """Reads rules, and knows the names that may stand in them."""

    def __init__(self, task: TaskName, metrics: Collection[str], others: Collection[str] = ()) -> None:
        self._task, self._metrics, self._others = task, metrics, others

    def bounds(self, path: tuple[str, ...], sent: object, candidate: str | None) -> Iterator[Bound]:
        """Yield the bounds of the metric at the end of a path."""
        if path[-1] not in self._metrics:
            raise self._unknown(path)
        if not isinstance(sent, dict):
            raise _refusal(path, "wrong_type", f"must be an object of min and max, found {describe(sent)}")
        sides = {side: value for side, value in sent.items() if value is not None}
        for side in sides.keys() - set(SIDES):
            raise _refusal((*path, side), "unknown_field", "must be min or max")
        if not sides:
            raise _refusal(path, "missing", "must hold min or max, found neither")
        for side, value in sides.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _refusal((*path, side), "wrong_type", f"must be a number, found {describe(value)}")
        if len(sides) > 1 and sides["min"] > sides["max"]:
            raise _refusal((*path, "min"), "out_of_range", f"must be at most max, {sides['max']}, found {sides['min']}")
        return (Bound((*path, side), path[-1], side, float(value), candidate) for side, value in sides.items())

    def of_candidate(self, path: tuple[str, ...], sent: Mapping[str, Any], candidate: str | None) -> Iterator[Rule]:
        """Yield the rules that one candidate, or all, must keep."""
        for name, rule in sent.items():
            if rule is None:
                continue
            if name == "verdict" and not isinstance(rule, dict):
                yield Allowed((*path, name), _verdicts((*path, name), rule), candidate)
            else:
                yield from self.bounds((*path, name), rule, candidate)

    def _unknown(self, path: tuple[str, ...]) -> InvalidInput:
        name, known = path[-1], [*self._metrics, *self._others]
        if name in on_request(self._task):
            return _refusal(path, "missing", f"must be a metric of the answer; name {name} in `metrics` too")
        close = meant(name, known)
        hint = f'; did you mean "{close}"?' if close else f"; there are {', '.join(known)}"
        owner = "a metric of the answer or a candidate" if self._others else "a metric of the answer"
        return _refusal(path, "unknown_field", f"must be {owner}{hint}")


def score_rules(task: TaskName, sent: object, metrics: Collection[str]) -> Rules:
    """The rules for an answer with some metrics.

    Raises:
        InvalidInput: A rule is none, or its metric is not in the answer.
    """
    reader = _Reader(task, metrics)
    bounds = [bound for name, rule in _object(sent).items() for bound in reader.bounds((name,), rule, None)]
    return tuple(bounds)


def compare_rules(
    task: TaskName, sent: object, metrics: Collection[str], candidates: Collection[str], baseline: str
) -> Rules:
    """The rules for a comparison: those for all candidates, and those under the name of one.

    An object that holds neither `min` nor `max`, under the name of a candidate, is the rules of that candidate.

    Raises:
        InvalidInput: As for `score_rules`; or a verdict is asked of the baseline, which has none.
    """
    reader = _Reader(task, metrics, ("verdict", *map(clip, candidates)))
    common: dict[str, Any] = {}
    named: dict[str, Any] = {}
    for name, rule in _object(sent).items():
        is_own = name in candidates and isinstance(rule, dict) and not rule.keys() & set(SIDES)
        (named if is_own else common)[name] = rule
    rules = [*reader.of_candidate((), common, None)]
    for name, own in named.items():
        if name == baseline and isinstance(own.get("verdict"), list):
            raise _refusal((name, "verdict"), "unknown_field", "must be left out: the baseline has no verdict")
        rules += reader.of_candidate((name,), own, name)
    if not rules:
        raise InvalidInput.at("/require", "missing", "must hold a rule, found none")
    return tuple(rules)


def _verdicts(path: tuple[str, ...], sent: object) -> tuple[str, ...]:
    if not isinstance(sent, list | tuple) or not sent or not all(verdict in VERDICTS for verdict in sent):
        raise _refusal(path, "out_of_range", f"must be a list of some of {', '.join(VERDICTS)}, found {describe(sent)}")
    return tuple(sent)


def _object(sent: object) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise InvalidInput.at("/require", "wrong_type", f"must be an object, found {describe(sent)}")
    rules = {name: rule for name, rule in sent.items() if rule is not None}
    if not 1 <= len(rules) <= MAX_RULES:
        raise InvalidInput.at("/require", "out_of_range", f"must hold 1 to {MAX_RULES} rules, found {len(rules)}")
    return rules


def _refusal(path: tuple[str, ...], code: str, detail: str) -> InvalidInput:
    return InvalidInput.at(pointer("require", *path), code, detail)
