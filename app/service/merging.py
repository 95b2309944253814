"""The use case of merging: states of parts of a body become the answer that one request with all rows would have."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, TypeAlias

from app.core.checkpoints import at_checkpoints
from app.core.options import Options
from app.errors import InvalidState, StateMismatch, clip
from app.service.nodes import Node
from app.service.part_forms import read_part
from app.service.questions import Question
from app.service.scoring import answer_of
from app.service.sections import Part, check_clusters, check_sizes

ReadQuestion: TypeAlias = Callable[[Node], Question]
"""A function from the place of a state's request to its question; it raises `InvalidState`."""


class SentState(NamedTuple):
    """A state that was sent: the question that it answers, and its sums, which are not yet read."""

    question: Question
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
    try:
        total = _total(states)
        summary = total.summary
        check_clusters(total.clusters)
        n_slices = sum(map(len, summary.slices.values()))
        check_sizes(question.include, question.options, summary.state.n_classes, n_slices)
        return answer_of(question.asking_state() if with_state else question, total)
    except ArithmeticError as error:
        raise InvalidState.at("/states", "invalid_state", "must hold sums of rows, found some of none") from error


def _total(states: Sequence[SentState]) -> Part:
    total = read_part(states[0].question, states[0].sums)
    for number, state in at_checkpoints(enumerate(states[1:], 1)):
        part = read_part(state.question, state.sums)
        ours, theirs = total.summary, part.summary
        _check_equal("the number of classes", ours.state.n_classes, theirs.state.n_classes, number)
        _check_equal("the names of slices", sorted(ours.slices), sorted(theirs.slices), number)
        total += part.shifted(ours.state.n_samples)
    return total


def _check_alike(first: Question, other: Question, number: int) -> None:
    if first == other:
        return
    _check_equal("the task", first.task, other.task, number)
    for option in fields(Options):
        name = option.name
        _check_equal(f"`{name}`", getattr(first.options, name), getattr(other.options, name), number)
    for name in ("columns", "include", "metrics", "require"):
        ours, theirs = (sorted(map(str, getattr(question, name))) for question in (first, other))
        _check_equal(f"`{name}`", ours, theirs, number)


def _check_equal(what: str, ours: object, theirs: object, number: int) -> None:
    if ours != theirs:
        found = f"{clip(str(ours))} in state 0 and {clip(str(theirs))} in state {number}"
        raise StateMismatch(f"states must agree in {what}, found {found}")
