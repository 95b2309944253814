"""Losses, entropies and scores of each sample.

Arrays over classes are class-major, (k, n): one row a class, one column a sample. In memory a sample's numbers stand
side by side, as they were sent: the arrays are transposed views. The order of a sum over classes depends on k alone;
that is why a sample's numbers never depend on the samples beside it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.columns import BoolArray, FloatArray, IntArray


def class_sum(values: FloatArray) -> FloatArray:
    """The sum over the classes of (k, n), (n,), made in four lanes: class c is added in lane c mod 4."""
    return kernels.row_sums(values.T)


def class_major(values: NDArray[Any]) -> FloatArray:
    """Rows (n, k) of any number type as doubles (k, n); rows of doubles become a view, not a copy."""
    return np.ascontiguousarray(values, dtype=np.float64).T


def at_labels(labels: IntArray, values: FloatArray) -> FloatArray:
    """The number of each sample's label (n,) in (k, n)."""
    return kernels.row_picks(values.T, labels)


def one_hot(labels: IntArray, n_classes: int) -> FloatArray:
    """Targets (k, n) that put everything on the label (n,)."""
    targets = class_major(np.zeros((len(labels), n_classes)))
    targets[labels, np.arange(len(labels))] = 1.0
    return targets


def log_sum_exp(values: FloatArray) -> FloatArray:
    """The log of the sum over classes of e**x, (k, n), (n,): max + log(1 + the sum of e**(x - max) of the others)."""
    top, _ = largest(values)
    floor = np.where(np.isneginf(top), 0.0, top)  # where all are -inf, -inf - -inf would be NaN
    return top + kernels.log1p(other_exponentials(exponentials(values, floor)))


def largest(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """The largest of the classes of (k, n), (n,), and the first class that has it."""
    return kernels.row_maxima(values.T)


def exponentials(values: FloatArray, top: FloatArray) -> FloatArray:
    """The exponentials e**(x - top) over (k, n), given the largest number of each sample, `top` (n,)."""
    return kernels.row_exponentials(values.T, top).T


def other_exponentials(exponentials: FloatArray) -> FloatArray:
    """Sums (n,) of the exponentials (k, n) of each sample, leaving out the largest, which is exactly 1.

    The largest term is kept out of the sum, so that a result near the maximum keeps its digits (Blanchard, Higham,
    Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41, 2021).
    """
    return kernels.row_others(exponentials.T)


def softplus(x: FloatArray) -> FloatArray:
    """The softplus log(1 + e**x) of each element, without overflow: max(x, 0) + log1p(e**-|x|)."""
    return np.maximum(x, 0.0) + kernels.log1p(kernels.exp(-np.abs(x)))


def expit(x: FloatArray) -> FloatArray:
    """The logistic function 1 / (1 + e**-x) of each element, with full relative accuracy on both sides of 0."""
    small = kernels.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, small) / (1.0 + small)


def smoothed(targets: FloatArray, amount: float, n_classes: int) -> FloatArray:
    """Targets with a share `amount` spread evenly over `n_classes` (Szegedy et al., CVPR 2016, section 7)."""
    return targets * (1.0 - amount) + amount / n_classes if amount else targets


def quotients(values: FloatArray, divisor: FloatArray) -> FloatArray:
    """Values (n,) or (k, n) divided by a number for each sample, `divisor` (n,)."""
    return values / divisor if values.ndim == 1 else kernels.row_quotients(values.T, divisor).T


def differences(values: FloatArray, subtrahend: FloatArray) -> FloatArray:
    """Values (n,) or (k, n) less a number for each sample, `subtrahend` (n,)."""
    return values - subtrahend if values.ndim == 1 else kernels.row_differences(values.T, subtrahend).T


def log_bounds(epsilon: float) -> tuple[float, float]:
    """The bounds that logarithms are clipped to: log(epsilon) and log(1 - epsilon)."""
    return float(kernels.log(epsilon)), float(kernels.log1p(-epsilon))


def clipped(probabilities: FloatArray, epsilon: float) -> FloatArray:
    """Probabilities clipped to [epsilon, 1 - epsilon]."""
    return np.clip(probabilities, epsilon, 1.0 - epsilon) if epsilon else probabilities


def clipped_columns(probabilities: FloatArray, epsilon: float) -> BoolArray:
    """The samples (n,) of (k, n) in which epsilon moves a probability."""
    outside = (probabilities < epsilon) | (probabilities > 1.0 - epsilon)
    columns: BoolArray = np.logical_or.reduce(outside, axis=0)
    return columns


def product(weights: FloatArray, values: FloatArray) -> FloatArray:
    """The product weights * values, where a weight of 0 gives 0 even times infinity: the convention 0 log 0 = 0."""
    products = weights * values
    return np.where(weights == 0.0, 0.0, products) if not np.isfinite(products).all() else products


def cross_entropy(targets: FloatArray, log_probabilities: FloatArray) -> FloatArray:
    """The cross-entropy -sum_c t_c log q_c over (k, n), (n,); in nats, infinite where q_c = 0 < t_c.

    >>> cross_entropy(np.array([[0.5], [0.5], [0.0]]), np.log([[0.25], [0.25], [0.5]]))
    array([1.38629436])
    """
    return 0.0 - kernels.row_products(targets.T, log_probabilities.T)


def entropy(probabilities: FloatArray, log_probabilities: FloatArray | None = None) -> FloatArray:
    """The entropy -sum_c p_c log p_c over (k, n), (n,); in nats, with 0 log 0 = 0.

    Args:
        log_probabilities: The logarithms, where they are known better than the probabilities tell, as from logits.
    """
    if log_probabilities is None:
        return 0.0 - kernels.row_negentropies(probabilities.T)
    return 0.0 - kernels.row_products(probabilities.T, log_probabilities.T)


def binary_cross_entropy(
    targets: FloatArray, log_p: FloatArray, log_not_p: FloatArray, pos_weight: Any = 1.0
) -> FloatArray:
    """The loss -(q y log p + (1 - y) log(1 - p)) of each element in nats; q is `pos_weight`.

    >>> binary_cross_entropy(np.array([1.0]), np.log([0.25]), np.log([0.75]))
    array([1.38629436])
    """
    return 0.0 - (product(pos_weight * targets, log_p) + product(1.0 - targets, log_not_p))


def brier_score(targets: FloatArray, probabilities: FloatArray) -> FloatArray:
    """The Brier score sum_c (p_c - t_c)**2 over (k, n), (n,), in [0, 2]: Brier, Monthly Weather Review 78 (1950)."""
    difference = probabilities - targets
    difference *= difference
    return class_sum(difference)


def label_brier_score(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """The `brier_score` of one-hot targets, to the same bits, without making the targets."""
    return kernels.row_errors(probabilities.T, labels)


def spherical_score(targets: FloatArray, probabilities: FloatArray) -> FloatArray:
    """The spherical score sum_c t_c p_c / |p| over (k, n), (n,), in [0, 1]; NaN for a row of zeros. |p| is the length.

    Gneiting, Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102 (2007), example 2. The
    largest probability divides the row first, so that no square underflows.

    >>> spherical_score(np.array([[1.0], [0.0]]), np.array([[0.75], [1.0]]))
    array([0.6])
    """
    scaled = quotients(probabilities, largest(probabilities)[0])
    return kernels.row_products(targets.T, scaled.T) / np.sqrt(class_sum(scaled * scaled))


def ranked_probability_score(targets: FloatArray, probabilities: FloatArray) -> FloatArray:
    """The score sum_{c < k} (sum_{j <= c} p_j - t_j)**2 over (k, n), (n,), in [0, k - 1]; classes are in order.

    Epstein, "A scoring system for probability forecasts of ranked categories", J. Appl. Meteorol. 8 (1969), in the form
    without a divisor, which for two classes is the Brier score of the second.

    >>> ranked_probability_score(np.array([[1.0], [0.0], [0.0]]), np.array([[0.5], [0.25], [0.25]]))
    array([0.3125])
    """
    gaps = np.add.accumulate(probabilities - targets)[:-1]
    return class_sum(gaps * gaps)


def focal_weight(probabilities: FloatArray, gamma: float) -> FloatArray:
    """The factor (1 - p)**gamma of each element (Lin et al., "Focal loss", ICCV 2017, eq. 4)."""
    return (1.0 - probabilities) ** gamma
