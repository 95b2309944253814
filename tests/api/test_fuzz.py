"""Whatever is sent, the answer is documented: scores as promised, or an error that was raised on purpose."""

from collections import Counter

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import openapi
from app.api.answers import ProblemDetails, ScoreAnswer
from app.api.contract.asking import Asked, answers
from app.api.media import JSON
from app.api.schemas import MODELS
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


@pytest.mark.slow
def test_no_body_makes_the_service_fail() -> None:
    outcomes: Counter[str] = Counter()
    app = openapi.application()

    @settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(TASKS)).flatmap(changed_bodies))
    def holds(case: tuple[TaskName, Body]) -> None:
        task, body = case
        (answer,) = answers(app, [Asked(f"/v1/score/{task}", JSON, orjson.dumps(body))])
        if answer.status == 200:
            outcomes["scored"] += 1
            ScoreAnswer.model_validate_json(answer.body, strict=True)
        else:
            outcomes["refused"] += 1
            assert ProblemDetails.model_validate_json(answer.body).status == answer.status == 422

    holds()
    assert min(outcomes["refused"], outcomes["scored"]) > 400, outcomes
