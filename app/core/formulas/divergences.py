"""Divergences between a true distribution P and a predicted one Q, sample by sample; class-major like `losses`.

Between distributions that are nearly equal, sums of p log(p / q) cancel to nothing but rounding: they are of the second
order in the difference, their terms of the first. So the first order is taken out of every term before terms are added.
"""

import numpy as np

from app.core import kernels
from app.core.columns import FloatArray
from app.core.formulas.losses import product

_SMALL = 2.0**-4
"""Ratios, less 1, up to which a series is more exact than logarithms; its terms left out are below 1e-17 of it."""

_GAP_SERIES = tuple((-1.0) ** n / (n * (n - 1)) for n in range(2, 16))


def kl_divergence(p: FloatArray, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """sum_c p_c (log p_c - log q_c) over (k, n), (n,); in nats, infinite where q_c = 0 < p_c.

    Kullback, Leibler, "On information and sufficiency" (1951), eq. 2.4. The terms as they stand: for weights p that
    are no distribution.
    """
    return kernels.row_products(p.T, (log_p - log_q).T)


def relative_entropy(p: FloatArray, log_p: FloatArray, q: FloatArray, log_q: FloatArray) -> FloatArray:
    """`kl_divergence` of distributions, without cancellation, over (k, n), (n,).

    It is the sum of p log(p / q) - p + q, of which none is negative, and of p - q over the classes. The latter is that
    of the rows as sent, and 0 where it is no more than rounding: so rows of sum 1 never get a negative number. Rows P
    that are certain of a class keep the one term that they have, -log q of that class.
    """
    return kernels.row_relative_entropy(p.T, log_p.T, q.T, log_q.T)


def binary_relative_entropy(
    t: FloatArray, logs: tuple[FloatArray, FloatArray], q: tuple[FloatArray, FloatArray], log_q: tuple[FloatArray, ...]
) -> FloatArray:
    """t log(t / q) + (1 - t) log((1 - t) / (1 - q)), element by element and without cancellation.

    Args:
        t: The truth.
        logs: log t and log(1 - t).
        q: The prediction, and 1 less that.
        log_q: Their logarithms.
    """
    shares = t, 1.0 - t
    products = [product(p, log_p - log) for p, log_p, log in zip(shares, logs, log_q, strict=True)]
    terms = [_second_order(own, p - other, other) for own, p, other in zip(products, shares, q, strict=True)]
    return np.where((t == 0.0) | (t == 1.0), products[0] + products[1], terms[0] + terms[1])


def _second_order(products: FloatArray, difference: FloatArray, q: FloatArray) -> FloatArray:
    """p log(p / q) - p + q, element by element, given p log(p / q) and p - q.

    With r = (p - q) / q it is q times (1 + r) log(1 + r) - r = r**2 / 2 - r**3 / 6 + r**4 / 12 - ...
    """
    terms = products - difference
    near = (np.abs(difference) < _SMALL * q).T  # transposed: rows lie in memory one after another
    base = q.T[near]
    ratio = difference.T[near] / base
    terms.T[near] = base * ratio * ratio * _polynomial(_GAP_SERIES, ratio)
    return terms


def js_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """(KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2, over (k, n), (n,); in nats, clamped to [0, ln 2].

    Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991), eq. 4.1. With the lean
    d = (p - q) / (p + q) it is a quarter of the sum of (p + q) ((1 + d) log(1 + d) + (1 - d) log(1 - d)).

    >>> js_divergence(np.array([[0.3], [0.7]]), np.array([[0.30000001], [0.69999999]]))
    array([5.95238087e-17])
    """
    return kernels.row_js(p.T, q.T)


def _polynomial(coefficients: tuple[float, ...], x: FloatArray) -> FloatArray:
    """The sum of c_n x**n, element by element, by Horner's rule."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total
