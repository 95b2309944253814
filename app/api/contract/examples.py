"""Requests to try, by task and name; `app.api.contract.openapi` asks the routes for their answers."""

from dataclasses import dataclass
from typing import Any

from app.core.tasks import TaskName


@dataclass(frozen=True, slots=True)
class Example:
    """A body, and a sentence about its purpose."""

    summary: str
    body: dict[str, Any]


REFUSED: dict[str, Any] = {"labels": [2, 0], "probabilities": [0.75, 0.5]}
"""A body for `binary` that is refused: a label is neither 0 nor 1."""

WORKED_ROWS = [[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.96]]

EXAMPLES: dict[TaskName, dict[str, Example]] = {
    "binary": {
        "probabilities": Example(
            "Probabilities of the positive class",
            {"labels": [1, 0, 1, 1], "probabilities": [0.9, 0.2, 0.6, 0.8]},
        ),
        "names_and_weights": Example(
            "Named classes, weighted rows, in bits, with rules for a gate",
            {
                "labels": ["spam", "ham", "spam"],
                "classes": ["ham", "spam"],
                "logits": [2.0, -1.0, 0.5],
                "sample_weight": [1, 2, 3],
                "unit": "bits",
                "require": {"cross_entropy": {"max": 0.25}, "accuracy": {"min": 0.9}},
            },
        ),
        "certain_and_wrong": Example(
            "A certain miss: the loss is infinite, the other metrics stand",
            {"labels": [1, 0], "probabilities": [0.0, 0.5]},
        ),
    },
    "multiclass": {
        "worked_example": Example(
            "Two rows, of which the second sums to 0.99",
            {"labels": [3, 3], "probabilities": WORKED_ROWS},
        ),
        "renormalized": Example(
            "The same rows, each divided by its sum",
            {"labels": [3, 3], "probabilities": WORKED_ROWS, "normalization": "renormalize"},
        ),
        "per_sample": Example(
            "Logits, an ignored row, and the loss of every row",
            {
                "labels": [0, -100, 1],
                "logits": [[2, 1, 0], [0, 1, 3], [1, 1, 1]],
                "ignore_index": -100,
                "top_k": [2],
                "include": ["per_sample"],
            },
        ),
    },
    "multilabel": {
        "logits": Example(
            "Two labels that may hold at once",
            {"labels": [[1, 0], [0, 1]], "logits": [[2, -1], [0.5, 0]]},
        ),
    },
    "distributions": {
        "divergences": Example(
            "Divergence of Q from P",
            {
                "targets": [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]],
                "probabilities": [[0.25, 0.25, 0.5], [0.1, 0.6, 0.3]],
            },
        ),
    },
    "tokens": {
        "two_documents": Example(
            "Two documents and their sizes",
            {
                "log_probabilities": [[-0.1, -0.1, -0.2], [-0.3, -0.3, -0.3, -0.3, -0.3]],
                "n_bytes": [12, 21],
                "n_words": [3, 4],
            },
        ),
        "completions": Example(
            "Two completions without their prompts",
            {
                "log_probabilities": [[-4.5, -1.25, -0.5, -0.25], [-3.5, -0.75, -1.5]],
                "mask": [[False, False, True, True], [False, True, True]],
            },
        ),
        "sums": Example(
            "Two documents as sums over their tokens",
            {"log_probabilities": [[-1.75], [-4.5]], "n_tokens": [4, 6], "n_bytes": [12, 21]},
        ),
    },
}

PARTS: list[dict[str, Any]] = [
    {"log_probabilities": [[-0.1, -0.1, -0.2]], "include": ["state"]},
    {"log_probabilities": [[-0.3, -0.3, -0.3, -0.3, -0.3]], "include": ["state"]},
]
"""Bodies for `tokens` whose states are merged in an example."""
