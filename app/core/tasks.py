"""The five tasks and the columns of their requests: one table, of which every other list of columns is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

TaskName: TypeAlias = Literal["binary", "multiclass", "multilabel", "distributions", "tokens"]
Role: TypeAlias = Literal["truth", "prediction", "detail", "group"]
"""The part of a column in a request: a detail says something of a row, values of a group only tell rows apart."""
ValueKind: TypeAlias = Literal["number", "score", "integer", "boolean", "string"]
"""The sorts of values; a score is a number of which minus infinity has a meaning: probability 0."""
Shape: TypeAlias = Literal["(n,)", "(n, k)", "(n, l)", "(n,) or (n, l)", "one list a document"]
"""The shape of a column: n rows, of k classes or l labels."""

ALL: tuple[TaskName, ...] = get_args(TaskName)
ONE_LABEL: tuple[TaskName, ...] = ("binary", "multiclass")
LABELLED: tuple[TaskName, ...] = (*ONE_LABEL, "multilabel")
OVER_CLASSES: tuple[TaskName, ...] = (*LABELLED, "distributions")
TOKENS: tuple[TaskName, ...] = ("tokens",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """A field of a request that holds the values of rows.

    Attributes:
        role: Of truths and of predictions a request names exactly one each.
        tasks: The tasks whose requests may hold it.
        kinds: What its values may be, in the order that errors list; all of a column are of one.
        doc: The sentence about it in the description of the API.
        is_single: Whether it holds one value a row in every task; else its rows are like those of the task.
        shapes: Shapes that are otherwise, by task.
        is_fitted: Whether a calibration uses it beside truth and prediction.
        is_cut: Whether it follows the tokens that a model cuts documents into, so that candidates may have one each.
    """

    name: str
    role: Role
    tasks: tuple[TaskName, ...]
    kinds: tuple[ValueKind, ...]
    doc: str
    is_single: bool = False
    shapes: Mapping[TaskName, Shape] = field(default_factory=dict)
    is_fitted: bool = False
    is_cut: bool = False


COLUMNS: dict[str, ColumnSpec] = {
    column.name: column
    for column in (
        ColumnSpec(
            name="labels",
            role="truth",
            tasks=LABELLED,
            kinds=("integer", "boolean", "string"),
            doc="The truth: 0-based indices, booleans (two classes), or names listed in `classes`.",
            shapes={"multiclass": "(n,)"},
        ),
        ColumnSpec(
            name="targets",
            role="truth",
            tasks=OVER_CLASSES,
            kinds=("number",),
            doc="The truth as probabilities, one-hot or soft.",
        ),
        ColumnSpec(
            name="probabilities",
            role="prediction",
            tasks=OVER_CLASSES,
            kinds=("number",),
            doc="Predicted probabilities.",
        ),
        ColumnSpec(
            name="log_probabilities",
            role="prediction",
            tasks=("multiclass", "distributions", "tokens"),
            kinds=("score",),
            doc='Natural logarithms of predicted probabilities; that of 0 is `"-Infinity"`.',
        ),
        ColumnSpec(
            name="logits",
            role="prediction",
            tasks=OVER_CLASSES,
            kinds=("score",),
            doc='Predicted scores, before softmax or sigmoid; that of probability 0 is `"-Infinity"`.',
        ),
        ColumnSpec(
            name="sample_weight",
            role="detail",
            tasks=ALL,
            kinds=("number",),
            doc="The weight of each row, at least 0.",
            is_single=True,
            is_fitted=True,
        ),
        ColumnSpec(
            name="mask",
            role="detail",
            tasks=ALL,
            kinds=("boolean",),
            doc="True where a row, in `tokens` a token, is scored. Nothing is read of the others.",
            is_single=True,
            shapes={"multilabel": "(n,) or (n, l)", "tokens": "one list a document"},
            is_fitted=True,
            is_cut=True,
        ),
        ColumnSpec(
            name="n_tokens",
            role="detail",
            tasks=TOKENS,
            kinds=("integer",),
            doc="Tokens of each document, whose one value is then the sum over them.",
            is_single=True,
            is_cut=True,
        ),
        ColumnSpec(
            name="n_bytes",
            role="detail",
            tasks=TOKENS,
            kinds=("integer",),
            doc="Bytes of each document; adds bits_per_byte and byte_perplexity.",
            is_single=True,
        ),
        ColumnSpec(
            name="n_words",
            role="detail",
            tasks=TOKENS,
            kinds=("integer",),
            doc="Words of each document; adds word_perplexity.",
            is_single=True,
        ),
        ColumnSpec(
            name="cluster_id",
            role="group",
            tasks=ALL,
            kinds=("integer", "string"),
            doc="Rows of one cluster are dependent: standard errors take clusters for independent.",
            is_single=True,
            is_fitted=True,
        ),
        ColumnSpec(
            name="slices",
            role="group",
            tasks=ALL,
            kinds=("integer", "string", "boolean"),
            doc="Parts that are scored one by one: an object that holds, under each name, one value a row.",
            is_single=True,
        ),
    )
}
"""Every column by name, in the order in which users see them; `slices` stands for each column under its names."""

COLUMN_NAMES = tuple(name for name in COLUMNS if name != "slices")
"""Every field that is a column itself."""


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of question.

    Attributes:
        shape: That of its prediction.
        truths: The columns that may carry the truth, of which a request names exactly one; there may be none.
        predictions: The columns that may carry the prediction, of which a request names exactly one.
        columns: The columns that may come along.
    """

    name: TaskName
    shape: Shape
    truths: tuple[str, ...]
    predictions: tuple[str, ...]
    columns: tuple[str, ...]
    summary: str


def _task(name: TaskName, shape: Shape, summary: str) -> Task:
    def columns_of(*roles: Role) -> tuple[str, ...]:
        return tuple(column.name for column in COLUMNS.values() if name in column.tasks and column.role in roles)

    return Task(name, shape, columns_of("truth"), columns_of("prediction"), columns_of("detail", "group"), summary)


TASKS: dict[TaskName, Task] = {
    task.name: task
    for task in (
        _task("binary", "(n,)", "Two classes: one number a row, the probability or logit of the positive class."),
        _task("multiclass", "(n, k)", "One of k classes: k numbers a row."),
        _task("multilabel", "(n, l)", "Several labels that may hold at once: l numbers a row."),
        _task("distributions", "(n, k)", "Two distributions a row: the true one P and the predicted one Q."),
        _task(
            "tokens",
            "one list a document",
            "Natural log-probabilities of the observed tokens: one list a document.",
        ),
    )
}


def shape_of(task: TaskName, name: str) -> Shape:
    """The shape that a column has, or would have, in a task.

    >>> shape_of("multiclass", "labels"), shape_of("multilabel", "labels"), shape_of("tokens", "log_probabilities")
    ('(n,)', '(n, l)', 'one list a document')
    """
    column = COLUMNS[name]
    return column.shapes.get(task, "(n,)" if column.is_single else TASKS[task].shape)


CANDIDATE = "candidates."


def candidate_fields(task: TaskName) -> tuple[str, ...]:
    """The columns that each candidate of a comparison may have of its own.

    >>> candidate_fields("binary"), candidate_fields("tokens")
    (('probabilities', 'logits'), ('log_probabilities', 'mask', 'n_tokens'))
    """
    cut = (column.name for column in COLUMNS.values() if column.is_cut and task == "tokens")
    return (*TASKS[task].predictions, *cut)


def candidate_column(name: str, field: str) -> str:
    """The name of the column that holds a field of a candidate."""
    return f"{CANDIDATE}{name}.{field}"


def candidate_of(column: str) -> tuple[str, str] | None:
    """The candidate and the field that a column of this name holds; None if it is of none.

    >>> candidate_of("candidates.v1.2.logits"), candidate_of("labels")
    (('v1.2', 'logits'), None)
    """
    name, dot, field = column.removeprefix(CANDIDATE).rpartition(".")
    return (name, field) if column.startswith(CANDIDATE) and dot else None
