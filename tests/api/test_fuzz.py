"""Random bodies: every answer is documented, as scores or as an error that was raised on purpose."""

from collections import Counter

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app.api.contract import openapi
from app.api.contract.asking import Asked, answers
from app.api.negotiation.media import JSON
from app.api.schemas.answers import ProblemDetails, ScoreAnswer
from app.api.schemas.score import MODELS
from app.core.tasks import TASKS, TaskName
from tests.bodies import Body, bodies

WORDS = ["", "a", "nats", "bits", "left", "right", "count", "error", "per_sample", "per_class", "calibration"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-2, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(0, 1)
    | st.sampled_from(WORDS)
)
ROWS = st.lists(SCALARS, max_size=4) | st.lists(st.lists(SCALARS, max_size=3), max_size=4)
VALUES = SCALARS | ROWS | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


def changed_bodies(task: TaskName) -> st.SearchStrategy[tuple[TaskName, Body]]:
    """Valid bodies of a task, in most of which one field is replaced by something."""
    names = st.sampled_from(list(MODELS[task].model_fields)) | st.text(max_size=5)
    changes = st.dictionaries(names, VALUES, max_size=1)
    return st.builds(lambda body, change: (task, body | change), bodies(task), changes)


def outcome(app: FastAPI, path: str, body: Body, model: type[BaseModel]) -> str:
    """The answer to a body by HTTP; it fails if the answer is not as documented."""
    (answer,) = answers(app, [Asked(path, JSON, orjson.dumps(body))])
    if answer.status == 200:
        model.model_validate_json(answer.body, strict=True)
        return "answered"
    assert ProblemDetails.model_validate_json(answer.body).status == answer.status == 422
    return "refused"


@pytest.mark.slow
def test_no_body_makes_the_service_fail() -> None:
    outcomes: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(TASKS)).flatmap(changed_bodies))
    def holds(case: tuple[TaskName, Body]) -> None:
        task, body = case
        outcomes[outcome(app, f"/v1/score/{task}", body, ScoreAnswer)] += 1

    holds()
    assert min(outcomes["refused"], outcomes["answered"]) > 400, outcomes
