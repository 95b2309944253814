"""Temperature scaling: scores are divided by one number, so that they fit what was observed.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from operator import add
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.batch.batches import Batch
from app.core.checkpoints import at_checkpoints, checkpoint
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas import losses
from app.core.formulas.weights import weighted
from app.core.rows.blocks import block_rows
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.sums.exact import Exact, exact_sum
from app.errors import InvalidInput

FLOOR = 1e-12
"""The least probability that fits see; smaller ones, and 0, are taken for it."""
LOG_FLOOR = math.log(FLOOR)
LOG_BOUND = 10.0
"""The bound of |log T|: temperatures from 5e-5 to 2e4, beyond which predictions are nearly certain or uniform."""

_TOLERANCE = 1e-10  # a Newton step of log T; the error after a step of that size is below the last bit
_NARROW = 1e-14  # the width of a bracket of log T, some units in its last place
_MAX_STEPS = 200  # halving a bracket of 10 down to `_NARROW` takes 50

Slope: TypeAlias = Callable[[float], tuple[Exact, Exact]]


@dataclass(frozen=True, slots=True)
class Temperature:
    """The calibrator that divides scores by a temperature; at 1 they stay as they are.

    Attributes:
        converged: Whether the fit reached its tolerance.
        at_bound: Whether the loss still falls at the end of the range [e**-10, e**10].
    """

    temperature: float = 1.0
    converged: bool = True
    at_bound: bool = False

    def to_json(self) -> dict[str, Any]:
        """The entries of an answer that describe the fit."""
        return {"temperature": self.temperature}

    def prediction(self, batch: Batch, rows: IntArray) -> tuple[str, FloatArray]:
        """The calibrated prediction of some rows: its form, and (n,) or (n, k) numbers."""
        return "logits", scores(batch, rows) / self.temperature


def parts(batch: Batch, rows: IntArray) -> Iterator[IntArray]:
    """The row numbers in blocks, so that arrays over all classes have a bounded size."""
    step = block_rows(batch)
    return (rows[start : start + step] for start in at_checkpoints(range(0, len(rows), step)))


def scores(batch: Batch, rows: IntArray) -> FloatArray:
    """The prediction of some rows as finite logits, (n,) for binary or (n, k).

    Logits stay as they are. A probability p enters as log p, or for binary as log p - log(1 - p). Neither p nor 1 - p
    is taken for less than `FLOOR`, so that a zero has a large loss and not an infinite one.
    """
    values: FloatArray = batch.prediction[rows].astype(np.float64, copy=False)  # type: ignore[index]
    if batch.form == "logits":
        return _finite(values)
    if batch.form == "log_probabilities":
        return np.maximum(values, LOG_FLOOR)
    logs = kernels.log(np.maximum(values, FLOOR))
    return logs - kernels.log(np.maximum(1.0 - values, FLOOR)) if batch.task == "binary" else logs


def _finite(logits: FloatArray) -> FloatArray:
    """The logits with minus infinity, a probability of 0, replaced by a number that gives about `FLOOR`."""
    zero = np.isneginf(logits)
    if not zero.any():
        return logits
    rest = np.zeros(1) if logits.ndim == 1 else losses.log_sum_exp(logits.T)[:, None]
    return np.where(zero, rest + LOG_FLOOR, logits)


def floored(batch: Batch, rows: IntArray) -> BoolArray:
    """The rows (n,) in which `scores` took a probability for `FLOOR`."""
    values: NDArray[Any] = batch.prediction[rows]  # type: ignore[index]
    if batch.form == "probabilities":
        low = values < FLOOR
        low = low | (1.0 - values < FLOOR) if batch.task == "binary" else low
    else:
        low = np.isneginf(values) if batch.form == "logits" else values < LOG_FLOOR
    touched: BoolArray = np.logical_or.reduce(low.reshape(len(low), -1), axis=1)
    return touched


def smoothed_targets(batch: Batch, rows: IntArray) -> FloatArray:
    """The truth of some rows with label smoothing: (1, n) of the positive class for binary, else (k, n)."""
    seen = (ElementRows if batch.task == "binary" else ClassRows)(batch, rows)
    return losses.smoothed(seen.targets, batch.options.label_smoothing, batch.n_classes)


def class_shares(batch: Batch, targets: FloatArray) -> FloatArray:
    """The shares a (k, n), targets times class weights, such that a row's loss is -sum_c a_c log p_c."""
    options = batch.options
    if batch.task == "binary":
        pos_weight = 1.0 if options.pos_weight is None else options.pos_weight
        return np.concatenate([1.0 - targets, targets * pos_weight])
    return targets if options.class_weight is None else targets * np.array(options.class_weight, np.float64)[:, None]


def weighted_sum(weight: FloatArray | None, values: FloatArray) -> Exact:
    """The exact sum of weight times value, the same in any order of the rows.

    Raises:
        InvalidInput: A product is not finite.
    """
    checkpoint()
    with np.errstate(over="ignore"):
        products = weighted(weight, values)
    if not np.isfinite(products).all():
        raise InvalidInput.at("", "out_of_range", "must leave weights times losses finite, found an overflow")
    return exact_sum(products)


class _Block(NamedTuple):
    """A block of rows: scores (k, n) less the largest of their row; sums (n,) of shares a, and of a times score."""

    scores: FloatArray
    level: FloatArray
    pull: FloatArray
    weight: FloatArray | None

    def slope(self, temperature: float) -> tuple[Exact, Exact]:
        """The sums of a (E_p[x] - x_c) and a Var_p(x) over rows and classes; p is the softmax of x = scores / T."""
        x = self.scores / temperature
        p = kernels.exp(x)
        p = losses.quotients(p, losses.class_sum(p))
        mean = losses.class_sum(p * x)
        p *= losses.differences(x, mean) ** 2
        first, second = self.level * mean - self.pull / temperature, self.level * losses.class_sum(p)
        return weighted_sum(self.weight, first), weighted_sum(self.weight, second)


def _block(batch: Batch, rows: IntArray) -> _Block:
    found = scores(batch, rows)
    classes = losses.class_major(np.stack([np.zeros_like(found), found], axis=1) if found.ndim == 1 else found)
    classes = losses.differences(classes, losses.largest(classes)[0])
    shares = class_shares(batch, smoothed_targets(batch, rows))
    weight = None if batch.sample_weight is None else batch.sample_weight[rows]
    return _Block(classes, losses.class_sum(shares), losses.class_sum(shares * classes), weight)


def fit_temperature(batch: Batch, rows: IntArray) -> Temperature:
    """Fit the temperature T in [e**-10, e**10] at which the loss of scores / T over `rows` is least.

    The loss is convex in 1 / T, so its derivative there, sum a_c (E_p[z] - z_c), changes its sign at most once. A
    bracketed Newton iteration on log T finds that point, unless the least loss is at a bound.
    """
    blocks = [_block(batch, part) for part in parts(batch, rows)]

    @cache
    def slope(log_temperature: float) -> tuple[Exact, Exact]:
        first, second = zip(*(block.slope(math.exp(log_temperature)) for block in blocks), strict=True)
        return reduce(add, first), reduce(add, second)

    at_one = slope(0.0)[0]
    bound = LOG_BOUND if at_one.digits > 0 else -LOG_BOUND
    if at_one and slope(bound)[0].digits * at_one.digits >= 0:
        return Temperature(math.exp(bound), at_bound=True)
    log_temperature, converged = _sign_change(slope, bound)
    return Temperature(math.exp(log_temperature), converged=converged)


def _sign_change(slope: Slope, bound: float) -> tuple[float, bool]:
    """The point between 0 and a bound where a slope turns negative, and whether it is known to the tolerance.

    Newton's step is taken if it stays within the bracket and is at most half of the last one; else the bracket is
    halved. So either shrinks at each turn (Press et al., Numerical Recipes, 3rd ed., section 9.4).
    """
    low, high = sorted((0.0, bound))
    at, step = 0.0, 2.0 * bound
    for _ in range(_MAX_STEPS):
        value, curvature = slope(at)
        newton = _ratio(value, curvature)
        if abs(newton) <= _TOLERANCE or high - low <= _NARROW:
            return min(max(at + newton, low), high), True
        low, high = (at, high) if value.digits > 0 else (low, at)
        fits = low < at + newton < high and abs(newton) <= abs(step) / 2
        step = newton if fits else (low + high) / 2 - at
        at += step
    return at, False


def _ratio(value: Exact, curvature: Exact) -> float:
    """The quotient, which is 0 for 0 whatever the divisor, and infinite where it overflows."""
    try:
        return value / curvature if value else 0.0
    except (ZeroDivisionError, OverflowError):
        return math.inf
