"""Tests and intervals for one difference among several."""

import math
from collections.abc import Sequence
from typing import TypeAlias

from scipy.special import stdtr, stdtrit

from app.core.values import Value

Interval: TypeAlias = tuple[float, float]


def t_test(difference: Value, n: int) -> tuple[float | None, float | None]:
    """The t statistic and its two-sided p-value for no difference, with n - 1 degrees of freedom.

    A difference of 0 has t = 0 and p = 1, even without any spread. t is None where it overflows.
    """
    value, error = difference.value, difference.standard_error
    if value is None or error is None:
        return None, None
    if not value:
        return 0.0, 1.0
    t = value / error if error else math.inf
    return (t if math.isfinite(t) else None), 2.0 * float(stdtr(n - 1, -abs(t)))


def simultaneous_interval(difference: Value, n: int, confidence_level: float, n_pairs: int) -> Interval | None:
    """The interval of one of several differences, widened so that all hold at once (Bonferroni).

    Args:
        difference: The difference, with its standard error, over n independent observations.
        n_pairs: The number of intervals that hold together with a probability of at least `confidence_level`.
    """
    if difference.value is None or difference.standard_error is None:
        return None
    spread = -float(stdtrit(n - 1, (1.0 - confidence_level) / (2 * n_pairs))) * difference.standard_error
    interval = difference.value - spread, difference.value + spread
    return difference._replace(confidence_interval=interval).finite().confidence_interval


def holm(p_values: Sequence[float]) -> list[float]:
    """The adjusted p-values of m tests: the smallest times m, the next times m - 1, and none less than one before.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).

    >>> holm([0.25, 0.01, 0.04])
    [0.25, 0.03, 0.08]
    """
    adjusted = [1.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted
