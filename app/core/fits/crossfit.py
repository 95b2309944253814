"""Fits that are never worse than none, and their gain on rows that they have not seen."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.core.batch.batches import Batch
from app.core.calibration.bins import Gaps, gaps
from app.core.columns import FloatArray, IntArray
from app.core.fits.platt_isotonic import FITS, Calibrator, Method
from app.core.fits.temperature import Temperature, parts, weighted_sum
from app.core.formulas.weights import leveled, times, weighted
from app.core.lazy import lazy
from app.core.rows.blocks import rows_of
from app.core.sums.exact import Exact, exact_sum
from app.core.sums.observations import Observations
from app.core.sums.tables import calibration_of
from app.core.values import Value, undefined
from app.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows of a batch that are scored and of positive weight, (n,)."""

    batch: Batch
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: IntArray) -> "Evidence":
        """The rows at some places."""
        return Evidence(self.batch, self.rows[places])

    @lazy
    def weight(self) -> FloatArray | None:
        """The sample weights, (n,); None for ones."""
        weight = self.batch.sample_weight
        return None if weight is None else weight[self.rows]

    @lazy
    def clusters(self) -> IntArray | None:
        """The cluster of each row, (n,), numbered without gaps in the order of names; None if all are independent."""
        clusters = self.batch.clusters
        return None if clusters is None else np.unique(clusters.codes[self.rows], return_inverse=True)[1]

    @property
    def n_units(self) -> int:
        """The number of independent observations: rows, or clusters."""
        return len(self) if self.clusters is None else int(self.clusters.max()) + 1

    @lazy
    def counts(self) -> FloatArray | None:
        """The weight (n,) of each row in the mean loss, that of its class included; None for ones."""
        return times(self.weight, self._columns(Temperature(), "share")[0])

    def losses(self, calibrator: Calibrator) -> FloatArray:
        """The losses (n,) of the calibrated rows in nats, class weights included; infinite at a probability of 0."""
        loss: FloatArray = self._columns(calibrator, "cross_entropy")[0]
        return loss

    def mean_loss(self, losses: FloatArray) -> float:
        """The weighted mean of losses (n,), rounded once; 0 for rows whose classes weigh nothing."""
        total = Exact(len(self)) if self.counts is None else exact_sum(self.counts)
        return weighted_sum(self.weight, losses) / (total or Exact(1))

    def calibration_errors(self, calibrator: Calibrator) -> Gaps:
        """The expected and the maximum calibration error of the calibrated rows."""
        confidence, frequency = self._columns(calibrator, "confidence", "frequency")
        return gaps(calibration_of(confidence, frequency, self.weight, self.batch.options))

    def _columns(self, calibrator: Calibrator, *names: str) -> list[Any]:
        """The quantities (n,) of the calibrated rows, by their names in `app.core.rows`; None for one that is 1."""
        blocks = []
        with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
            for part in parts(self.batch, self.rows):
                rows = rows_of(calibrated(self.batch, part, calibrator), slice(0, len(part)))
                blocks.append([getattr(rows, name) for name in names])
        return [
            None if column[0] is None else np.concatenate(column) for column in map(list, zip(*blocks, strict=True))
        ]


def calibrated(batch: Batch, rows: IntArray, calibrator: Calibrator) -> Batch:
    """The batch of some scored rows with their prediction calibrated."""
    form, prediction = calibrator.prediction(batch, rows)
    return replace(batch.take(rows), form=form, prediction=prediction, scored=None)


def evidence_of(batch: Batch) -> Evidence:
    """The evidence for a fit: the rows of a batch that are scored and of positive weight.

    Raises:
        InvalidInput: The batch has no such row, so that nothing can be fitted.
    """
    counted = np.ones(len(batch), dtype=bool) if batch.scored is None else batch.scored
    if batch.sample_weight is not None:
        counted = counted & (batch.sample_weight > 0.0)
        # only ratios of weights matter to a fit and to the means of its losses
        batch = replace(batch, sample_weight=leveled(np.where(counted, batch.sample_weight, 0.0)))
    evidence = Evidence(batch, np.flatnonzero(counted))
    if not len(evidence) or (evidence.counts is not None and not evidence.counts.any()):
        raise InvalidInput.at("", "empty", "must hold a scored row of positive weight to fit, found none")
    return evidence


def fitted(evidence: Evidence, method: Method, before: FloatArray) -> Calibrator:
    """The fit of a method, or the calibrator that changes nothing where the mean loss of the fit is not smaller.

    Args:
        before: (n,) losses of the rows as they are.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # sums refuse what is not finite
        fit = FITS[method](evidence.batch, evidence.rows)
    after = evidence.losses(fit)
    if np.isfinite(after).all() and evidence.mean_loss(after) < evidence.mean_loss(before):
        return fit
    return type(fit)(converged=fit.converged)


def folds(n_units: int, n_folds: int, seed: int) -> IntArray:
    """The fold (n_units,) of each row or cluster, drawn at random; sizes of folds differ by one at most.

    The folds depend on the arguments alone: raw bits of PCG64 are the same in all versions and on every machine.
    """
    order = np.argsort(np.random.PCG64(seed).random_raw(n_units), kind="stable")
    fold = np.empty(n_units, dtype=np.int64)
    fold[order] = np.arange(n_units) % n_folds
    return fold


def folds_of(evidence: Evidence, n_folds: int, seed: int) -> IntArray:
    """The fold (n,) of each row, which is that of its cluster, so that no fit has seen a row's own cluster."""
    fold = folds(evidence.n_units, n_folds, seed)
    return fold if evidence.clusters is None else fold[evidence.clusters]


def held_out_losses(evidence: Evidence, method: Method, before: FloatArray, fold: IntArray) -> FloatArray:
    """The loss (n,) of each row under the fit to the rows of all other folds."""
    after = np.empty(len(evidence))
    for number in np.unique(fold):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        fit = fitted(evidence.take(outside), method, before[outside])
        after[inside] = evidence.take(inside).losses(fit)
    return after


def cross_fitted_gain(evidence: Evidence, before: FloatArray, after: FloatArray, confidence_level: float) -> Value:
    """The mean gain on held-out rows: loss before less loss after, by row; rows, or clusters, count as independent."""
    n_infinite = int(np.count_nonzero(np.isinf(after)))
    if n_infinite:
        reason = f"the fit to the other rows put probability 0 on what was observed in {n_infinite} held-out rows"
        return Value(status="infinite", reason=f"{reason}; the gain is minus infinity")
    gains = before - after
    with np.errstate(over="ignore"):
        if not np.isfinite(weighted(evidence.weight, gains)).all():
            return undefined("overflow")
    rows = Observations(len(evidence), evidence.weight, evidence.counts, evidence.clusters)
    if evidence.clusters is not None:
        order = np.argsort(evidence.clusters, kind="stable")
        rows, gains = rows.take(order), gains[order]
    return rows.mean_of(gains, confidence_level)
