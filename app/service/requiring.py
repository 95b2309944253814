"""Rules that an answer must keep: bounds of metrics and allowed verdicts, for gates that read one boolean."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from app.errors import pointer

Metrics: TypeAlias = Mapping[str, Mapping[str, Any]]


class Bound(NamedTuple):
    """A bound of a metric.

    Attributes:
        path: The names that lead to the rule in the request.
        metric: The name of the metric.
        side: The side of the bound, `min` or `max`; both bounds are allowed values.
        candidate: The candidate that must keep it; None for every candidate but the baseline.
    """

    path: tuple[str, ...]
    metric: str
    side: str
    limit: float
    candidate: str | None = None


class Allowed(NamedTuple):
    """The verdicts that a candidate may have; the other fields are those of `Bound`."""

    path: tuple[str, ...]
    verdicts: tuple[str, ...]
    candidate: str | None = None


Rule: TypeAlias = Bound | Allowed
Rules: TypeAlias = tuple[Rule, ...]

_WORDS = {"min": "at least", "max": "at most"}


def judged_scores(rules: Rules, metrics: Metrics) -> dict[str, Any]:
    """The end of an answer of scoring, whose metrics must keep all rules."""
    bounds = (rule for rule in rules if isinstance(rule, Bound))
    return _told([failure for rule in bounds for failure in _bound_failures(rule, metrics, "")])


def judged_comparison(rules: Rules, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The end of an answer of comparing; a rule that names no candidate holds for all but the baseline."""
    return _told([failure for rule in rules for failure in _candidate_failures(rule, answer)])


def _told(failures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"passed": not failures, "failures": failures}


def _candidate_failures(rule: Rule, answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in answer["comparisons"]:
        name = entry["candidate"]
        if rule.candidate not in (None, name):
            continue
        if isinstance(rule, Bound):
            yield from _bound_failures(rule, answer["candidates"][name]["metrics"], f" of {name}")
        elif entry["verdict"] not in rule.verdicts:
            allowed = " or ".join(rule.verdicts)
            yield _failure(rule, f"the verdict on {name} must be {allowed}", entry["verdict"])
    if isinstance(rule, Bound) and rule.candidate == answer["comparisons"][0]["baseline"]:
        yield from _bound_failures(rule, answer["candidates"][rule.candidate]["metrics"], f" of {rule.candidate}")


def _bound_failures(rule: Bound, metrics: Metrics, owner: str) -> Iterator[dict[str, Any]]:
    found = metrics[rule.metric]
    value = found["value"]
    if value is None:  # no value keeps no bound
        yield _failure(rule, f"{rule.metric}{owner} must have a value", found["status"])
    elif value < rule.limit if rule.side == "min" else value > rule.limit:
        yield _failure(rule, f"{rule.metric}{owner} must be {_WORDS[rule.side]} {rule.limit}", value)


def _failure(rule: Rule, must: str, found: float | str) -> dict[str, Any]:
    return {"rule": pointer("require", *rule.path), "found": found, "detail": f"{must}, found {found}"}
