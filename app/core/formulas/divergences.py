"""Divergences between a true distribution P and a predicted one Q, sample by sample; class-major like `losses`.

Between nearly equal distributions the terms p log(p / q) are of the first order in the difference, and their sum is of
the second: it cancels to nothing but rounding. So the first order is taken out of every term before terms are added.
"""

import numpy as np

from app.core import kernels
from app.core.columns import FloatArray
from app.core.formulas.losses import product

_SMALL = 2.0**-4
"""Distance of p / q from 1 below which a series replaces logarithms. The terms left out are below 1e-17 of its sum."""

# coefficients of r**2, r**3, ... in (1 + r) log(1 + r) - r
_GAP_SERIES = tuple((-1.0) ** n / (n * (n - 1)) for n in range(2, 16))


def kl_divergence(p: FloatArray, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """The divergence sum_c p_c (log p_c - log q_c) over (k, n), (n,); in nats, infinite where q_c = 0 < p_c.

    Kullback, Leibler, "On information and sufficiency" (1951), eq. 2.4. The terms are added as they stand, since p may
    be weighted and then is no distribution.
    """
    return kernels.row_products(p.T, (log_p - log_q).T)


def relative_entropy(p: FloatArray, log_p: FloatArray, q: FloatArray, log_q: FloatArray) -> FloatArray:
    """The `kl_divergence` of distributions, without cancellation, over (k, n), (n,).

    Two sums make it up: that of p log(p / q) - p + q, where no term is negative, and that of p - q. The second is taken
    as 0 where it is no more than rounding, so rows that sum to 1 never get a negative number. A row of P that is
    certain of a class has one term, -log q of that class.
    """
    return kernels.row_relative_entropy(p.T, log_p.T, q.T, log_q.T)


def binary_relative_entropy(
    t: FloatArray, logs: tuple[FloatArray, FloatArray], q: tuple[FloatArray, FloatArray], log_q: tuple[FloatArray, ...]
) -> FloatArray:
    """The divergence t log(t / q) + (1 - t) log((1 - t) / (1 - q)) of each element, without cancellation.

    Args:
        t: The truth.
        logs: The logarithms of t and of 1 - t.
        q: The prediction, and 1 less that.
        log_q: The logarithms of both.
    """
    shares = t, 1.0 - t
    products = [product(p, log_p - log) for p, log_p, log in zip(shares, logs, log_q, strict=True)]
    terms = [_second_order(own, p - other, other) for own, p, other in zip(products, shares, q, strict=True)]
    return np.where((t == 0.0) | (t == 1.0), products[0] + products[1], terms[0] + terms[1])


def _second_order(products: FloatArray, difference: FloatArray, q: FloatArray) -> FloatArray:
    """The term p log(p / q) - p + q of each element, given p log(p / q) and p - q.

    With r = (p - q) / q the term is q times (1 + r) log(1 + r) - r = r**2 / 2 - r**3 / 6 + r**4 / 12 - ...
    """
    terms = products - difference
    near = (np.abs(difference) < _SMALL * q).T  # transposed back: a mask is read fastest in the order of memory
    base = q.T[near]
    ratio = difference.T[near] / base
    terms.T[near] = base * ratio * ratio * _polynomial(_GAP_SERIES, ratio)
    return terms


def js_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """The divergence (KL(P||M) + KL(Q||M)) / 2, M = (P + Q) / 2, over (k, n), (n,); in nats, clamped to [0, ln 2].

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
