"""Means with their standard errors and intervals, from exact sums."""

import math
from functools import lru_cache

from scipy.special import stdtrit

from app.core.sums.exact import ONE, SQUARE_ONE, trailing_zeros
from app.core.sums.state import Moments
from app.core.values import INFINITE, Value, undefined


def mean(moments: Moments, confidence_level: float) -> Value:
    """sum z / sum v with the standard error of the linearised ratio estimator.

    SE = sqrt(n / (n - 1) * sum (z_i - m v_i)**2) / sum v, and a Student t interval with n - 1 degrees of freedom
    (Cochran, Sampling Techniques, 3rd ed., section 6.4). Rows count as independent.
    """
    if moments.n_undefined:
        return undefined("the formula gives no number in a row")
    if moments.n_infinite:
        return INFINITE
    if not moments.v:
        return undefined("no scored row has positive weight")
    moments = _lowered(moments)
    try:
        value = moments.z / moments.v
    except OverflowError:
        return undefined("overflow")
    error = _standard_error(moments)
    if error is None:
        return Value(value=value)
    spread = t_quantile(moments.n - 1, confidence_level) * error
    return Value(value=value, standard_error=error, confidence_interval=(value - spread, value + spread))


def _standard_error(moments: Moments) -> float | None:
    """Of sum z / sum v; None for fewer than two rows, or beyond the range of doubles."""
    n = moments.n
    if n < 2:
        return None
    z, v, zz, zv, vv = moments.z, moments.v, moments.zz, moments.zv, moments.vv
    # sum (z_i - m v_i)**2 = (zz v**2 - 2 z v zv + z**2 vv) / v**2, in integers: nothing cancels before the one rounding
    squares = zz * v * v - 2 * z * v * zv + z * z * vv
    try:
        return math.sqrt(n * squares / ((n - 1) * v**4))
    except OverflowError:
        return None


def _lowered(moments: Moments) -> Moments:
    """The same in the largest unit in which all sums are whole: the arithmetic is faster, and its results are equal."""
    n, n_infinite, z, v, zz, zv, vv, n_undefined = moments
    places = min(trailing_zeros(z | v | ONE), trailing_zeros(zz | zv | vv | SQUARE_ONE) // 2)
    products = zz >> 2 * places, zv >> 2 * places, vv >> 2 * places
    return Moments(n, n_infinite, z >> places, v >> places, *products, n_undefined)


@lru_cache(maxsize=1024)
def t_quantile(degrees_of_freedom: int, confidence_level: float) -> float:
    """Half the width, in standard errors, of a two-sided Student t interval."""
    return float(stdtrit(degrees_of_freedom, 0.5 + confidence_level / 2))


def exponential(value: Value) -> Value:
    """exp of a mean in nats, with exp of its interval where that is a number."""
    if value.value is None:
        return value
    try:
        result = math.exp(value.value)
    except OverflowError:
        return undefined("overflow")
    return Value(value=result, confidence_interval=_exponential_interval(value.confidence_interval))


def _exponential_interval(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    try:
        return interval and (math.exp(interval[0]), math.exp(interval[1]))
    except OverflowError:
        return None
