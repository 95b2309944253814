"""Doubles that are hard to add up."""

from fractions import Fraction

import numpy as np

from app.core.columns import FloatArray


def adversarial(n: int, seed: int) -> FloatArray:
    """Mixed signs, 1e-300 to 1e300, and half of it cancelled to the last bit."""
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-300, 300, n)
    values[: n // 2] = -values[n // 2 : n // 2 * 2]
    rng.shuffle(values)
    return values


def fractions(values: FloatArray) -> list[Fraction]:
    return [Fraction(value) for value in values.tolist()]
