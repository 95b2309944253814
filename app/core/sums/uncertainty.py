"""Means with their standard errors and intervals, from exact sums."""

import math
from collections.abc import Iterable
from functools import lru_cache

from scipy.special import stdtrit

from app.core.sums.moments import Moments
from app.core.values import INFINITE, Value, undefined


def mean(sums: Moments, confidence_level: float) -> Value:
    """The mean sum z / sum v, with the standard error of the linearised ratio estimator.

    SE = sqrt(n / (n - 1) * sum (z_i - m v_i)**2) / sum v, and a Student t interval with n - 1 degrees of freedom
    (Cochran, Sampling Techniques, 3rd ed., section 6.4). Rows count as independent.
    """
    return means([sums], confidence_level)[0]


def means(moments: Iterable[Moments], confidence_level: float) -> list[Value]:
    """`mean` of several moments, in one go: each request asks for half a dozen of them."""
    found: list[Value] = []
    for n, n_infinite, n_undefined, z, v, zz, zv, vv, _ in moments:  # no unit: it cancels wherever sums are divided
        if n_undefined or n_infinite or not v:
            found.append(_no_mean(n_infinite, n_undefined))
            continue
        try:
            value = z / v
        except OverflowError:
            found.append(undefined("overflow"))
            continue
        try:
            # v**2 sum (z_i - m v_i)**2 = v (v zz - z zv) + z (z vv - v zv), in integers: nothing cancels unseen
            squares, rest, power = v * zz - z * zv, z * vv - v * zv, v * v * v
            if rest:  # 0 where all denominators are equal: then v cancels
                squares, power = v * squares + z * rest, power * v
            error = math.sqrt(n * squares / ((n - 1) * power)) if n > 1 else None
        except OverflowError:
            error = None
        if error is None:
            found.append(Value(value))
            continue
        spread = t_quantile(n - 1, confidence_level) * error
        found.append(Value(value, "ok", None, error, (value - spread, value + spread)))
    return found


def _no_mean(n_infinite: int, n_undefined: int) -> Value:
    if n_undefined:
        return undefined("the formula gives no number in a row")
    return INFINITE if n_infinite else undefined("no scored row has positive weight")


@lru_cache(maxsize=1024)
def t_quantile(degrees_of_freedom: int, confidence_level: float) -> float:
    """The half-width of a two-sided Student t interval, in standard errors."""
    return float(stdtrit(degrees_of_freedom, 0.5 + confidence_level / 2))


def exponential(value: Value) -> Value:
    """The exponential of a mean in nats and of its interval, where that does not overflow."""
    if value.value is None:
        return value
    try:
        result = math.exp(value.value)
    except OverflowError:
        return undefined("overflow")
    interval = value.confidence_interval
    try:
        return Value(result, "ok", None, None, interval and (math.exp(interval[0]), math.exp(interval[1])))
    except OverflowError:
        return Value(result)
