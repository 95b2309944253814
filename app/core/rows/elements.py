"""Rows of independent yes-or-no elements: the tasks binary (one a row) and multilabel (l a row), arrays (l, n)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas import divergences, losses
from app.core.kernels import compiled
from app.core.kernels.quantities import ELEMENT_QUANTITIES, NUMBER_OF, Into, element_rows
from app.core.kernels.tallies import Asked, Kept, Tally
from app.core.lazy import lazy
from app.core.rows.kind import Kind, Score


class ElementRows:
    """The quantities of some rows of a batch; each is computed when first asked for, and kept.

    Masked elements get the probability 0.5 and the truth 0, and are left out of every sum over a row.
    """

    def __init__(self, batch: Batch, rows: slice | IntArray) -> None:
        self.options = batch.options
        self.n_classes = batch.n_classes
        self.is_multilabel = batch.task == "multilabel"
        self._logits = batch.form == "logits"
        masked = batch.scored is not None and batch.scored.ndim == 2
        self._shown = batch.scored[rows] if masked else None  # type: ignore[index]
        self._sent = batch.prediction[rows]  # type: ignore[index]
        truth = batch.labels if batch.targets is None else batch.targets
        self._truth = truth[rows]  # type: ignore[index]
        self._soft = batch.targets is not None

    @staticmethod
    def equalities(kind: Kind) -> dict[str, str | float]:
        """The quantities that equal another quantity, or a number, in all rows of a kind."""
        equal: dict[str, str | float] = {"share": 1.0}
        if kind.task == "binary":
            equal["size"] = 1.0
        if kind.options.pos_weight is None and not kind.options.label_smoothing:
            equal["plain_cross_entropy"] = "cross_entropy"
        if kind.is_hard:
            equal |= {"target_entropy": 0.0, "kl_divergence": "cross_entropy"}
        return equal

    @staticmethod
    def kernel_quantities(kind: Kind) -> tuple[str, ...]:
        """The quantities that `write` gives; none where options change probabilities or truth."""
        is_plain = kind.is_hard and not kind.options.epsilon and kind.options.pos_weight is None
        return ELEMENT_QUANTITIES if is_plain else ()

    def write(self, into: Into) -> None:
        """Write the quantities of the kernel into a matrix."""
        scores, form = np.ascontiguousarray(self._sent, np.float64), "logits" if self._logits else "probabilities"
        mask = None if self._shown is None else np.ascontiguousarray(self._shown)
        element_rows(scores, np.ascontiguousarray(self._truth), mask, form, self.options.threshold, into)

    @staticmethod
    def tally(batch: Batch, rows: slice, asked: Asked, kept: Kept) -> Tally:
        """The sums of rows of which the kernel writes all quantities; copy those that are kept."""
        form, threshold = NUMBER_OF[batch.form], batch.options.threshold
        scores: Any = batch.prediction
        labels: Any = batch.labels
        return compiled.element_tally(scores, labels, form, threshold, rows.start, rows.stop, asked, kept)

    def _elements(self, values: NDArray[Any], masked: float) -> FloatArray:
        rows = losses.class_major(values if values.ndim == 2 else values[:, None])
        return rows if self._mask is None else np.where(self._mask, rows, masked)

    def row_sum(self, elements: FloatArray) -> FloatArray:
        """The sum of numbers (l, n) over the scored elements of each row, (n,)."""
        return losses.class_sum(elements if self._mask is None else np.where(self._mask, elements, 0.0))

    def __len__(self) -> int:
        return len(self._sent)

    @lazy
    def _mask(self) -> BoolArray | None:
        return None if self._shown is None else self._shown.T

    @lazy
    def _scores(self) -> FloatArray:
        return self._elements(self._sent, 0.0 if self._logits else 0.5)

    @lazy
    def targets(self) -> FloatArray:
        """The truth as probabilities of yes, (l, n)."""
        return self._elements(self._truth, 0.0)

    @property
    def has_labels(self) -> bool:
        """Tell whether the truth came as labels."""
        return not self._soft

    @property
    def hard(self) -> bool:
        """Tell whether the truth is 0 or 1 throughout, so that its entropy is 0."""
        return not self._soft and not self.options.label_smoothing

    @property
    def n_elements(self) -> int:
        """The number of elements of a row: 1 for binary."""
        return len(self._scores)

    @lazy
    def scored_elements(self) -> BoolArray:
        """The elements that are scored, (l, n)."""
        return np.ones(self._scores.shape, dtype=bool) if self._mask is None else self._mask

    @lazy
    def size(self) -> FloatArray:
        """The number of scored elements of each row."""
        if self._mask is None:
            return np.full(len(self), float(self.n_elements))
        counts: FloatArray = np.add.reduce(self._mask, axis=0, dtype=np.float64)
        return counts

    share = None
    """The factor beside `size` in what a row counts for; None is 1, for `pos_weight` is no part of it."""

    @lazy
    def labels(self) -> IntArray:
        """The true class of the first element, (n,), for tables by class."""
        labels: IntArray = (self.targets[0] >= 0.5).astype(np.int64)
        return labels

    @lazy
    def probabilities(self) -> FloatArray:
        """The probabilities of yes, (l, n), not clipped."""
        return losses.expit(self._scores) if self._logits else self._scores

    @lazy
    def clipped_probabilities(self) -> FloatArray:
        """The probabilities clipped to [epsilon, 1 - epsilon], as expectations of logarithms take them."""
        return losses.clipped(self.probabilities, self.options.epsilon)

    @lazy
    def _clipped_complements(self) -> FloatArray:
        """The clipped 1 - p, made from logits where they were sent, and so without the rounding of p."""
        return losses.clipped(self._complements, self.options.epsilon)

    @lazy
    def _complements(self) -> FloatArray:
        return losses.expit(-self._scores) if self._logits else 1.0 - self._scores

    @lazy
    def clipped(self) -> BoolArray:
        """Rows in which epsilon moved a probability."""
        return losses.clipped_columns(self.probabilities, self.options.epsilon)

    @lazy
    def _exact_logs(self) -> tuple[FloatArray, FloatArray]:
        if self._logits:
            return -losses.softplus(-self._scores), -losses.softplus(self._scores)
        return kernels.log(self._scores), kernels.log1p(-self._scores)

    @lazy
    def logs(self) -> tuple[FloatArray, FloatArray]:
        """Logarithms of p and of 1 - p, clipped."""
        epsilon = self.options.epsilon
        log_p, log_not_p = self._exact_logs
        if not epsilon:
            return log_p, log_not_p
        # the logarithms are clipped, not the probabilities: 1 - (1 - epsilon) is not epsilon
        bounds = losses.log_bounds(epsilon)
        return np.clip(log_p, *bounds), np.clip(log_not_p, *bounds)

    @property
    def class_log_probabilities(self) -> FloatArray:
        """The log-probabilities of the negative and the positive class, (2, n), for binary."""
        return np.concatenate(self.logs[::-1])

    @lazy
    def smoothed(self) -> FloatArray:
        """The truth as probabilities of yes, with label smoothing."""
        return losses.smoothed(self.targets, self.options.label_smoothing, 2)

    @lazy
    def pos_weight(self) -> FloatArray | float:
        """The weight of the positive class: one number, or (l, 1)."""
        weight = self.options.pos_weight
        if isinstance(weight, tuple):
            return np.array(weight, np.float64)[:, None]
        return 1.0 if weight is None else weight

    @lazy
    def element_losses(self) -> FloatArray:
        """The loss of every element, (l, n)."""
        return losses.binary_cross_entropy(self.smoothed, *self.logs, self.pos_weight)

    @property
    def slope(self) -> FloatArray:
        """The derivative of the loss of each row by its prediction, (n,) or (n, l)."""
        p, not_p, t = self.probabilities, self._complements, self.smoothed
        positive, negative = self.pos_weight * t, 1.0 - t
        if self.options.epsilon:
            log_p, log_not_p = self._exact_logs
            positive = np.where(log_p == self.logs[0], positive, 0.0)
            negative = np.where(log_not_p == self.logs[1], negative, 0.0)
        if self._logits:
            slopes = negative * p - positive * not_p
        else:
            slopes = np.where(negative == 0.0, 0.0, negative / not_p) - np.where(positive == 0.0, 0.0, positive / p)
        slopes = slopes if self._mask is None else np.where(self._mask, slopes, 0.0)
        return slopes.T if self.is_multilabel else slopes[0]

    @property
    def predicted(self) -> IntArray:
        """The predicted class of the first element, (n,), for binary: 1 is positive."""
        predicted: IntArray = (self.probabilities[0] >= self.options.threshold).astype(np.int64)
        return predicted

    @property
    def label_columns(self) -> IntArray:
        """The true class, (n,) for binary and (n, l) for multilabel."""
        labels: IntArray = (self.targets >= 0.5).astype(np.int64).T
        return labels if self.is_multilabel else labels[:, 0]

    @property
    def label_probabilities(self) -> FloatArray:
        """The probability of the observed label, (n,) or (n, l)."""
        own = np.where(self.targets >= 0.5, self.probabilities, self._complements)
        return own.T if self.is_multilabel else own[0]

    @lazy
    def cross_entropy(self) -> FloatArray:
        return self.row_sum(self.element_losses)

    @lazy
    def plain_cross_entropy(self) -> FloatArray:
        """The loss without `pos_weight` and smoothing, which `entropy_gap` and the baseline are compared with."""
        if self.options.pos_weight is None and not self.options.label_smoothing:
            return self.cross_entropy
        return self.row_sum(losses.binary_cross_entropy(self.targets, *self.logs))

    @lazy
    def target_entropy(self) -> FloatArray | None:
        if self.hard:
            return None
        t = self.smoothed
        return self.row_sum(losses.binary_cross_entropy(t, kernels.log(t), kernels.log1p(-t), self.pos_weight))

    @lazy
    def kl_divergence(self) -> FloatArray:
        if self.hard:
            return self.cross_entropy
        t, (log_p, log_not_p) = self.smoothed, self.logs
        if self.options.pos_weight is None:
            q = self.clipped_probabilities, self._clipped_complements
            logs = kernels.log(t), kernels.log1p(-t)
            return self.row_sum(divergences.binary_relative_entropy(t, logs, q, self.logs))
        positive = losses.product(self.pos_weight * t, np.where(t > 0.0, kernels.log(t) - log_p, 0.0))
        negative = losses.product(1.0 - t, np.where(t < 1.0, kernels.log1p(-t) - log_not_p, 0.0))
        return self.row_sum(positive + negative)

    @lazy
    def predictive_entropy(self) -> FloatArray:
        log_p, log_not_p = self.logs
        positive = losses.product(self.clipped_probabilities, log_p)
        negative = losses.product(self._clipped_complements, log_not_p)
        return self.row_sum(0.0 - (positive + negative))

    @lazy
    def entropy_gap(self) -> FloatArray:
        return self.plain_cross_entropy - self.predictive_entropy

    @lazy
    def element_brier_scores(self) -> FloatArray:
        """The squared error of every element, (l, n)."""
        return (self.probabilities - self.targets) ** 2

    @lazy
    def brier_score(self) -> FloatArray:
        return self.row_sum(self.element_brier_scores)

    def scored(self, score: Score) -> FloatArray:
        """The score (n,) summed over scored elements, each taken as a distribution over the classes no and yes."""
        targets = np.stack([1.0 - self.targets, self.targets])
        probabilities = np.stack([self._complements, self.probabilities])
        scores = score(targets.reshape(2, -1), probabilities.reshape(2, -1))
        return self.row_sum(scores.reshape(self.targets.shape))

    @lazy
    def confidence(self) -> FloatArray:
        """The probability of the positive class, for binary."""
        first: FloatArray = self.probabilities[0]
        return first

    @lazy
    def frequency(self) -> FloatArray:
        """The part of the truth that lies on the positive class, for binary."""
        first: FloatArray = self.targets[0]
        return first

    @lazy
    def correct(self) -> BoolArray:
        """The elements that are predicted right, (l, n)."""
        predicted = self.probabilities >= self.options.threshold
        right: BoolArray = predicted == (self.targets >= 0.5)
        return right

    @lazy
    def accuracy(self) -> FloatArray:
        return self.row_sum(self.correct.astype(np.float64))
