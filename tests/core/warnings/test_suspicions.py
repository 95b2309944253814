"""Mistakes that a payload betrays; whatever is noticed, no number changes."""

from typing import Any

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.columns import Column
from app.core.options import Options
from app.core.tasks import TaskName
from app.service import score
from app.service.scoring import answer_of, part_of
from tests.requests import request_of, scoring

RNG = np.random.default_rng(9)
N, K = 400, 4
ROWS = RNG.dirichlet(np.full(K, 0.2), N)
LABELS = np.array([RNG.choice(K, p=row) for row in ROWS])


def warnings(task: TaskName, **body: Any) -> dict[str, dict[str, Any]]:
    lists = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in body.items()}
    return {entry["code"]: entry for entry in score(request_of(task, lists))["warnings"]}


@pytest.mark.parametrize("order", [[3, 1, 2, 0], [1, 2, 3, 0]])
def test_the_order_of_columns_that_repairs_a_bad_loss_is_told(order: list[int]) -> None:
    found = warnings("multiclass", labels=LABELS, probabilities=ROWS[:, order])["worse_than_uniform"]
    assert found["class_order"] == [order.index(label) for label in range(K)]
    assert found["uniform_cross_entropy"] == pytest.approx(np.log(K))


def test_swapped_binary_labels_are_told_too() -> None:
    p = RNG.random(N)
    found = warnings("binary", labels=(p < 0.5).astype(int), probabilities=p)["worse_than_uniform"]
    assert found["detail"].endswith("; these may be probabilities of the other class")
    assert found["class_order"] == [1, 0]


def test_a_loss_that_no_order_repairs_names_none() -> None:
    certain = np.where(np.arange(K) == (LABELS[:, None] + RNG.integers(0, K, N)[:, None]) % K, 0.97, 0.01)
    assert "class_order" not in warnings("multiclass", labels=LABELS, probabilities=certain)["worse_than_uniform"]


@pytest.mark.parametrize(
    "options", [{"label_smoothing": 0.3}, {"class_weight": [9.0, 9.0, 9.0, 9.0]}, {"denominator": "count"}]
)
def test_losses_of_another_scale_are_not_held_against_uniform(options: dict[str, Any]) -> None:
    weight = np.full(N, 9.0)
    found = warnings("multiclass", labels=LABELS, probabilities=ROWS[:, ::-1], sample_weight=weight, **options)
    assert "worse_than_uniform" not in found


def test_good_predictions_have_no_warning() -> None:
    assert not warnings("multiclass", labels=LABELS, probabilities=ROWS)


def test_logits_that_are_probabilities_are_noticed() -> None:
    assert "looks_like_probabilities" in warnings("multiclass", labels=LABELS, logits=ROWS)
    assert "looks_like_probabilities" not in warnings("multiclass", labels=LABELS, logits=np.log(ROWS + 1e-9))
    assert "looks_like_probabilities" in warnings("binary", labels=LABELS > 1, logits=ROWS[:, 0])
    assert "looks_like_probabilities" in warnings("multilabel", labels=ROWS > 0.5, logits=ROWS)
    assert "looks_like_probabilities" not in warnings("binary", labels=LABELS[:9] > 1, logits=ROWS[:9, 0])


def test_one_prediction_for_all_rows_is_noticed() -> None:
    constant = np.tile([0.1, 0.2, 0.3, 0.4], (N, 1))
    assert "constant_predictions" in warnings("multiclass", labels=LABELS, probabilities=constant)
    late = constant.copy()
    late[-1] = 0.25
    assert "constant_predictions" not in warnings("multiclass", labels=LABELS, probabilities=late)
    assert "constant_predictions" not in warnings("multiclass", labels=LABELS[:5], probabilities=constant[:5])
    masked = warnings("multiclass", labels=LABELS, probabilities=late, mask=[True] * (N - 1) + [False])
    assert "constant_predictions" in masked


@pytest.mark.parametrize(("last", "is_told"), [(0.1, True), (0.7, False)])
@pytest.mark.parametrize("cuts", [[], [1], [600], [601, 602], [500, 900]])
def test_one_prediction_is_noticed_in_whatever_parts_rows_come(cuts: list[int], last: float, is_told: bool) -> None:
    prediction = np.tile([0.1, 0.9], (1001, 1))
    prediction[-1] = [last, 1.0 - last]
    columns: dict[str, Column] = {"labels": np.arange(1001) % 2, "probabilities": prediction}
    request = scoring("multiclass", columns, Options())
    total = None
    for start, stop in zip([0, *cuts], [*cuts, 1001], strict=True):  # the last part may have no row in the sample
        own = {name: column[start:stop] for name, column in columns.items()}  # type: ignore[index]
        part = part_of(batch_of("multiclass", own, Options(), first_row=start), request.question.plan, frozenset())
        total = part if total is None else total + part
    assert total is not None
    codes = {entry["code"] for entry in answer_of(request.question, total)["warnings"]}
    assert ("constant_predictions" in codes) == is_told


def test_rows_sent_again_and_again_are_noticed() -> None:
    few = np.arange(N) % 20
    found = warnings("multiclass", labels=LABELS[few], probabilities=ROWS[few])
    assert found["duplicated_rows"]["count"] == N - 20
    soft = warnings("multiclass", targets=ROWS[few][:, ::-1], probabilities=ROWS[few])
    assert soft["duplicated_rows"]["count"] == N - 20
    assert "duplicated_rows" not in warnings("binary", targets=few / 20, probabilities=ROWS[few, 0])  # numbers repeat
    assert not warnings("tokens", log_probabilities=[[-1.0, -2.0]] * 50)
