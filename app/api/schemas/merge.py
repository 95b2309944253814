"""The request of merging: states that answers held, and the questions that they answer."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas.compare import compare_request
from app.api.schemas.score import score_request, unknown_field
from app.core.tasks import COLUMN_NAMES, TASKS, TaskName
from app.errors import InvalidInput, InvalidState, describe, pointer
from app.service import Question
from app.service.candidates import CompareQuestion
from app.service.merging import Asked, SentState
from app.service.nodes import Node
from app.service.questions import check_mergeable
from app.service.states import opened

MAX_STATES = 10_000
"""The most states of a request."""
MAX_KEPT_BYTES = 2**16
"""The longest text of a question that is kept: one of many class names would hold its memory long after its request."""


class State(BaseModel):
    """The state of an answer, to be sent as it came. Its parts may change from version to version."""

    model_config = ConfigDict(extra="allow")

    version: int = Field(description="Version of the form.")
    kind: str = Field(description="Operation that made it.")
    checksum: str = Field(description="Checksum of all other parts.")


class MergeRequest(BaseModel):
    """States of requests with the same task and options, in the order of their rows."""

    model_config = ConfigDict(extra="forbid")

    states: list[State] = Field(description='States of `include: ["state"]`, in the order of the rows.', min_length=1)
    include: list[str] = Field(
        default_factory=list, description="`state` adds the state of all rows, which merges again.", max_length=1
    )


def merge_request(body: Mapping[str, Any]) -> tuple[list[SentState], bool]:
    """The states of a decoded body, and whether the answer shall hold the state of all.

    Raises:
        InvalidInput: A field is unknown or wrong.
        InvalidState: A state is none, is of another version or has been changed.
    """
    for name in body:
        if name not in MergeRequest.model_fields:
            raise InvalidInput((unknown_field(name, "must be states or include", MergeRequest.model_fields),))
    states, include = body.get("states"), body.get("include") or []
    if not isinstance(states, list) or not 1 <= len(states) <= MAX_STATES:
        found = f"{len(states)}" if isinstance(states, list) else describe(states)
        raise InvalidInput.at("/states", "out_of_range", f"must be a list of 1 to {MAX_STATES} states, found {found}")
    if include not in ([], ["state"]):
        raise InvalidInput.at("/include", "out_of_range", f"must hold state or nothing, found {describe(include)}")
    return [_sent(Node(state, pointer("states", number))) for number, state in enumerate(states)], bool(include)


def _sent(node: Node) -> SentState:
    parts = opened(node)
    asked = _compared if parts["kind"].value == "compare" else _scored
    return SentState(_question(parts["request"], asked), parts["sums"])


def _question(node: Node, asked: Callable[[bytes], Asked]) -> Asked:
    fields = node.fields(("task", "columns"), node.value if isinstance(node.value, dict) else ())
    fields["task"].text(TASKS)
    for column in fields["columns"].items(0, len(COLUMN_NAMES)):
        column.text(COLUMN_NAMES)
    for name in fields:
        if name in (*COLUMN_NAMES, "slices"):
            fields[name].refuse("left out: a state has no rows")
    if asked is _compared:
        _check_candidates(node)
    try:
        text = orjson.dumps(node.value)
    except orjson.JSONEncodeError:  # it writes fewer levels than it reads
        node.refuse("the request of a state, which is not so deep")
    try:
        return _kept(asked, text) if len(text) <= MAX_KEPT_BYTES else asked(text)
    except InvalidInput as refusal:
        error = refusal.errors[0]
        raise InvalidState.at(f"{node.place}{error.pointer}", error.code, error.detail) from refusal


def _check_candidates(node: Node) -> None:
    """Refuse candidates that are no lists of a name and of fields, or of one name twice."""
    candidates = node.fields(("candidates",), node.value)["candidates"]
    lists = [[part.text() for part in entry.items(2, 2 + len(COLUMN_NAMES))] for entry in candidates.items()]
    if len({name for name, *_ in lists}) < len(lists):
        candidates.refuse("candidates of different names")


@lru_cache(maxsize=64)
def _kept(asked: Callable[[bytes], Asked], text: bytes) -> Asked:
    """The question of a text, kept for other states: most states of a body have the same."""
    return asked(text)


def _scored(text: bytes) -> Question:
    """The question of a state's request."""
    task, body = _fields(text)
    question = score_request(task, body).question
    check_mergeable(question)
    return question


def _compared(text: bytes) -> CompareQuestion:
    """The question of the request of a comparison's state."""
    task, body = _fields(text)
    body["candidates"] = {name: dict.fromkeys(fields, ()) for name, *fields in body["candidates"]}
    question = compare_request(task, body).question
    check_mergeable(question.shared)
    return question


def _fields(text: bytes) -> tuple[TaskName, dict[str, Any]]:
    """The task of a state's request, and its other fields as those of a body without rows."""
    body = orjson.loads(text)
    return body.pop("task"), body | dict.fromkeys(body.pop("columns"), ())
