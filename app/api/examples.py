"""Requests to try, by task and name; `app.api.openapi` asks the service for their answers."""

from dataclasses import dataclass
from typing import Any

from app.core.tasks import TaskName


@dataclass(frozen=True, slots=True)
class Example:
    """A body and what it shows."""

    summary: str
    body: dict[str, Any]


WORKED_ROWS = [[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.96]]

EXAMPLES: dict[TaskName, dict[str, Example]] = {
    "binary": {
        "probabilities": Example(
            "Probabilities of the positive class",
            {"labels": [1, 0, 1, 1], "probabilities": [0.9, 0.2, 0.6, 0.8]},
        ),
        "names_and_weights": Example(
            "Named classes, weighted rows, in bits",
            {
                "labels": ["spam", "ham", "spam"],
                "classes": ["ham", "spam"],
                "logits": [2.0, -1.0, 0.5],
                "sample_weight": [1, 2, 3],
                "unit": "bits",
            },
        ),
        "certain_and_wrong": Example(
            "A certain miss: the loss is infinite, the other metrics stand",
            {"labels": [1, 0], "probabilities": [0.0, 0.5]},
        ),
        "refused": Example(
            "A label that is neither 0 nor 1 is refused",
            {"labels": [2, 0], "probabilities": [0.75, 0.5]},
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
        "refused": Example("A probability above 1 is refused", {"labels": [0], "probabilities": [[1.5, -0.5]]}),
    },
    "multilabel": {
        "logits": Example(
            "Two labels that may hold at once",
            {"labels": [[1, 0], [0, 1]], "logits": [[2, -1], [0.5, 0]]},
        ),
        "refused": Example(
            "Rows of uneven length are refused",
            {"labels": [[1, 0], [0]], "logits": [[2, -1], [0.5, 0]]},
        ),
    },
    "distributions": {
        "divergences": Example(
            "How far Q lies from P",
            {
                "targets": [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]],
                "probabilities": [[0.25, 0.25, 0.5], [0.1, 0.6, 0.3]],
            },
        ),
        "refused": Example(
            "Without the true distribution nothing can be scored",
            {"probabilities": [[0.25, 0.75]]},
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
        "refused": Example(
            "The logarithm of a probability is at most 0",
            {"log_probabilities": [[-0.1, 0.1]]},
        ),
    },
}
