"""The state of a request as JSON: all that its answer is made of, so that states of parts add up to one answer."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from hashlib import blake2b
from typing import Any, TypeAlias

from app.core.options import Options
from app.service.nodes import Node
from app.service.part_forms import part_form
from app.service.questions import Question
from app.service.requiring import Allowed, Rules
from app.service.sections import Part

VERSION = 1
"""The version of states; one of another version is refused by its number."""
KINDS = ("score", "compare")
Form: TypeAlias = dict[str, Any]


def state_of(question: Question, part: Part) -> Form:
    """The state of a request of scoring, as an answer holds it."""
    return sealed("score", request_form(question), part_form(part, question.include))


def sealed(kind: str, request: Form, sums: Form) -> Form:
    """A state with the checksum of all that it holds."""
    state = {"version": VERSION, "kind": kind, "request": request, "sums": sums}
    return {**state, "checksum": _checksum(state)}


def opened(node: Node) -> dict[str, Node]:
    """The parts of a state, which is whole as it was made.

    Raises:
        InvalidState: It is of another version, no state, or changed.
    """
    version = node.fields(("version",), node.value if isinstance(node.value, dict) else ())["version"]
    if version.value != VERSION or isinstance(version.value, bool):
        version.refuse(f"the version {VERSION} of states, which is read here")
    state = node.fields(("version", "kind", "request", "sums", "checksum"))
    state["kind"].text(KINDS)
    try:
        is_whole = state["checksum"].value == _checksum(node.value)
    except RecursionError:
        is_whole = False
    if not is_whole:
        node.refuse("a state as an answer held it, with the checksum of all its parts")
    return state


def _checksum(state: Mapping[str, Any]) -> str:
    """The checksum of a state, the same however its JSON is written."""
    digest = blake2b(digest_size=8)
    _feed(
        {name: value for name, value in state.items() if name != "checksum"},
        lambda text: digest.update(text.encode(errors="surrogatepass")),
    )
    return digest.hexdigest()


def _feed(value: Any, feed: Callable[[str], None]) -> None:
    """Feed the text of a value piece by piece, for all threads wait while Python writes a long one at once.

    Names are in order, and numbers are doubles, for some programs write 1 for 1.0.
    """
    match value:
        case dict():
            feed("[")
            for number, name in enumerate(sorted(value)):
                feed(f"{', ' * (number > 0)}({name!r}, ")
                _feed(value[name], feed)
                feed(")")
            feed("]")
        case list() | tuple():
            feed("[")
            for number, item in enumerate(value):
                feed(", " * (number > 0))
                _feed(item, feed)
            feed("]")
        case int() | float() if not isinstance(value, bool):
            feed(repr(float(value) + 0.0))
        case _:
            feed(repr(value))


def request_form(question: Question) -> Form:
    """The question as the body of a request that asks it, with the names of the columns in place of their values."""
    given = question.options.for_task(question.task)
    form: Form = {"task": question.task, "columns": list(question.columns)}
    form |= {f.name: given[f.name] for f in fields(Options) if f.name in given and given[f.name] != f.default}
    further = {
        "include": sorted(question.include - {"state"}),
        "metrics": list(question.metrics),
        "require": rules_form(question.require),
    }
    return form | {name: value for name, value in further.items() if value}


def rules_form(rules: Rules) -> Form:
    """The field `require` that holds some rules."""
    form: Form = {}
    for rule in rules:
        holder = form
        for name in rule.path[:-1]:
            holder = holder.setdefault(name, {})
        holder[rule.path[-1]] = list(rule.verdicts) if isinstance(rule, Allowed) else rule.limit
    return form
