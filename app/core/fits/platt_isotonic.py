"""Two more ways to calibrate the task binary: Platt's sigmoid and the isotonic fit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.calibration.decomposition import recalibration_starts
from app.core.calibration.levels import Levels, levels_of
from app.core.checkpoints import checkpoint
from app.core.columns import FloatArray, IntArray
from app.core.fits.temperature import (
    FLOOR,
    Temperature,
    class_shares,
    fit_temperature,
    scores,
    smoothed_targets,
    weighted_sum,
)
from app.core.formulas import losses
from app.core.formulas.weights import weighted
from app.core.rows.elements import ElementRows
from app.core.sums.exact import Exact, exact_sum
from app.core.sums.segments import segment_sums

_TOLERANCE = 1e-12  # size of a step, relative to slope and intercept, at which the fit has converged
_SLACK = 1e-13  # relative rise of the loss that is put down to rounding; near its minimum it is known no better
_MAX_STEPS = 100  # Newton steps; a fit that has not converged by then is reported as such


@dataclass(frozen=True, slots=True)
class Platt:
    """The calibrator that makes a score z the logit slope * z + intercept; by default z stays as it is."""

    slope: float = 1.0
    intercept: float = 0.0
    converged: bool = True
    at_bound: bool = False

    def to_json(self) -> dict[str, Any]:
        """The entries of an answer that describe the fit."""
        return {"slope": self.slope, "intercept": self.intercept}

    def prediction(self, batch: Batch, rows: IntArray) -> tuple[str, FloatArray]:
        """The calibrated prediction of some rows: its form, and (n,) numbers."""
        return "logits", self.slope * scores(batch, rows) + self.intercept


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """A non-decreasing map from probability to probability: straight between its m points, constant beyond them."""

    probabilities: FloatArray
    calibrated: FloatArray


UNCHANGED = Thresholds(np.array([FLOOR, 1.0 - FLOOR]), np.array([FLOOR, 1.0 - FLOOR]))
"""The map of floored scores that leaves each as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Isotonic:
    """The calibrator by a non-decreasing function of the probability; by default one that changes nothing.

    Attributes:
        at_bound: Whether a calibrated probability was kept from 0 or 1.
    """

    thresholds: Thresholds = UNCHANGED
    converged: bool = True
    at_bound: bool = False

    def to_json(self) -> dict[str, Any]:
        """The entries of an answer that describe the fit."""
        names = "probabilities", "calibrated"
        return {"thresholds": {name: getattr(self.thresholds, name).tolist() for name in names}}

    def prediction(self, batch: Batch, rows: IntArray) -> tuple[str, FloatArray]:
        """The calibrated prediction of some rows: its form, and (n,) numbers."""
        if self.thresholds is UNCHANGED:
            return "logits", scores(batch, rows)  # the same bits as before the fit
        places = ElementRows(batch, rows).probabilities[0]
        return "probabilities", np.interp(places, self.thresholds.probabilities, self.thresholds.calibrated)


def fit_platt(batch: Batch, rows: IntArray) -> Platt:
    """Fit slope and intercept by logistic regression on the score.

    The truth is drawn towards the middle as by Platt ("Probabilistic outputs for support vector machines", 1999,
    section 2.2): with N rows of the positive and M of the negative class, 1 becomes (N + 1) / (N + 2) and 0 becomes
    1 / (M + 2). So there is a finite minimum even if the classes are separable, or if there is only one. Under a
    `pos_weight` of 0 there is none, and the fit does not converge. N and M count rows whatever they weigh, so the fit
    depends on the ratios of weights alone.
    """
    found = scores(batch, rows)
    weight = None if batch.sample_weight is None else batch.sample_weight[rows]
    negative, positive = class_shares(batch, _drawn(smoothed_targets(batch, rows)))
    middle, spread = float(found.max() / 2 + found.min() / 2), float(found.max() / 2 - found.min() / 2) or 1.0
    sigmoid = _Sigmoid((found - middle) / spread, positive, positive + negative, weight)
    (slope, intercept), converged = sigmoid.fit()
    return Platt(slope / spread, intercept - slope / spread * middle, converged)


def _drawn(targets: FloatArray) -> FloatArray:
    n, m = (float(exact_sum(side)) for side in (targets[0], 1.0 - targets[0]))
    return targets * ((n + 1.0) / (n + 2.0)) + (1.0 - targets) / (m + 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Sigmoid:
    """The mean loss of p = expit(slope * x + intercept), x (n,) within [-1, 1]."""

    x: FloatArray
    positive: FloatArray
    level: FloatArray
    weight: FloatArray | None

    def fit(self) -> tuple[tuple[float, float], bool]:
        """The place of the least loss, by Newton's method; a step is halved as long as it would raise the loss."""
        place = np.zeros(2)
        for _ in range(_MAX_STEPS):
            step = self._newton_step(place)
            limit = self._loss(place) * (1.0 + _SLACK)
            while self._loss(place + step) > limit and np.abs(step).max() > _TOLERANCE:
                step /= 2.0
            place = place + step
            if np.abs(step).max() <= _TOLERANCE * (1.0 + np.abs(place).max()):
                return (float(place[0]), float(place[1])), True
        return (float(place[0]), float(place[1])), False

    def _mean(self, values: FloatArray) -> float:
        size = Exact(len(values)) if self.weight is None else exact_sum(self.weight)
        return weighted_sum(self.weight, values) / size

    def _loss(self, place: FloatArray) -> float:
        logits = place[0] * self.x + place[1]
        return self._mean(self.level * losses.softplus(logits) - self.positive * logits)

    def _newton_step(self, place: FloatArray) -> FloatArray:
        p = losses.expit(place[0] * self.x + place[1])
        residual = self.positive - self.level * p
        curve = self.level * p * (1.0 - p)
        gradient = [self._mean(residual * self.x), self._mean(residual)]
        cross = self._mean(curve * self.x)
        hessian = [[self._mean(curve * self.x * self.x), cross], [cross, self._mean(curve)]]
        # the shortest of all solutions, so that the slope stays 0 where all scores are equal
        step: FloatArray = np.linalg.lstsq(np.array(hessian), np.array(gradient))[0]
        return step


def fit_isotonic(batch: Batch, rows: IntArray) -> Isotonic:
    """Fit the non-decreasing function of the probability with the least loss over n rows, within bounds.

    The bounds are 1 / (n + 2) and (n + 1) / (n + 2), as Platt's rule has it for n rows that are all alike. Without
    bounds the lowest rows nearly always get 0 and the highest 1, and the first new row that contradicts them has an
    infinite loss. The best function within the bounds is the best of all, clipped to them.

    Rows of equal probability are pooled first (Zadrozny, Elkan, "Transforming classifier scores into accurate
    multiclass probability estimates", KDD 2002).
    """
    shares = class_shares(batch, smoothed_targets(batch, rows))
    total = losses.class_sum(shares)
    frequency = np.divide(shares[1], total, out=np.zeros(len(total)), where=total > 0.0)
    weight = total if batch.sample_weight is None else weighted(batch.sample_weight[rows], total)
    levels = levels_of(ElementRows(batch, rows).probabilities[0], frequency, weight)
    if not len(levels):
        return Isotonic()
    checkpoint()
    places, values = _steps(levels)
    bounded = np.clip(values, 1.0 / (len(rows) + 2), (len(rows) + 1) / (len(rows) + 2))
    return Isotonic(Thresholds(places, bounded), at_bound=bool((bounded != values).any()))


def _steps(levels: Levels) -> tuple[FloatArray, FloatArray]:
    """The first and the last level of each block that is pooled, and its frequency at both."""
    starts = recalibration_starts(levels)
    values = np.minimum(segment_sums(levels.hits, starts) / segment_sums(levels.weight, starts), 1.0)
    sizes = np.diff(starts, append=len(levels))
    ends = np.unique(np.concatenate([starts, starts + sizes - 1]))
    return levels.confidence[ends], np.repeat(values, sizes)[ends]


Calibrator: TypeAlias = Temperature | Platt | Isotonic
Method: TypeAlias = Literal["temperature", "platt", "isotonic"]

FITS: dict[Method, Callable[[Batch, IntArray], Calibrator]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
