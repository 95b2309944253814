"""Numbers that stand for none are told, and numbers of their kind are not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.tasks import TaskName
from app.service import score
from app.service.streaming import score_parts
from tests.core.parts import Body, rows
from tests.requests import request_of

RNG = np.random.default_rng(0)
SMALL = (-RNG.exponential(3.0, 40)).tolist()

TOLD: list[tuple[TaskName, Body, list[tuple[float, list[int]]]]] = [
    ("tokens", {"log_probabilities": [[-0.1, -9999.0, -0.2]]}, [(-9999.0, [0])]),
    ("tokens", {"log_probabilities": [[-1.0, -9999.0], [-2.0]]}, [(-9999.0, [0])]),
    ("tokens", {"log_probabilities": [SMALL, [-100.0, -0.5]]}, [(-100.0, [1])]),
    ("tokens", {"log_probabilities": [[-9999.0], [-9999.0]]}, [(-9999.0, [0, 1])]),
    ("tokens", {"log_probabilities": [[-0.5], [-100.0], [-30.5], [-100.0]]}, [(-100.0, [1, 3])]),
    ("tokens", {"log_probabilities": [[-0.5, -100.0], [-9999.0]]}, [(-9999.0, [1]), (-100.0, [0])]),
    ("binary", {"labels": [1, 0, 1], "logits": [2.5, -9999.0, 0.5]}, [(-9999.0, [1])]),
    ("multiclass", {"labels": [0, 1], "logits": [[1.5, 0.5], [0.25, -1e9]]}, [(-1e9, [1])]),
    (
        "multiclass",
        {"labels": [0, 1], "log_probabilities": [[0.0, -100.0], [-0.0000001, -100.0]]},
        [],
    ),
    (
        "multiclass",
        {"labels": [0, 1, 0], "log_probabilities": [[-0.5, -1.0], [0.0, -999.0], [-0.7, -0.7]], "tolerance": 1.0},
        [(-999.0, [1])],
    ),
    (
        "distributions",
        {"targets": [[0.5, 0.5], [1.0, 0.0]], "logits": [[0.5, -65504.0], [0.3, -65504.0]]},
        [(-65504.0, [0])],
    ),
    ("multilabel", {"labels": [[1, 0], [0, 1]], "logits": [[2.5, -9999.0], [0.5, -9999.0]]}, [(-9999.0, [0, 1])]),
]

NOT_TOLD: list[tuple[TaskName, Body]] = [
    ("tokens", {"log_probabilities": [[-98.2, -100.0, -103.5, -0.1]]}),
    ("tokens", {"log_probabilities": [[-100.0, -100.0, -90.25]]}),
    ("tokens", {"log_probabilities": [[-100.0]]}),
    ("tokens", {"log_probabilities": [[-100.0, -1.0, -3.0]]}),  # whole numbers all: rounded
    ("tokens", {"log_probabilities": [[-100.5, -0.5]]}),
    ("binary", {"labels": [1, 0, 1, 0], "logits": [100.0, -100.0, 100.0, -100.0]}),
    ("binary", {"labels": [1, 0], "logits": [2.5, -np.inf]}),
    ("multiclass", {"labels": [0, 0], "logits": [[1.5, -1e9], [0.25, -1e9]]}),  # a class that is masked
    ("multiclass", {"labels": [0], "probabilities": [[0.5, 0.5]]}),
    ("binary", {"labels": [1, 0], "logits": [0.5, -9999.0], "mask": [True, False]}),
    ("multilabel", {"labels": [[1, 0]], "logits": [[0.5, -9999.0]], "mask": [[True, False]]}),
]


def told(answer: dict[str, Any]) -> list[tuple[float, list[int]]]:
    return [(entry["value"], entry["rows"]) for entry in answer["warnings"] if entry["code"] == "sentinel_value"]


@pytest.mark.parametrize(("task", "body", "expected"), TOLD)
def test_a_sentinel_is_told_with_its_rows(task: TaskName, body: Body, expected: list[Any]) -> None:
    assert sorted(told(score(request_of(task, body)))) == sorted(expected)


@pytest.mark.parametrize(("task", "body"), NOT_TOLD)
def test_a_number_among_its_like_is_not(task: TaskName, body: Body) -> None:
    assert told(score(request_of(task, body))) == []


def test_honest_log_probabilities_and_logits_raise_no_alarm() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        documents = [(-rng.gamma(0.5, 6.0, 50)).tolist() for _ in range(20)]
        assert told(score(request_of("tokens", {"log_probabilities": documents}))) == []
        logits = (rng.normal(size=200) * 40).round(0).tolist()
        labels = rng.integers(0, 2, 200).tolist()
        assert told(score(request_of("binary", {"labels": labels, "logits": logits}))) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_parts_find_what_the_whole_finds(data: st.DataObject) -> None:
    tokens = st.sampled_from([-0.5, -1.0, -100.0, -9999.0, -30.25, -60.0, -np.inf])
    n = data.draw(st.integers(2, 8))
    body = {"log_probabilities": data.draw(st.lists(st.lists(tokens, max_size=3), min_size=n, max_size=n))}
    cut = data.draw(st.integers(1, n - 1))
    parts = [request_of("tokens", rows(body, part)) for part in (list(range(cut)), list(range(cut, n)))]
    assert told(score_parts(parts, 1 << 30)) == told(score(request_of("tokens", body)))
