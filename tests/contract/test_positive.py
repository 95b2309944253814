"""Random requests that are as the document says: most are scored, and every answer is as the document says too."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract import tools
from tests.encoded import MEDIA_TYPES, encoded

N = 100
"""Requests of each operation that takes a body."""
LEAST_SHARE = 0.3
"""The least share that is accepted: no schema tells of labels that must be classes, or of weights that must be as many
as the classes. It was 0.14 with columns as they are drawn."""

ROWS = [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]]
COLUMNS: dict[str, dict[str, list[Any]]] = {
    "binary": {"labels": [1, 0, 1], "probabilities": [0.5, 0.25, 0.75]},
    "multiclass": {"labels": [1, 0, 1], "probabilities": ROWS},
    "multilabel": {"labels": [[1, 0], [0, 1], [1, 1]], "probabilities": ROWS},
    "distributions": {"targets": ROWS, "probabilities": ROWS},
    "tokens": {"log_probabilities": [[-1.0, -2.0], [-1.0, -0.5]]},
}

MODELS = {
    task: {name: values for name, values in columns.items() if name in ("labels", "targets")}
    | {f"candidates.{name}.{form}": columns[form] for name in "ab" for form in columns if "probabilities" in form}
    for task, columns in COLUMNS.items()
}
"""The same rows with two candidates."""

tools.demand()


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    """A folder with rows of each operation and task in each format."""
    for noun, rows in {"score": COLUMNS, "calibrate": COLUMNS, "compare": MODELS}.items():
        for task, columns in rows.items():
            for format_, media_type in MEDIA_TYPES.items():
                name = f"{noun} {task} {media_type.replace('/', ' ')}"
                (tmp_path / name).write_bytes(encoded(format_, columns))
    return tmp_path


@pytest.mark.timeout(900)
def test_random_requests_are_answered_as_documented_and_mostly_accepted(address: str, bodies: Path) -> None:
    said = tools.succeeded(
        tools.python("python", tools.HERE / "positive.py", address, tools.DOCUMENT, bodies, str(N), seconds=900)
    )
    found = [json.loads(line) for line in said.splitlines()]
    assert [operation for operation in found if operation["failures"]] == []
    posts = [operation for operation in found if operation["operation"].startswith("POST")]
    assert len(posts) == 28
    assert [operation for operation in posts if operation["sent"] < N] == []
    guessed = ("merge", "apply", "jobs")  # no state, no map and no file can be
    of_rows = [operation for operation in posts if not any(word in operation["operation"] for word in guessed)]
    assert [operation for operation in of_rows if operation["accepted"] < LEAST_SHARE * operation["sent"]] == []
