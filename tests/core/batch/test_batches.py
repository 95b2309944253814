"""The refusals of a batch, and the places to which they point."""

import math
from typing import Any

import numpy as np
import pytest

from app.core.tasks import TaskName
from app.errors import InvalidInput
from tests.asking import ask
from tests.core.parts import batch

TWO = [[0.5, 0.5], [0.25, 0.75]]
NAN = math.nan


def refusal(task: TaskName, body: dict[str, Any]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        batch(task, body)
    return caught.value


@pytest.mark.parametrize(
    ("task", "body", "pointer", "detail"),
    [
        ("binary", {"labels": [1], "probabilities": [1.5]}, "/probabilities/0", "must lie in [0, 1], found 1.5"),
        ("binary", {"labels": [1], "probabilities": [NAN]}, "/probabilities/0", "found no number"),
        ("binary", {"labels": [1], "logits": [math.inf]}, "/logits/0", "finite number or minus infinity"),
        ("binary", {"labels": [2], "probabilities": [0.5]}, "/labels/0", "must be 0 or 1, found 2"),
        ("binary", {"targets": [1.1], "probabilities": [0.5]}, "/targets/0", "must lie in [0, 1]"),
        ("binary", {"labels": [1], "probabilities": [[0.5]]}, "/probabilities", "must hold single values"),
        ("binary", {"labels": [1], "probabilities": [0.5], "pos_weight": [2.0]}, "/pos_weight", "one number"),
        ("binary", {"labels": [1], "probabilities": [[0.5], []]}, "/labels", "as many samples"),
        ("binary", {"labels": [1, 1], "probabilities": [[0.5], []]}, "/probabilities/0", "single value"),
        ("multiclass", {"labels": [0, 2], "probabilities": TWO}, "/labels/1", "must be 0 or 1"),
        ("multiclass", {"labels": [0, 1], "probabilities": [0.5, 0.5]}, "/probabilities", "lists of equal length"),
        ("multiclass", {"labels": [0, 1], "probabilities": [[1.0], []]}, "/probabilities/1", "must have 1 values"),
        ("multiclass", {"labels": [0], "probabilities": [[]]}, "/probabilities", "at least one value"),
        ("multiclass", {"labels": [True, False], "probabilities": TWO}, "/labels", "found booleans"),
        ("multiclass", {"labels": ["a", "b"], "probabilities": TWO}, "/classes", "must give the class names"),
        (
            "multiclass",
            {"labels": ["a", "x"], "classes": ["a", "b"], "probabilities": TWO},
            "/labels/1",
            'found the string "x"; they are a, b',
        ),
        (
            "multiclass",
            {"labels": ["dog", "Cat "], "classes": ["dog", "cat"], "probabilities": TWO},
            "/labels/1",
            'found the string "Cat "; did you mean "cat"?',
        ),
        ("multiclass", {"labels": [0, 1], "classes": ["a", "b"], "probabilities": TWO}, "/labels/0", "must be names"),
        (
            "multiclass",
            {"labels": ["a", "b"], "classes": [7, 8], "probabilities": TWO},
            "/labels/0",
            "must be integers",
        ),
        (
            "multiclass",
            {"labels": [7, 9], "classes": [7, 8], "probabilities": TWO},
            "/labels/1",
            "`classes`, found 9; they are 7, 8",
        ),
        ("multiclass", {"labels": [7, 7], "classes": [7, 7], "probabilities": TWO}, "/classes/1", "once"),
        ("binary", {"labels": [True], "classes": [0, 1], "probabilities": [0.5]}, "/labels/0", "which are no names"),
        ("multiclass", {"labels": ["a"], "classes": ["a", "a"], "probabilities": TWO[:1]}, "/classes/1", "once"),
        (
            "multiclass",
            {"labels": ["a"], "classes": ["b", "a", "b"], "probabilities": [[1, 0, 0]]},
            "/classes/2",
            "once",
        ),
        ("multiclass", {"labels": [0], "probabilities": TWO[:1], "class_weight": [1.0]}, "/class_weight", "2 columns"),
        ("multiclass", {"labels": [0], "probabilities": TWO[:1], "top_k": [3]}, "/top_k/0", "found 3"),
        ("multiclass", {"labels": [0], "probabilities": TWO[:1], "top_k": [1, 1]}, "/top_k/1", "once"),
        ("multiclass", {"targets": [[0.5, 0.6]], "probabilities": TWO[:1]}, "/targets/0", "must have sum 1"),
        ("multiclass", {"targets": [[1.5, -0.5]], "probabilities": TWO[:1]}, "/targets/0/0", "at least 0"),
        ("multiclass", {"targets": [[1.0]], "probabilities": TWO[:1]}, "/targets", "must have shape [1, 2]"),
        ("multiclass", {"labels": [0], "log_probabilities": [[0.1, -1.0]]}, "/log_probabilities/0/0", "at most 0"),
        ("multiclass", {"labels": [0], "logits": [[-math.inf, -math.inf]]}, "/logits/0", "above minus infinity"),
        (
            "multiclass",
            {"labels": [0], "probabilities": [[0.0, 0.0]], "normalization": "renormalize"},
            "/probabilities/0",
            "positive sum",
        ),
        (
            "multiclass",
            {"labels": [0], "log_probabilities": [[-1.0, -1.0]], "normalization": "error"},
            "/log_probabilities/0",
            "logsumexp 0",
        ),
        ("multiclass", {"labels": [0], "probabilities": TWO[:1], "sample_weight": [-1.0]}, "/sample_weight/0", "0"),
        ("multiclass", {"labels": [0], "probabilities": TWO[:1], "sample_weight": [NAN]}, "/sample_weight/0", "no num"),
        (
            "multiclass",
            {"labels": [0, 0], "probabilities": TWO, "sample_weight": [1.0, 1.5e308]},
            "/sample_weight/1",
            "must lie in [0, 1e+100]",
        ),
        ("multilabel", {"labels": [[1, 0]], "probabilities": [[0.5]]}, "/labels", "must have shape [1, 1]"),
        ("multilabel", {"labels": [[1]], "probabilities": [[0.5]], "mask": [[True, True]]}, "/mask", "shape"),
        ("multilabel", {"labels": [[1]], "probabilities": [[0.5]], "pos_weight": [1.0, 2.0]}, "/pos_weight", "1 col"),
        ("tokens", {"log_probabilities": [[-1.0], [-1.0, 0.5]]}, "/log_probabilities/1/1", "must be at most 0"),
        ("tokens", {"log_probabilities": [-1.0]}, "/log_probabilities", "one list a document"),
        ("tokens", {"log_probabilities": [[-1.0]], "n_bytes": [0]}, "/n_bytes/0", "positive integer"),
    ],
)
def test_a_refusal_points_at_the_place(task: TaskName, body: dict[str, Any], pointer: str, detail: str) -> None:
    error = refusal(task, body).errors[0]
    assert (error.pointer, detail in error.detail) == (pointer, True), error


def test_all_errors_are_counted_and_the_first_listed() -> None:
    n = 200_000
    error = refusal("binary", {"labels": [1] * n, "probabilities": [0.5, *[2.0] * (n - 1)]})
    assert error.n_errors == n - 1
    assert [e.pointer for e in error.errors] == [f"/probabilities/{row}" for row in range(1, 21)]


def test_errors_far_into_a_table_point_at_their_row() -> None:
    rows = [[0.5, 0.5]] * 100_000
    rows[99_999] = [0.5, 7.0]
    error = refusal("multiclass", {"labels": [0] * 100_000, "probabilities": rows})
    assert [e.pointer for e in error.errors] == ["/probabilities/99999/1"]


def test_ignored_labels_may_be_anything() -> None:
    ignoring = batch("multiclass", {"labels": [0, -100], "probabilities": TWO, "ignore_index": -100})
    assert ignoring.n_scored == 1


def test_float32_softmax_rows_are_normalized_enough() -> None:
    logits = np.random.default_rng(0).normal(size=(2_000, 50)).astype(np.float32)
    exponentials = np.exp(logits)
    rows = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert rows.dtype == np.float32
    sound = batch("multiclass", {"labels": [0] * 2_000, "probabilities": rows.astype(float).tolist()})
    assert sound.not_normalized.count == 0


@pytest.mark.parametrize(
    ("task", "body", "pointer", "words"),
    [
        (
            "multiclass",
            {"labels": [1, 2, 3], "probabilities": [[0.8, 0.1, 0.1]] * 3},
            "/labels/2",
            "labels are 0-based, and these look 1-based",
        ),
        ("binary", {"labels": [1, 2], "probabilities": [0.5, 0.5]}, "/labels/1", "look 1-based"),
        ("binary", {"labels": [-1, 1], "probabilities": [0.5, 0.5]}, "/labels/0", "send 0 in place of -1"),
        ("multiclass", {"labels": [0], "probabilities": [[1.0]]}, "/probabilities", "the task binary"),
        ("multiclass", {"labels": [0], "logits": [[1.0]]}, "/logits", "the task binary"),
        (
            "binary",
            {"labels": [True, False], "probabilities": [0.5, 0.5], "classes": ["a", "b"], "mask": [False, True]},
            "/labels/1",
            "no names",
        ),
    ],
)
def test_an_error_says_what_to_do(task: TaskName, body: dict[str, Any], pointer: str, words: str) -> None:
    error = refusal(task, body).errors[0]
    assert error.pointer == pointer
    assert words in error.detail


def test_labels_that_are_wrong_in_another_way_get_no_hint() -> None:
    for labels in ([0, 1, 3], [1, 4, 3]):
        body = {"labels": labels, "probabilities": [[0.5, 0.25, 0.25]] * 3}
        assert "based" not in refusal("multiclass", body).errors[0].detail


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_that_are_integers_are_the_values_of_labels(task: Any) -> None:
    """Integers and positions say the same, whatever the order of the classes, with ignored rows and masked ones."""
    rng = np.random.default_rng(3)
    places = rng.integers(0, 2, 40).tolist()
    prediction = rng.random(40).tolist() if task == "binary" else rng.dirichlet([1.0, 1.0], 40).tolist()
    mask = (rng.random(40) < 0.8).tolist()
    plain = ask(task, {"labels": places, "probabilities": prediction, "mask": mask})
    for classes in ([30, -7], [1, 0]):
        labels = [classes[place] if kept else 99 for place, kept in zip(places, mask, strict=True)]
        found = ask(task, {"labels": labels, "classes": classes, "probabilities": prediction, "mask": mask})
        assert found["metrics"] == plain["metrics"]
        assert found["options"]["classes"] == tuple(classes)
        ignored = [-100 if label == 99 else label for label in labels]
        body = {"labels": ignored, "classes": classes, "probabilities": prediction, "ignore_index": -100}
        assert ask(task, body)["metrics"] == plain["metrics"]
