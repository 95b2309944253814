"""The options of the loss that a metric says it is moved by are those that move it, and no others."""

from typing import Any, get_args

import numpy as np
import pytest

from app.core.metrics.metric import LOSS_OPTIONS, LossOption
from app.core.metrics.registry import METRICS, on_request
from app.core.options import option_names
from app.core.tasks import TaskName
from app.service import score
from tests.bodies import random_body
from tests.requests import asking, request_of

N_BODIES = 80
OTHERS: dict[LossOption, Any] = {
    "epsilon": 0.3,
    "class_weight": [0.25, 4.0, *[1.0] * 10],
    "pos_weight": 7.0,
    "label_smoothing": 0.3,
    "denominator": "count",
}
CASES = [(task, option) for task in get_args(TaskName) for option in LOSS_OPTIONS if option in option_names(task)]


def numbers(task: TaskName, body: dict[str, Any]) -> dict[str, Any]:
    metrics = score(asking(request_of(task, body), metrics=on_request(task)))["metrics"]
    return {name: (found["status"], found["value"]) for name, found in metrics.items()}


def moved(task: TaskName, option: LossOption, seed: int) -> set[str]:
    """The metrics of a random body that another value of the option gives another value."""
    body = random_body(task, np.random.default_rng(seed))
    if option == "epsilon" and "n_tokens" in body:  # sums cannot be clipped
        return set()
    body = {name: value for name, value in body.items() if name != option}
    other = OTHERS[option]
    if option == "class_weight":
        rows = next(body[form] for form in ("probabilities", "log_probabilities", "logits") if form in body)
        other = other[: len(rows[0])]
    before, after = numbers(task, body), numbers(task, body | {option: other})
    return {name for name, value in before.items() if after[name] != value}


@pytest.mark.parametrize(("task", "option"), CASES)
def test_an_option_moves_the_metrics_that_say_so(task: TaskName, option: LossOption) -> None:
    found = set().union(*(moved(task, option, seed) for seed in range(N_BODIES)))
    assert found == {metric.name for metric in METRICS if task in metric.tasks and option in metric.moved_by}
