"""The five tasks: which columns carry the truth, which the prediction, and which may come along."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

TaskName: TypeAlias = Literal["binary", "multiclass", "multilabel", "distributions", "tokens"]


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of question. A request names exactly one of `truths` and one of `predictions`."""

    name: TaskName
    truths: tuple[str, ...]
    predictions: tuple[str, ...]
    columns: tuple[str, ...]
    summary: str


TASKS: dict[TaskName, Task] = {
    task.name: task
    for task in (
        Task(
            "binary",
            ("labels", "targets"),
            ("probabilities", "logits"),
            ("sample_weight", "mask", "cluster_id", "slices"),
            "Two classes: one number a row, the probability or logit of the positive class.",
        ),
        Task(
            "multiclass",
            ("labels", "targets"),
            ("probabilities", "log_probabilities", "logits"),
            ("sample_weight", "mask", "cluster_id", "slices"),
            "One of k classes: k numbers a row.",
        ),
        Task(
            "multilabel",
            ("labels", "targets"),
            ("probabilities", "logits"),
            ("sample_weight", "mask", "cluster_id", "slices"),
            "Several labels that may hold at once: l numbers a row.",
        ),
        Task(
            "distributions",
            ("targets",),
            ("probabilities", "log_probabilities", "logits"),
            ("sample_weight", "mask", "cluster_id", "slices"),
            "Two distributions a row: the true one P and the predicted one Q.",
        ),
        Task(
            "tokens",
            (),
            ("log_probabilities",),
            ("sample_weight", "n_bytes", "n_words", "cluster_id", "slices"),
            "Natural log-probabilities of the observed tokens: one list a document.",
        ),
    )
}

COLUMN_NAMES = sorted(
    {name for task in TASKS.values() for name in (*task.truths, *task.predictions, *task.columns)} - {"slices"}
)
"""The fields that hold one value, or one list, a row."""

ROW_COLUMNS = frozenset({"sample_weight", "mask", "n_bytes", "n_words", "cluster_id", "slices"})
"""Fields that hold one value a row in every task."""


def shape_of(task: TaskName, name: str) -> str:
    """The shape of a field: n rows, of k classes or l labels.

    >>> shape_of("multiclass", "labels"), shape_of("multilabel", "labels"), shape_of("tokens", "log_probabilities")
    ('(n,)', '(n, l)', 'one list a document')
    """
    if (task, name) == ("multilabel", "mask"):
        return "(n,) or (n, l)"
    if task == "binary" or name in ROW_COLUMNS or (task, name) == ("multiclass", "labels"):
        return "(n,)"
    return {"multilabel": "(n, l)", "tokens": "one list a document"}.get(task, "(n, k)")
