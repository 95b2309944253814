"""Questions to the service as plain bodies, and its answers for each metric."""

from typing import Any

import pytest

from app.api.schemas.calibrate import calibrate_request
from app.api.schemas.compare import compare_request
from app.api.schemas.questions import asked
from app.api.schemas.score import score_request
from app.core.tasks import TaskName
from app.service import calibrate, compare, score
from app.settings import DEFAULTS
from tests.documents import RELATIVE
from tests.requests import request_of

Body = dict[str, Any]
MAX_COLUMNS = DEFAULTS.max_columns

WORKED: Body = {"labels": [3, 3], "probabilities": [[0.25] * 4, [0.01, 0.01, 0.01, 0.96]]}


def ask(task: Any, body: Body) -> dict[str, Any]:
    return score(request_of(task, body))


def answered(noun: str, task: TaskName, body: bytes) -> dict[str, Any]:
    """The answer to a JSON body, in this thread and without HTTP."""
    match noun:
        case "score":
            return score(asked(score_request, task, body, MAX_COLUMNS))
        case "compare":
            return compare(asked(compare_request, task, body, MAX_COLUMNS))
        case _:
            return calibrate(asked(calibrate_request, task, body, MAX_COLUMNS))


def values(task: str, body: Body) -> dict[str, tuple[str, float | None]]:
    """Status and value of every metric."""
    return {name: (found["status"], found["value"]) for name, found in ask(task, body)["metrics"].items()}


def near(expected: float) -> Any:
    return pytest.approx(expected, rel=RELATIVE, abs=0.0)
