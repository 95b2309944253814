"""The scored rows of a batch side by side, for measures that need all of them at once."""

import math
from dataclasses import replace
from operator import attrgetter

import numpy as np

from app.core.batches import Batch
from app.core.binning import one_vs_rest_bins
from app.core.bootstrap import BinaryRows, binary_rows
from app.core.calibration import bin_index
from app.core.columns import FloatArray, IntArray
from app.core.gather import Mean
from app.core.lazy import lazy
from app.core.levels import Levels, levels_of
from app.core.rows import blocks, chunks
from app.core.rows.classes import ClassRows
from app.core.rows.tokens import TokenRows
from app.core.state import GroupSums
from app.core.summary import summarize


class Observed:
    """Confidence against what was observed: of the positive class (binary) or the top class (multiclass)."""

    def __init__(self, batch: Batch) -> None:
        self.options = batch.options
        self._batch = batch

    @lazy
    def _rows(self) -> IntArray:
        scored = self._batch.scored_rows
        return np.arange(len(self._batch)) if scored is None else np.flatnonzero(scored)

    @lazy
    def _pairs(self) -> tuple[FloatArray, FloatArray]:
        ordered = replace(self._batch.take(self._rows), clusters=None)
        pairs = [
            (block.confidence, block.frequency * 1.0)
            for chunk in chunks(ordered)
            for block in blocks(ordered, chunk)
            if not isinstance(block, TokenRows)
        ]
        confidence, frequency = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return confidence, frequency

    @lazy
    def _weight(self) -> FloatArray | None:
        weight = self._batch.sample_weight
        return None if weight is None else weight[self._rows]

    @lazy
    def levels(self) -> Levels:
        """The rows by distinct confidence."""
        return levels_of(*self._pairs, self._weight)

    @lazy
    def log_loss(self) -> float:
        """The mean loss in nats of hard or soft truth as sent: from logits without the rounding of confidences."""
        plain = replace(self.options, epsilon=0.0, pos_weight=None, label_smoothing=0.0)
        loss = Mean("cross_entropy", attrgetter("cross_entropy"), "score")
        moments = summarize(replace(self._batch, options=plain), [loss], []).state.moments["cross_entropy"]
        return math.inf if moments.n_infinite else moments.z / moments.v

    @lazy
    def rows(self) -> BinaryRows:
        """The rows of positive weight, to resample."""
        return binary_rows(*self._pairs, self._weight)

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
    def classwise_bins(self) -> list[GroupSums]:
        """The equal-width bins of each class against the rest, added up block by block."""
        ordered = replace(self._batch.take(self._rows), clusters=None)
        totals: list[GroupSums] = []
        start = 0
        for chunk in chunks(ordered):
            for block in blocks(ordered, chunk):
                if not isinstance(block, ClassRows):
                    raise TypeError("classes come as columns")
                weight = None if self._weight is None else self._weight[start : start + len(block)]
                bins = one_vs_rest_bins(block.probabilities, block.targets, weight, self.options)
                totals = [a + b for a, b in zip(totals, bins, strict=True)] if totals else bins
                start += len(block)
        return totals
