"""Requests to try of comparing, calibrating and applying, by task and name."""

from typing import Any

from app.api.contract.examples import Example
from app.core.tasks import TaskName

_TODAY = [0.6, 0.4, 0.7, 0.55, 0.3, 0.8, 0.45, 0.35, 0.65, 0.5, 0.4, 0.7, 0.2, 0.6, 0.55, 0.3, 0.75, 0.4, 0.6, 0.45]
_NEXT = [
    1.5,
    -1.0,
    1.75,
    0.75,
    -1.5,
    2.25,
    0.0,
    -1.5,
    1.5,
    0.5,
    -0.75,
    1.0,
    -2.25,
    1.5,
    -0.5,
    -1.0,
    2.25,
    -1.5,
    0.75,
    0.5,
]
_SURE = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
_TWO_MODELS: dict[str, Any] = {
    "labels": [1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1],
    "candidates": {"today": {"probabilities": _TODAY}, "next": {"logits": _NEXT}},
    "baseline": "today",
}

_TWO_OF_LABELS: dict[str, Any] = {
    "labels": [[1, 0], [0, 1], [1, 1]],
    "candidates": {
        "a": {"logits": [[2, 1], [1, 0.5], [1, 2]]},
        "b": {"logits": [[1, -1], [0.5, 1], [2, 1]]},
    },
    "baseline": "a",
}

COMPARE_EXAMPLES: dict[TaskName, dict[str, Example]] = {
    "binary": {
        "two_models": Example("Is the next model better than that of today?", _TWO_MODELS),
        "margin": Example(
            "A difference of at most half a bit does not matter",
            {**_TWO_MODELS, "margin": 0.5, "unit": "bits", "require": {"verdict": ["better", "equivalent"]}},
        ),
        "certain_and_wrong": Example(
            "One certain miss decides: the candidate is worse, whatever its other rows say",
            {**_TWO_MODELS, "candidates": {"today": {"probabilities": _TODAY}, "next": {"probabilities": _SURE}}},
        ),
        "clusters": Example(
            "Rows of one user are dependent, and too few users decide nothing",
            {**_TWO_MODELS, "cluster_id": [f"u{row // 2}" for row in range(20)]},
        ),
    },
    "multiclass": {
        "three_models": Example(
            "Two candidates against a baseline, over all rows and by language; so few rows decide nothing",
            {
                "labels": [0, 1, 2, 1],
                "candidates": {
                    "uniform": {"logits": [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]},
                    "small": {"logits": [[2, 1, 0], [0, 1, 0], [0, 1, 2], [1, 0, 0]]},
                    "large": {"logits": [[3, 1, 0], [0, 2, 0], [0, 1, 3], [0, 1, 0]]},
                },
                "baseline": "uniform",
                "slices": {"language": ["de", "en", "de", "en"]},
            },
        ),
    },
    "multilabel": {
        "two_models": Example("Two models of the same labels; so few rows decide nothing", _TWO_OF_LABELS),
        "accuracy": Example("The share of labels that are right", {**_TWO_OF_LABELS, "metric": "accuracy"}),
    },
    "distributions": {
        "two_models": Example(
            "Two predicted distributions a row; so few rows decide nothing",
            {
                "targets": [[0.5, 0.5], [0.25, 0.75]],
                "candidates": {"a": {"probabilities": [[0.5, 0.5], [0.5, 0.5]]}, "b": {"logits": [[0, 0.5], [0, 1]]}},
                "baseline": "a",
            },
        ),
    },
    "tokens": {
        "two_models": Example(
            "Two language models on the same documents, of which three decide nothing",
            {
                "candidates": {
                    "a": {"log_probabilities": [[-0.5, -1.25, -2.0], [-0.75, -0.25], [-3.0]]},
                    "b": {"log_probabilities": [[-0.25, -1.0, -2.5], [-0.5, -0.25], [-2.0]]},
                },
                "baseline": "a",
                "n_bytes": [12, 9, 4],
            },
        ),
        "two_tokenizers": Example(
            "Two language models that cut documents into tokens differently, in bits per byte",
            {
                "candidates": {
                    "old": {"log_probabilities": [[-4.5, -2.25, -3.0], [-6.5, -1.25], [-2.0, -2.5, -0.5]]},
                    "new": {"log_probabilities": [[-5.0, -3.5], [-3.0, -2.25, -1.5], [-4.0]]},
                },
                "baseline": "old",
                "per": "byte",
                "unit": "bits",
                "n_bytes": [14, 9, 8],
                "min_samples": 3,
            },
        ),
    },
}

_OVERCONFIDENT: dict[str, Any] = {
    "labels": [1, 0, 1, 1, 0, 1, 0, 0, 1, 1],
    "logits": [6, -5, 4, -3, 2, 5, -6, -4, 7, 3],
}

CALIBRATE_EXAMPLES: dict[TaskName, dict[str, Example]] = {
    "binary": {
        "overconfident": Example("Logits that are too large: the temperature that fits", _OVERCONFIDENT),
        "probabilities": Example(
            "The same rows with the probabilities that it gives", {**_OVERCONFIDENT, "include": ["probabilities"]}
        ),
        "platt": Example(
            "Slope and intercept, and the map to apply them",
            {**_OVERCONFIDENT, "method": "platt", "unit": "bits", "include": ["map"]},
        ),
        "isotonic": Example(
            "An isotonic fit is bounded, so that rows it has not seen have a finite loss",
            {**_OVERCONFIDENT, "method": "isotonic"},
        ),
    },
    "multiclass": {
        "overconfident": Example(
            "Two of eight large logits are wrong",
            {
                "labels": [0, 1, 2, 0, 1, 2, 1, 0],
                "logits": [
                    [4, 0, 0],
                    [0, 4, 0],
                    [0, 0, 4],
                    [0, 4, 0],
                    [0, 4, 0],
                    [0, 0, 4],
                    [0, 0, 4],
                    [3, 1, 0],
                ],
            },
        ),
        "separable": Example(
            "All are right: the loss falls as far as the temperature may",
            {"labels": [0, 1, 2], "probabilities": [[0.6, 0.2, 0.2], [0.3, 0.5, 0.2], [0.1, 0.2, 0.7]]},
        ),
    },
}

APPLY_EXAMPLES: dict[TaskName, dict[str, Example]] = {
    "binary": {
        "platt": Example(
            "A slope and an intercept, for two logits",
            {
                "map": {
                    "version": 1,
                    "task": "binary",
                    "method": "platt",
                    "n_classes": 2,
                    "slope": 0.25,
                    "intercept": 0.5,
                },
                "logits": [4, -6],
            },
        ),
        "isotonic": Example(
            "Thresholds, for three probabilities of which one is left out",
            {
                "map": {
                    "version": 1,
                    "task": "binary",
                    "method": "isotonic",
                    "n_classes": 2,
                    "thresholds": {"probabilities": [0.1, 0.5, 0.9], "calibrated": [0.25, 0.5, 0.75]},
                },
                "probabilities": [0.05, 0.7, 0.2],
                "mask": [True, True, False],
            },
        ),
    },
    "multiclass": {
        "temperature": Example(
            "A temperature of 2, for the logits of three classes",
            {
                "map": {
                    "version": 1,
                    "task": "multiclass",
                    "method": "temperature",
                    "n_classes": 3,
                    "classes": ["ant", "bee", "cat"],
                    "temperature": 2,
                },
                "logits": [[4, 0, 0], [0, 2, 1]],
            },
        ),
    },
}
