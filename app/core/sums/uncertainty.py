"""Means with their standard errors and intervals, from exact sums."""

from collections.abc import Collection, Mapping
from functools import lru_cache

from scipy.special import stdtrit

from app.core.kernels import compiled
from app.core.sums.moments import Moments, PackedMoments
from app.core.values import INFINITE, Value, undefined


def mean(sums: Moments, confidence_level: float) -> Value:
    """The mean of one column; see `means`."""
    return means({"": sums}, confidence_level)[""]


def means(
    moments: Mapping[str, Moments], confidence_level: float, names: Collection[str] | None = None
) -> dict[str, Value]:
    """The mean sum z / sum v of each column, with the standard error of the linearised ratio estimator.

    SE = sqrt(n / (n - 1) * sum (z_i - m v_i)**2) / sum v, and a Student t interval with n - 1 degrees of freedom
    (Cochran, Sampling Techniques, 3rd ed., section 6.4). Rows count as independent. An error or interval that no double
    can hold is left out. Columns that share their moments share their mean.

    Args:
        names: The columns; None for all.
    """
    of = moments if isinstance(moments, PackedMoments) else PackedMoments.of(moments)
    numbers = of.numbers if names is None else {name: of.numbers[name] for name in names}
    return compiled.means(of.packed, numbers, confidence_level, Value, t_quantile, _no_mean)


def _no_mean(n_infinite: int, n_undefined: int, has_weight: bool) -> Value:
    if n_undefined:
        return undefined("the formula gives no number in a row")
    if n_infinite:
        return INFINITE
    return undefined("overflow" if has_weight else "no scored row has positive weight")


@lru_cache(maxsize=1024)
def t_quantile(degrees_of_freedom: int, confidence_level: float) -> float:
    """The half-width of a two-sided Student t interval, in standard errors."""
    return float(stdtrit(degrees_of_freedom, 0.5 + confidence_level / 2))
