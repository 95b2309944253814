"""The request of merging: states that answers held, and the questions that they answer."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas.score import score_request, unknown_field
from app.core.tasks import COLUMN_NAMES, TASKS
from app.errors import InvalidInput, InvalidState, describe, pointer
from app.service import Question
from app.service.merging import SentState
from app.service.nodes import Node
from app.service.questions import check_mergeable
from app.service.states import opened

MAX_STATES = 10_000
"""The most states of a request."""


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
    return SentState(_question(parts["request"]), parts["sums"])


def _question(node: Node) -> Question:
    fields = node.fields(("task", "columns"), node.value if isinstance(node.value, dict) else ())
    fields["task"].text(TASKS)
    for column in fields["columns"].items(1, len(COLUMN_NAMES)):
        column.text(COLUMN_NAMES)
    for name in fields:
        if name in (*COLUMN_NAMES, "slices"):
            fields[name].refuse("left out: a state has no rows")
    try:
        return _asked(orjson.dumps(node.value))
    except InvalidInput as refusal:
        error = refusal.errors[0]
        raise InvalidState.at(f"{node.place}{error.pointer}", error.code, error.detail) from refusal


@lru_cache(maxsize=64)
def _asked(text: bytes) -> Question:
    """The question of a state's request; most states of a body have the same."""
    body = orjson.loads(text)
    task, columns = body.pop("task"), dict.fromkeys(body.pop("columns"), ())
    question = score_request(task, {**body, **columns}).question
    check_mergeable(question)
    return question
