"""Divergences between a true distribution P and a predicted one Q, sample by sample; class-major like `losses`."""

import math

import numpy as np

from app.core import kernels
from app.core.columns import FloatArray
from app.core.losses import class_sum


def kl_divergence(p: FloatArray, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """sum_c p_c (log p_c - log q_c) over (k, n), (n,); in nats, infinite where q_c = 0 < p_c.

    Kullback, Leibler, "On information and sufficiency" (1951), eq. 2.4.
    """
    return kernels.row_products(p.T, (log_p - log_q).T)


def js_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """(KL(P||M) + KL(Q||M)) / 2 with M = (P + Q) / 2, over (k, n), (n,); in nats, clamped to [0, ln 2].

    Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991), eq. 4.1.
    """
    middle = 0.5 * (p + q)
    halves = class_sum(_terms(p, middle)) + class_sum(_terms(q, middle))
    return np.clip(0.5 * halves, 0.0, math.log(2.0))


def _terms(p: FloatArray, middle: FloatArray) -> FloatArray:
    positive = p > 0.0
    return p * kernels.log(np.divide(p, middle, out=np.ones_like(p), where=positive))
