"""Paired comparison: how the mean losses of candidates differ on the same rows, and how sure that is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.special import stdtr

from app.core.columns import FloatArray
from app.core.pairing import Residuals, Sample
from app.core.sums import exact_dot
from app.core.values import Value, undefined

_ULPS = 4 * np.finfo(np.float64).eps

Verdict: TypeAlias = Literal["better", "worse", "equivalent", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How candidates are compared.

    Attributes:
        baseline: The candidate that every other one is held against.
        margin: The largest difference that does not matter, in the unit of the answer.
        nats_per_unit: The size of that unit.
    """

    baseline: str
    margin: float = 0.0
    confidence_level: float = 0.95
    nats_per_unit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One candidate against the baseline.

    Attributes:
        difference: The candidate's mean loss minus the baseline's, paired by row; its interval is not adjusted for
            the number of comparisons.
        t_statistic: The difference in standard errors.
        p_value: Of no difference, two-sided.
        p_value_adjusted: By Holm's method; None if there is one comparison only.
        correlation: c in SE**2 = SE_1**2 + SE_2**2 - 2 c SE_1 SE_2, with the standard errors of the difference and of
            both means: what pairing gains. Without weights and clusters it is Pearson's, of the losses of rows.
        wins, losses, ties: Rows in which the candidate's loss is smaller, larger, equal but for the last bits.
        verdict: What the interval says.
    """

    candidate: str
    baseline: str
    difference: Value
    t_statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None = None
    correlation: float | None
    wins: int
    losses: int
    ties: int
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The entry of `comparisons` in an answer: what is not known is left out."""
        entry = {field.name: getattr(self, field.name) for field in fields(self)}
        entry["difference"] = self.difference.to_json()
        return {name: value for name, value in entry.items() if value is not None}


def comparisons(sample: Sample, terms: Terms) -> list[Comparison]:
    """Every other candidate against the baseline, in the order of the sample."""
    residuals = lru_cache(maxsize=2)(sample.residuals)  # of the last candidate, and of the baseline
    with np.errstate(invalid="ignore", over="ignore"):  # rows without weight may be infinite
        pairs = [_comparison(sample, name, terms, residuals) for name in sample.losses if name != terms.baseline]
    if len(pairs) == 1:
        return pairs
    tested = {pair.candidate: pair.p_value for pair in pairs if pair.p_value is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(pair, p_value_adjusted=adjusted.get(pair.candidate)) for pair in pairs]


def _comparison(
    sample: Sample, candidate: str, terms: Terms, residuals: Callable[[str], Residuals | None]
) -> Comparison:
    difference = _difference(sample, candidate, terms).scaled(terms.nats_per_unit).finite()
    t_statistic, p_value = t_test(difference, sample.n)
    wins, losses, ties = _outcomes(sample, candidate, terms.baseline)
    return Comparison(
        candidate=candidate,
        baseline=terms.baseline,
        difference=difference,
        t_statistic=t_statistic,
        p_value=p_value,
        correlation=None if p_value is None else _correlation(residuals(candidate), residuals(terms.baseline)),
        wins=wins,
        losses=losses,
        ties=ties,
        verdict=verdict(difference.confidence_interval, terms.margin),
    )


def _difference(sample: Sample, candidate: str, terms: Terms) -> Value:
    without_number = _without_number(sample, candidate, terms.baseline)
    if without_number is not None:
        return without_number
    differences = _differences(sample.losses[candidate], sample.losses[terms.baseline])
    value = sample.mean(differences, terms.confidence_level)
    if sample.n == 1:
        unit = "row" if sample.clusters is None else "cluster"
        return value._replace(reason=f"no standard error: only one {unit} of positive weight")
    return value


def _without_number(sample: Sample, candidate: str, baseline: str) -> Value | None:
    """Why the difference is no number, if a loss is infinite."""
    ours, theirs = sample.infinite(candidate), sample.infinite(baseline)
    n_ours, n_theirs, n_both = (int(np.count_nonzero(rows)) for rows in (ours, theirs, ours & theirs))
    if n_both:
        return undefined(f"rows in which the losses of {candidate} and {baseline} are both infinite: {n_both}")
    if n_ours and n_theirs:
        return undefined(f"the losses of {candidate} and {baseline} are both infinite, in different rows")
    if n_ours or n_theirs:
        name, sign = (candidate, "plus") if n_ours else (baseline, "minus")
        reason = f"rows in which only the loss of {name} is infinite: {n_ours + n_theirs}; the difference is"
        return Value(status="infinite", reason=f"{reason} {sign} infinity")
    return None


def _differences(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """(n,) by how much our loss is above theirs; 0 where only last bits differ, as of one model in two forms."""
    differences = ours - theirs
    rounding = _ULPS * np.maximum(1.0, np.maximum(ours, theirs))  # a probability near 1 is known to 1e-16, not better
    return np.where((np.abs(differences) <= rounding) & np.isfinite(differences), 0.0, differences)


def _outcomes(sample: Sample, candidate: str, baseline: str) -> tuple[int, int, int]:
    differences = _differences(*(sample.losses[name][sample.counted] for name in (candidate, baseline)))
    wins, losses = int(np.count_nonzero(differences < 0.0)), int(np.count_nonzero(differences > 0.0))
    return wins, losses, len(differences) - wins - losses


def _correlation(x: Residuals | None, y: Residuals | None) -> float | None:
    """Of the residuals of both; None where one has no spread, or one beyond the range of doubles."""
    if x is None or y is None or not x.squares or not y.squares:
        return None
    xy = exact_dot(x.values, y.values)
    size = min(1.0, math.sqrt(xy * xy / (x.squares * y.squares)))
    return size if xy > 0 else -size


def t_test(difference: Value, n: int) -> tuple[float | None, float | None]:
    """Student's t and its two-sided p-value for no difference, with n - 1 degrees of freedom.

    Without any spread p is 1 for no difference and 0 for one, whose t is no number.
    """
    value, error = difference.value, difference.standard_error
    if value is None or error is None:
        return None, None
    if not value:
        return 0.0, 1.0
    t = value / error if error else math.inf
    return (t if math.isfinite(t) else None), 2.0 * float(stdtr(n - 1, -abs(t)))


def verdict(interval: tuple[float, float] | None, margin: float) -> Verdict:
    """What an interval of the difference says, where differences of at most `margin` do not matter.

    >>> verdict((-0.3, -0.2), 0.1), verdict((-0.3, 0.05), 0.1), verdict((-0.1, 0.05), 0.1)
    ('better', 'inconclusive', 'equivalent')
    """
    if interval is None:
        return "inconclusive"
    lower, upper = interval
    if upper < -margin:
        return "better"
    if lower > margin:
        return "worse"
    return "equivalent" if margin > 0.0 and -margin <= lower and upper <= margin else "inconclusive"


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of m tests, adjusted: the smallest counts m times, the next m - 1 times, and none less than one before.

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
