"""The scored rows of a batch side by side, for measures that need all of them at once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.calibration.decomposition import (
    Decomposition,
    brier_decomposition,
    log_loss_decomposition,
    recalibration_starts,
)
from app.core.calibration.equal_mass import debiased_calibration_error
from app.core.calibration.levels import Levels, levels_of
from app.core.checkpoints import at_checkpoints
from app.core.columns import FloatArray, IntArray
from app.core.formulas.bins import bin_index
from app.core.formulas.losses import class_sum
from app.core.formulas.weights import LEAST_USUAL, leveled
from app.core.lazy import lazy
from app.core.metrics.bootstrap import BinaryRows, Bootstrap, Statistic, binary_rows, replicates
from app.core.rows.blocks import blocks
from app.core.rows.classes import ClassRows
from app.core.rows.tokens import TokenRows
from app.core.sums.layout import Mean, Needs
from app.core.sums.summary import summarize
from app.core.values import Value, undefined
from app.errors import InvalidInput

MAX_CLASS_BINS = 1_000_000
"""The most bins over all classes, which bounds the sums that each resample makes."""

_LOSS = Needs((Mean("cross_entropy", "cross_entropy", "score"),))


class AllRows:
    """The confidence and truth of all scored rows, for the positive class (binary) or the top class (multiclass)."""

    def __init__(self, batch: Batch) -> None:
        self.options = batch.options
        self.n_classes = batch.n_classes
        self._batch = batch

    @lazy
    def _rows(self) -> IntArray:
        scored = self._batch.scored_rows
        return np.arange(len(self._batch)) if scored is None else np.flatnonzero(scored)

    @lazy
    def _pairs(self) -> tuple[FloatArray, FloatArray]:
        pairs = [
            (block.confidence, block.frequency * 1.0)
            for block in blocks(self._batch, self._rows)
            if not isinstance(block, TokenRows)
        ]
        confidence, frequency = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return confidence, frequency

    def _classes(self, rows: IntArray) -> Iterator[tuple[slice, ClassRows]]:
        """The blocks of some rows of the batch, each with its place among these rows."""
        start = 0
        for block in blocks(self._batch, rows):
            if not isinstance(block, ClassRows):
                raise TypeError("classes come as columns")
            yield slice(start, start + len(block)), block
            start += len(block)

    @lazy
    def _marks(self) -> FloatArray | None:
        """A random projection (n,) of each row's probabilities and targets; None for binary.

        It breaks ties between rows, so that a seed of the bootstrap draws the same rows in any input order.
        """
        if self._batch.task == "binary":
            return None
        predicted, observed = np.random.Generator(np.random.PCG64(0)).random((2, self.n_classes, 1))
        return np.concatenate(
            [
                class_sum(block.probabilities * predicted + block.targets * observed)
                for _, block in self._classes(self._rows)
            ]
        )

    @lazy
    def _weight(self) -> FloatArray | None:
        weight = self._batch.sample_weight
        if weight is None:
            return None
        return leveled(weight[self._rows]) if self.is_light else weight[self._rows]

    @lazy
    def is_light(self) -> bool:
        """Tell whether all weights are so small that they are scaled; together they count as far less than one row."""
        weight = self._batch.sample_weight
        return weight is not None and bool(weight[self._rows].max() < LEAST_USUAL)

    @lazy
    def levels(self) -> Levels:
        """The distinct confidences with the sums over their rows."""
        return levels_of(*self._pairs, self._weight)

    @lazy
    def _recalibration_starts(self) -> IntArray:
        return recalibration_starts(self.levels)

    @lazy
    def brier_decomposition(self) -> Decomposition:
        """The decomposition of the Brier score."""
        return brier_decomposition(self.levels, self._recalibration_starts)

    @lazy
    def log_loss_decomposition(self) -> Decomposition:
        """The decomposition of `log_loss`."""
        return log_loss_decomposition(self.levels, self.log_loss, self._recalibration_starts)

    @lazy
    def log_loss(self) -> float:
        """The mean loss in nats of the truth as sent, hard or soft; from logits without the rounding of confidences."""
        plain = replace(self.options, epsilon=0.0, pos_weight=None, label_smoothing=0.0)
        moments = summarize(replace(self._batch, options=plain, slices={}), _LOSS).state.moments["cross_entropy"]
        return math.inf if moments.n_infinite else moments.z / moments.v

    def rankings(self) -> Iterator[tuple[str, Levels]]:
        """The name of each class or label that weighs anything, and the rows by what was predicted of it.

        Binary has its positive class alone. Logits of binary and multilabel rank as they were sent, for rounding makes
        ties of large probabilities.
        """
        scores, scored, weight = self._class_scores, self._batch.scored, self._weight
        for column, own in enumerate(at_checkpoints(scores)):
            kept = slice(None) if scored is None or scored.ndim == 1 else scored[self._rows, column]
            ranks = np.unique(own[kept], return_inverse=True)[1].astype(np.float64)
            levels = levels_of(ranks, self._truth_of(column)[kept], None if weight is None else weight[kept])
            if len(levels):
                yield "the positive class" if len(scores) == 1 else f"column {column}", levels

    def _truth_of(self, column: int) -> FloatArray:
        """The truth (n,) of one class or label against the rest, in [0, 1]."""
        labels, targets = self._batch.labels, self._batch.targets
        truth = np.asarray(labels if targets is None else targets)[self._rows]
        if truth.ndim == 2:
            truth = truth[:, column]
        elif self._batch.task == "multiclass":
            truth = truth == column
        return truth * 1.0

    @property
    def _class_scores(self) -> FloatArray:
        """The numbers (k, n) that rank the rows for each class or label, (1, n) for binary."""
        if self._batch.task != "multiclass":
            return np.atleast_2d(np.asarray(self._batch.prediction)[self._rows].T)
        scores = np.empty((self.n_classes, len(self._rows)))
        for place, block in self._classes(self._rows):
            scores[:, place] = block.probabilities
        return scores

    @property
    def debiased_calibration_error(self) -> Value:
        """The error over bins of equal weight, where a weight counts as that many rows."""
        if self.is_light:
            return undefined("too few samples: must have 2 rows a bin on average; a weight counts as that many rows")
        return debiased_calibration_error(self.levels, self.options.n_bins)

    @lazy
    def rows(self) -> BinaryRows:
        """The rows of positive weight, to resample."""
        return binary_rows(*self._pairs, self._weight, self._marks)

    @lazy
    def bins(self) -> IntArray:
        """The equal-width bin of each of `rows`."""
        return bin_index(self.rows.confidence, self.options.n_bins, self.options.bin_edges)

    @lazy
    def clusters(self) -> IntArray | None:
        """The cluster of each of `rows`."""
        clusters = self._batch.clusters
        return None if clusters is None else clusters.codes[self._rows][self.rows.order]

    @lazy
    def class_gaps(self) -> tuple[NDArray[np.uint16], FloatArray]:
        """The equal-width bin, and the weighted probability less the truth, for each class of `rows`, both (k, n).

        Raises:
            InvalidInput: The classes have more than `MAX_CLASS_BINS` bins in all.
        """
        n_bins = self.options.n_bins
        if self.n_classes * n_bins > MAX_CLASS_BINS:
            asked = f"{self.n_classes} classes of {n_bins} each"
            rule = f"must ask for at most {MAX_CLASS_BINS} bins for classwise_calibration_error, found {asked}"
            raise InvalidInput.at("/metrics", "out_of_range", rule)
        bins = np.empty((self.n_classes, len(self.rows)), np.uint16)  # enough, for n_bins is at most 10,000
        gaps = np.empty(bins.shape)
        for place, block in self._classes(self._rows[self.rows.order]):
            bins[:, place] = bin_index(block.probabilities, n_bins, self.options.bin_edges)
            gaps[:, place] = (block.probabilities - block.targets) * self.rows.weight[place]
        return bins, gaps

    def replicates(self, statistics: Mapping[str, Statistic], plan: Bootstrap) -> dict[str, FloatArray]:
        """The replicates of each statistic, by name, over resamples of `rows` or of their clusters."""
        return replicates(statistics, len(self.rows), plan, self.clusters) if statistics else {}
