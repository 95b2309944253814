"""The use case of merging: states of parts of a body become the answer that one request with all rows would have."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from app.core.checkpoints import at_checkpoints
from app.core.options import Options
from app.core.sums.summary import Summary
from app.errors import InvalidState, StateMismatch, clip
from app.service.candidates import CompareQuestion, own_options
from app.service.compared_forms import read_compared_part
from app.service.compared_parts import ComparedPart, check_slices
from app.service.comparing import comparison_of
from app.service.nodes import Node
from app.service.part_forms import read_part
from app.service.questions import Question
from app.service.scoring import answer_of
from app.service.sections import Part, check_clusters, check_sizes

Asked: TypeAlias = Question | CompareQuestion


class SentState(NamedTuple):
    """A state that was sent: the question that it answers, and its sums, which are not yet read."""

    question: Asked
    sums: Node


def merge(states: Sequence[SentState], *, with_state: bool = False) -> dict[str, Any]:
    """Add states up, the rows of each behind those of the states before it.

    Args:
        with_state: Whether the answer holds the state of all rows.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it.

    Raises:
        InvalidState: A state holds what no rows have; the pointer names the place.
        StateMismatch: States are of different tasks, options or columns; the first that differs is named.
    """
    question = states[0].question
    for number, state in enumerate(states):
        _check_alike(question, state.question, number)
    asked = question.asking_state() if with_state else question
    try:
        if isinstance(asked, CompareQuestion):
            return _compared(asked, states)
        return _scored(asked, states)
    except (ArithmeticError, ValueError) as error:  # a quotient by 0, or the root of a number below it
        raise InvalidState.at("/states", "invalid_state", "must hold sums of rows, found some of none") from error


def _scored(question: Question, states: Sequence[SentState]) -> dict[str, Any]:
    """The answer of scoring."""

    def shifted(part: Part, before: Part, number: int) -> Part:
        _check_rows(before.summary, part.summary, number)
        return part.shifted(before.summary.state.n_samples)

    return answer_of_total(question, _total(states, partial(read_part, question), shifted))


def answer_of_total(question: Question, total: Part) -> dict[str, Any]:
    """The answer of scoring that the sums of all rows make.

    Raises:
        InvalidInput: There are more clusters or slices than an answer of added sums may have.
    """
    check_clusters(total.clusters)
    n_slices = sum(map(len, total.summary.slices.values()))
    check_sizes(question.include, question.options, total.summary.state.n_classes, n_slices)
    return answer_of(question, total.by_cluster())


def _compared(question: CompareQuestion, states: Sequence[SentState]) -> dict[str, Any]:
    """The answer of comparing."""

    def shifted(part: ComparedPart, before: ComparedPart, number: int) -> ComparedPart:
        _check_rows(before.sent.summary, part.sent.summary, number)
        return part.shifted(before.sent.summary.state.n_samples)

    total = _total(states, partial(read_compared_part, question), shifted)
    check_clusters(total.sent.clusters)
    check_slices(question, sum(map(len, total.sent.summary.slices.values())))
    return comparison_of(question, total.by_cluster())


Sum = TypeVar("Sum", Part, ComparedPart)


def _total(states: Sequence[SentState], read: Callable[[Node], Sum], shifted: Callable[[Sum, Sum, int], Sum]) -> Sum:
    """The sum of all parts; `shifted` takes a part, those before it and its number, and shifts its rows."""
    total = read(states[0].sums)
    for number, state in at_checkpoints(enumerate(states[1:], 1)):
        total += shifted(read(state.sums), total, number)
    return total


def _check_rows(ours: Summary, theirs: Summary, number: int) -> None:
    _check_equal("the number of classes", ours.state.n_classes, theirs.state.n_classes, number)
    _check_equal("the names of slices", sorted(ours.slices), sorted(theirs.slices), number)


def _check_alike(first: Asked, other: Asked, number: int) -> None:
    if first == other:
        return
    ours, theirs = ("compare" if isinstance(asked, CompareQuestion) else "score" for asked in (first, other))
    _check_equal("the operation", ours, theirs, number)
    _check_equal("the task", first.task, other.task, number)
    for option in fields(Options):
        name = option.name
        _check_equal(f"`{name}`", getattr(first.options, name), getattr(other.options, name), number)
    names = ["baseline", *own_options(first.task)] if isinstance(first, CompareQuestion) else []
    for name in names:
        _check_equal(f"`{name}`", getattr(first, name), getattr(other, name), number)
    for (name, own), (_, others) in zip(_parts(first), _parts(other), strict=True):
        _check_equal(name, own, others, number)


def _parts(asked: Asked) -> list[tuple[str, list[str]]]:
    """The parts of a question that are lists, each with its name."""
    if isinstance(asked, Question):
        names = ("columns", "include", "metrics", "require")
        return [(f"`{name}`", sorted(map(str, getattr(asked, name)))) for name in names]
    candidates = [" ".join((name, *fields)) for name, fields in asked.candidates.items()]
    return [("`candidates`", candidates), *_parts(replace(asked.shared, require=asked.require))]


def _check_equal(what: str, ours: object, theirs: object, number: int) -> None:
    if ours != theirs:
        found = f"{clip(str(ours))} in state 0 and {clip(str(theirs))} in state {number}"
        raise StateMismatch(f"states must agree in {what}, found {found}")
