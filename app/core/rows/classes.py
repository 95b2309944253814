"""Rows over k classes: the tasks multiclass and distributions. Arrays are class-major, (k, n)."""

import numpy as np

from app.core import kernels
from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas import divergences, losses
from app.core.kernels import compiled
from app.core.kernels.quantities import CLASS_QUANTITIES, NUMBER_OF, Into, class_rows
from app.core.kernels.tallies import Asked, Kept, Tally
from app.core.kernels.verdicts import judged_class_rows
from app.core.lazy import lazy
from app.core.rows.kind import Kind, Score


class ClassRows:
    """The quantities of some rows of a batch; each is computed when first asked for, and kept."""

    def __init__(self, batch: Batch, rows: slice | IntArray) -> None:
        self.options = batch.options
        self.n_classes = batch.n_classes
        self._form, self._judge = batch.form, batch.judge
        self._sent = batch.prediction[rows]  # type: ignore[index]
        self._labels = None if batch.labels is None else batch.labels[rows]
        self._targets = None if batch.targets is None else losses.class_major(batch.targets[rows])

    def __len__(self) -> int:
        return len(self._sent)

    @lazy
    def _scores(self) -> FloatArray:
        return losses.class_major(self._sent)

    @lazy
    def _label_score(self) -> FloatArray:
        """The score sent for the true class, (n,)."""
        return losses.at_labels(self.labels, self._scores)

    @staticmethod
    def equalities(kind: Kind) -> dict[str, str | float]:
        """The quantities that equal another quantity, or a number, in all rows of a kind."""
        equal: dict[str, str | float] = {"size": 1.0}
        if kind.options.class_weight is None:
            equal["share"] = 1.0
        if not kind.options.label_smoothing:
            equal["plain_cross_entropy"] = "cross_entropy"
        if not kind.is_soft:
            equal["frequency"] = "accuracy"
        if kind.is_hard:
            equal |= {"target_entropy": 0.0, "kl_divergence": "cross_entropy"}
        return equal

    @staticmethod
    def kernel_quantities(kind: Kind) -> tuple[str, ...]:
        """The quantities that `write` gives; none where options change probabilities or truth."""
        options = kind.options
        reshaped = options.epsilon or options.label_smoothing or options.class_weight is not None
        is_plain = not kind.is_soft and not reshaped and options.normalization != "renormalize"
        return CLASS_QUANTITIES if is_plain else ()

    def write(self, into: Into) -> None:
        """Write the quantities of the kernel into a matrix."""
        labels = self.labels if self._labels is None else self._labels
        scores = np.ascontiguousarray(self._sent, np.float64)
        labels = np.ascontiguousarray(labels)
        if self._judge is None:
            class_rows(scores, labels, self._form, into)
        else:
            verdict = judged_class_rows(scores, labels, self._form, self._judge.tolerance, into)
            self._judge.hear(verdict, len(self))

    @staticmethod
    def tally(batch: Batch, rows: slice, asked: Asked, kept: Kept) -> Tally:
        """The sums of rows of which the kernel writes all quantities; copy those that are kept."""
        form = NUMBER_OF[batch.form]
        return compiled.class_tally(batch.prediction, batch.labels, form, rows.start, rows.stop, asked, kept)  # type: ignore[arg-type]

    @property
    def has_labels(self) -> bool:
        """Tell whether the truth came as labels."""
        return self._targets is None

    @property
    def hard(self) -> bool:
        """Tell whether the truth is a label, so that its entropy is 0."""
        return self._targets is None and not self.options.label_smoothing

    @lazy
    def probabilities(self) -> FloatArray:
        """The probabilities (k, n), renormalised if the options ask for it, and not clipped."""
        if self._form == "probabilities":
            return self._unclipped(self._scores)
        if self._is_softmax:
            return losses.quotients(self._exponentials, 1.0 + self._other_exponentials)
        return kernels.exp(self._scores)

    @property
    def _is_softmax(self) -> bool:
        return self._form == "logits" or (self._form == "log_probabilities" and self._renormalizes)

    @lazy
    def _exponentials(self) -> FloatArray:
        """The exponentials e**(x - largest x), (k, n)."""
        return losses.exponentials(self._scores, self._largest_score)

    @lazy
    def _other_exponentials(self) -> FloatArray:
        return losses.other_exponentials(self._exponentials)

    @lazy
    def _log_normalizer(self) -> FloatArray:
        return kernels.log1p(self._other_exponentials)

    @lazy
    def _row_total(self) -> FloatArray:
        return losses.class_sum(self._scores)

    def _unclipped(self, scores: FloatArray) -> FloatArray:
        """The probabilities or log-probabilities before clipping, from scores (k, n) or from those of labels (n,)."""
        if self._is_softmax:
            return losses.differences(losses.differences(scores, self._largest_score), self._log_normalizer)
        return losses.quotients(scores, self._row_total) if self._renormalizes else scores

    def _logarithms(self, scores: FloatArray) -> FloatArray:
        """Logarithms of the clipped probabilities, from scores (k, n) or from those of labels (n,)."""
        epsilon, unclipped = self.options.epsilon, self._unclipped(scores)
        if self._form == "probabilities":
            return kernels.log(losses.clipped(unclipped, epsilon))
        return np.clip(unclipped, *losses.log_bounds(epsilon)) if epsilon else unclipped

    @lazy
    def log_probabilities(self) -> FloatArray:
        """Logarithms of the clipped probabilities, (k, n)."""
        return self._logarithms(self._scores)

    @property
    def class_log_probabilities(self) -> FloatArray:
        """The log-probability of each class, (k, n)."""
        return self.log_probabilities

    @lazy
    def clipped_probabilities(self) -> FloatArray:
        """The probabilities clipped to [epsilon, 1 - epsilon], as expectations of logarithms take them."""
        return losses.clipped(self.probabilities, self.options.epsilon)

    @property
    def predicted(self) -> IntArray:
        """The class of the largest score, the first of equals."""
        return self._top[1]

    @property
    def label_columns(self) -> IntArray:
        """The true class, (n,)."""
        return self.labels

    @property
    def label_probabilities(self) -> FloatArray:
        """The probability of the true class."""
        if self._form == "probabilities":
            return self._unclipped(self._label_score)
        return losses.at_labels(self.labels, self.probabilities)

    @lazy
    def clipped(self) -> BoolArray:
        """Rows in which epsilon moved a probability."""
        return losses.clipped_columns(self.probabilities, self.options.epsilon)

    @lazy
    def labels(self) -> IntArray:
        """The true class; for soft targets the class of the largest, the first of equals."""
        return self._targets.argmax(axis=0) if self._labels is None else self._labels  # type: ignore[union-attr]

    @lazy
    def targets(self) -> FloatArray:
        """The truth as distributions, not smoothed."""
        return losses.one_hot(self.labels, self.n_classes) if self._targets is None else self._targets

    @lazy
    def _class_weight(self) -> FloatArray | None:
        weight = self.options.class_weight
        return None if weight is None else np.array(weight, np.float64)[:, None]

    @lazy
    def weighted_targets(self) -> FloatArray:
        """The truth, not smoothed, times the class weights."""
        return self.targets if self._class_weight is None else self.targets * self._class_weight

    @lazy
    def smoothed(self) -> FloatArray:
        """The truth as distributions, with label smoothing."""
        return losses.smoothed(self.targets, self.options.label_smoothing, self.n_classes)

    @lazy
    def log_smoothed(self) -> FloatArray:
        """Logarithms of the smoothed truth."""
        return kernels.log(self.smoothed)

    @lazy
    def loss_weights(self) -> FloatArray:
        """The weight of each class's logarithm in the loss: the smoothed truth times the class weights."""
        return self.smoothed if self._class_weight is None else self.smoothed * self._class_weight

    @lazy
    def share(self) -> FloatArray | None:
        """The weight of each row in a loss, sum_c w_c t_c with class weights w; None for 1."""
        if self._class_weight is None:
            return None
        if self._targets is None:
            return self._class_weight.ravel().take(self.labels)
        return losses.class_sum(self.weighted_targets)

    def _shared(self, values: FloatArray) -> FloatArray:
        return values if self.share is None else losses.product(self.share, values)

    @lazy
    def cross_entropy(self) -> FloatArray:
        if self.hard:
            return self._shared(0.0 - self._logarithms(self._label_score))
        return losses.cross_entropy(self.loss_weights, self.log_probabilities)

    @lazy
    def plain_cross_entropy(self) -> FloatArray:
        """The loss without label smoothing, which `entropy_gap` and the baseline are compared with."""
        if not self.options.label_smoothing:
            return self.cross_entropy
        if self._targets is None:
            return self._shared(0.0 - self._logarithms(self._label_score))
        return losses.cross_entropy(self.weighted_targets, self.log_probabilities)

    @property
    def slope(self) -> FloatArray:
        """The derivative of the loss of each row by its prediction, (n, k)."""
        weight, p = self.loss_weights, self.probabilities
        if self.options.epsilon:
            weight = np.where(self._inside, weight, 0.0)
        total = losses.class_sum(weight)
        if self._is_softmax:
            return (p * total - weight).T
        if self._form == "log_probabilities":
            return -weight.T
        slopes = np.where(weight == 0.0, 0.0, -weight / p)
        if self._renormalizes:
            slopes = (slopes + total) / self._row_total
        return slopes.T

    @property
    def _inside(self) -> BoolArray:
        """The probabilities (k, n) that epsilon did not move."""
        sent_as_such = self._form == "probabilities"
        clipped = self.clipped_probabilities if sent_as_such else self.log_probabilities
        inside: BoolArray = clipped == self._unclipped(self._scores)
        return inside

    @property
    def _renormalizes(self) -> bool:
        return self.options.normalization == "renormalize"

    @lazy
    def target_entropy(self) -> FloatArray | None:
        if self.hard:
            return None
        return losses.cross_entropy(self.loss_weights, self.log_smoothed)

    @lazy
    def kl_divergence(self) -> FloatArray:
        if self.hard:
            return self.cross_entropy
        log_t, log_p = self.log_smoothed, self.log_probabilities
        if self._class_weight is not None:
            return divergences.kl_divergence(self.loss_weights, log_t, log_p)
        return divergences.relative_entropy(self.smoothed, log_t, self.clipped_probabilities, log_p)

    @lazy
    def predictive_entropy(self) -> FloatArray:
        if self._form == "probabilities":
            return self._shared(losses.entropy(self.clipped_probabilities))
        return self._shared(losses.entropy(self.clipped_probabilities, self.log_probabilities))

    @lazy
    def entropy_gap(self) -> FloatArray:
        return self.plain_cross_entropy - self.predictive_entropy

    @lazy
    def brier_score(self) -> FloatArray:
        if self._targets is None:
            return losses.label_brier_score(self.labels, self.probabilities)
        return losses.brier_score(self._targets, self.probabilities)

    @lazy
    def confidence(self) -> FloatArray:
        """The probability of the top class."""
        if self._is_softmax:
            return 1.0 / (1.0 + self._other_exponentials)
        if self.probabilities is self._scores:
            return self._largest_score
        return losses.largest(self.probabilities)[0]

    @lazy
    def _top(self) -> tuple[FloatArray, IntArray]:
        return losses.largest(self._scores)

    @property
    def _largest_score(self) -> FloatArray:
        return self._top[0]

    @lazy
    def accuracy(self) -> BoolArray:
        """Tell whether the top class is the label; the first of equal classes is on top."""
        return np.equal(self.predicted, self.labels)

    @lazy
    def frequency(self) -> FloatArray | BoolArray:
        """The part of the truth that lies on the top class."""
        if self._targets is None:
            return self.accuracy
        return losses.at_labels(self.predicted, self._targets)

    def scored(self, score: Score) -> FloatArray:
        """The score (n,) of each row's targets against its probabilities, both (k, n)."""
        return score(self.targets, self.probabilities)

    def top_k_accuracy(self, k: int) -> BoolArray:
        """Tell whether the label is among the k largest scores; ties go to the lower class."""
        before = np.arange(self.n_classes)[:, None] < self.labels
        ahead = (self._scores > self._label_score) | ((self._scores == self._label_score) & before)
        rows: BoolArray = np.add.reduce(ahead, axis=0) < k
        return rows
