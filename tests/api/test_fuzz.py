"""Whatever is sent, the answer is documented: scores as promised, or an error that was raised on purpose."""

from collections import Counter

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.accept import dumps
from app.api.answers import ScoreAnswer
from app.api.routes.score import answer
from app.api.schemas import MODELS
from app.core.tasks import TASKS, TaskName
from app.errors import SurprisalError
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

    @settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(TASKS)).flatmap(changed_bodies))
    def holds(case: tuple[TaskName, Body]) -> None:
        try:
            scores = answer(case[0], orjson.dumps(case[1]))
        except SurprisalError:
            outcomes["refused"] += 1
        else:
            outcomes["scored"] += 1
            ScoreAnswer.model_validate_json(dumps(scores), strict=True)

    holds()
    assert min(outcomes["refused"], outcomes["scored"]) > 400, outcomes
