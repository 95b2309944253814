"""Batches: the columns of one request, checked where they are scored."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.findings import NO_FINDING, Finding
from app.core.batch.grouping import Grouping
from app.core.batch.sentinels import NO_SENTINELS, Sentinels
from app.core.batch.truth import rowwise
from app.core.columns import BoolArray, FloatArray, IntArray, Ragged
from app.core.options import Options
from app.core.records import record
from app.core.tasks import TaskName

if TYPE_CHECKING:
    from app.core.batch.unjudged import Judge


@record
class Batch:
    """The n samples of a request, each with its truth and one prediction, checked where they are scored.

    Attributes:
        form: The field the prediction came in: probabilities, log_probabilities or logits.
        prediction: (n,) for binary, (n, k) for the other classifying tasks, a list a document for tokens.
        labels: (n,) class indices, or (n, l) of 0 and 1; None where the truth is soft or there is none.
        targets: Soft truth of the shape of `prediction`; None where there are labels.
        sample_weight: (n,) or None for all ones.
        scored: (n,), or (n, l) where single labels are masked; None scores all.
        n_classes: Columns; 2 for binary, 0 for tokens.
        kept: The tokens of documents that are scored, as they were sent; `prediction` has these alone. None for all.
        sizes: (n,) `n_bytes` and `n_words` of documents, and `n_tokens` of those that come as a sum.
        clusters: The groups of dependent rows; None where all rows are independent.
        slices: The groupings by which parts of the batch get answers of their own, by name.
        first_row: The number of the first row, where a batch is a part of a longer body.
        not_normalized: Rows whose probabilities do not sum to 1.
        rounded: The rows, by field, in which a number outside [0, 1] by rounding was taken as the bound.
        sentinels: Numbers of the prediction that may stand for none.
        looks_like_probabilities: Whether all scored logits could be rows of probabilities.
        losses: Losses (c, n) of candidates that are compared, the baseline first; None where rows have one prediction.
        judge: The judge of rows that are unchecked until they are scored; None where the batch is checked.
    """

    task: TaskName
    options: Options
    form: str
    prediction: NDArray[Any] | Ragged
    n_classes: int
    scored: BoolArray | None = None
    labels: IntArray | None = None
    targets: NDArray[Any] | None = None
    sample_weight: FloatArray | None = None
    sizes: Mapping[str, IntArray] = field(default_factory=dict)
    clusters: Grouping | None = None
    slices: Mapping[str, Grouping] = field(default_factory=dict)
    first_row: int = 0
    not_normalized: Finding = NO_FINDING
    rounded: Mapping[str, Finding] = field(default_factory=dict)
    sentinels: Sentinels = NO_SENTINELS
    looks_like_probabilities: bool = False
    losses: FloatArray | None = None
    judge: "Judge | None" = None
    kept: Ragged | None = None

    def __len__(self) -> int:
        return len(self.prediction)

    @property
    def scored_rows(self) -> BoolArray | None:
        """The rows that are scored, at least in part, (n,); None for all."""
        return self.scored if self.scored is None else rowwise(self.scored)

    @property
    def n_scored(self) -> int:
        """The number of rows that are scored, at least in part."""
        rows = self.scored_rows
        return len(self.prediction) if rows is None else int(np.count_nonzero(rows))

    def shifted(self, rows: int) -> "Batch":
        """The batch as a part of a longer body, with its row numbers shifted by `rows`."""
        return replace(
            self,
            first_row=rows,
            not_normalized=self.not_normalized.shifted(rows),
            rounded={name: finding.shifted(rows) for name, finding in self.rounded.items()},
            sentinels=self.sentinels.shifted(rows),
        )

    def take(self, rows: IntArray | slice) -> "Batch":
        """The batch of some of its rows, without findings; a slice gives views."""
        prediction = self.prediction
        return Batch(
            self.task,
            self.options,
            self.form,
            prediction.take(rows) if isinstance(prediction, Ragged) else prediction[rows],
            self.n_classes,
            _taken(self.scored, rows),
            _taken(self.labels, rows),
            _taken(self.targets, rows),
            _taken(self.sample_weight, rows),
            {name: values[rows] for name, values in self.sizes.items()},
            None if self.clusters is None else self.clusters.take(rows),
            first_row=self.first_row,
            losses=None if self.losses is None else self.losses[:, rows],
        )


def _taken(values: NDArray[Any] | None, rows: IntArray | slice) -> NDArray[Any] | None:
    return None if values is None else values[rows]


def joined(first: Batch, second: Batch) -> Batch:
    """Join two batches of one request, scored in full and without documents; clusters and slices are left out."""
    return Batch(
        first.task,
        first.options,
        first.form,
        np.concatenate([first.prediction, second.prediction]),
        first.n_classes,
        None,
        _joined(first.labels, second.labels),
        _joined(first.targets, second.targets),
        _joined(first.sample_weight, second.sample_weight),
    )


def _joined(first: NDArray[Any] | None, second: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if first is None or second is None else np.concatenate([first, second])
