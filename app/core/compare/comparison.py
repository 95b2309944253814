"""Paired comparison: how the mean losses of candidates differ on the same rows, and how sure that is."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from app.core.columns import FloatArray
from app.core.compare.pairing import Sample
from app.core.compare.significance import Interval, holm, simultaneous_interval, t_test
from app.core.compare.verdicts import Family, Ruling, Verdict, equal_ruling, infinite_ruling, not_confirmed, verdict
from app.core.sums.moments import column_moments
from app.core.values import Value, undefined

MIN_SAMPLES = 20
_ULPS = 4 * np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The rules by which candidates are compared.

    Attributes:
        baseline: The candidate that every other one is held against.
        margin: The largest difference that does not matter, in the unit of the answer.
        min_samples: Rows, or clusters, of positive weight below which nothing is decided.
        family: The comparisons whose intervals hold together: all pairs, or each for itself.
        nats_per_unit: The size of the unit of the answer.
    """

    baseline: str
    margin: float = 0.0
    min_samples: int = MIN_SAMPLES
    family: Family = "pairs"
    confidence_level: float = 0.95
    nats_per_unit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One candidate against the baseline.

    Attributes:
        verdict: What a gate reads.
        reason: Why no interval decided on the verdict; None where one did.
        difference: The candidate's mean loss minus the baseline's, paired by row; its interval is not adjusted for
            the number of comparisons.
        simultaneous_interval: The interval behind the verdict where there are several comparisons in a family.
        t_statistic: The difference in standard errors.
        p_value: Of no difference, two-sided.
        p_value_adjusted: By Holm's method; None if there is one comparison only.
        correlation: c in SE**2 = SE_1**2 + SE_2**2 - 2 c SE_1 SE_2, with the standard errors of the difference and of
            both means: what pairing gains. Without weights and clusters it is Pearson's, of the losses of rows.
        wins, losses, ties: Rows in which the candidate's loss is smaller, larger, equal but for the last bits.
    """

    candidate: str
    baseline: str
    verdict: Verdict
    reason: str | None = None
    difference: Value
    simultaneous_interval: Interval | None = None
    t_statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None = None
    correlation: float | None
    wins: int
    losses: int
    ties: int

    def to_json(self) -> dict[str, Any]:
        """The entry of `comparisons` in an answer: what is not known is left out."""
        entry = {field.name: getattr(self, field.name) for field in fields(self)}
        entry["difference"] = self.difference.to_json()
        return {name: value for name, value in entry.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Pair:
    """The evidence of one comparison, before a verdict is passed on it.

    Attributes:
        comparison: All that does not depend on other pairs; its verdict is open.
        n: Independent observations.
        shortage: Why they are too few for any verdict; None where they are enough.
        n_infinite: Rows of positive weight in which the loss of the candidate, and of the baseline, is infinite.
        varies: False where the difference is the same in all observations, but for rounding.
    """

    comparison: Comparison
    n: int
    shortage: str | None
    n_infinite: tuple[int, int]
    varies: bool


def comparisons(sample: Sample, terms: Terms) -> list[Comparison]:
    """Every other candidate against the baseline, in the order of the sample, as one family."""
    return judged([pairs(sample, terms)], terms)[0]


def pairs(sample: Sample, terms: Terms) -> list[Pair]:
    """The evidence of every other candidate against the baseline, in the order of the sample."""
    residuals = lru_cache(maxsize=2)(sample.residuals)  # of the last candidate, and of the baseline
    with np.errstate(invalid="ignore", over="ignore"):  # rows without weight may be infinite
        return [_pair(sample, name, terms, residuals) for name in sample.losses if name != terms.baseline]


def judged(groups: Iterable[list[Pair]], terms: Terms) -> list[list[Comparison]]:
    """The verdicts on groups of pairs, such as those of several slices, of which all together are one family."""
    groups = list(groups)
    flat = [pair for group in groups for pair in group]
    n_pairs = len(flat) if terms.family == "pairs" else 1
    ruled = iter([_ruled(pair, terms, n_pairs) for pair in flat])
    if n_pairs > 1:
        ruled = iter(_adjusted(list(ruled)))
    return [list(islice(ruled, len(group))) for group in groups]


def confirmed(entries: Sequence[Comparison], normalized: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons of predictions as sent, without the verdicts that the same rows divided by their sums do not have.

    A prediction whose rows sum to more than 1 has smaller losses for no merit.
    """
    return [
        replace(entry, verdict="inconclusive", reason=not_confirmed(entry.verdict, other.verdict))
        if entry.verdict != other.verdict
        else entry
        for entry, other in zip(entries, normalized, strict=True)
    ]


def _adjusted(entries: Sequence[Comparison]) -> list[Comparison]:
    tested = {place: entry.p_value for place, entry in enumerate(entries) if entry.p_value is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(entry, p_value_adjusted=adjusted.get(place)) for place, entry in enumerate(entries)]


def _ruled(pair: Pair, terms: Terms, n_pairs: int) -> Comparison:
    difference = pair.comparison.difference
    widened = None
    if n_pairs > 1:
        widened = simultaneous_interval(difference, pair.n, terms.confidence_level, n_pairs)
    interval = difference.confidence_interval if n_pairs == 1 else widened
    found, reason = _ruling(pair, interval, terms.margin)
    return replace(pair.comparison, verdict=found, reason=reason, simultaneous_interval=widened)


def _ruling(pair: Pair, interval: Interval | None, margin: float) -> Ruling:
    """The verdict of the first rule that applies: too few observations, infinite losses, no spread, the interval."""
    if pair.shortage is not None:
        return "inconclusive", pair.shortage
    if any(pair.n_infinite):
        return infinite_ruling(*pair.n_infinite)
    if interval is None:
        return "inconclusive", pair.comparison.difference.reason or "no interval: beyond the range of doubles"
    found = verdict(interval, margin)
    return (found, None) if pair.varies else equal_ruling(found, pair.comparison.difference.value)


def _pair(sample: Sample, candidate: str, terms: Terms, residuals: Callable[[str], FloatArray | None]) -> Pair:
    n_infinite, difference, varies = _difference(sample, candidate, terms)
    difference = difference.scaled(terms.nats_per_unit).finite()
    t_statistic, p_value = t_test(difference, sample.n) if varies or not difference.value else (None, None)
    wins, losses, ties = _outcomes(sample, candidate, terms.baseline)
    entry = Comparison(
        candidate=candidate,
        baseline=terms.baseline,
        verdict="inconclusive",
        difference=difference,
        t_statistic=t_statistic,
        p_value=p_value,
        correlation=None if p_value is None else _correlation(residuals(candidate), residuals(terms.baseline)),
        wins=wins,
        losses=losses,
        ties=ties,
    )
    return Pair(entry, sample.n, sample.shortage(terms.min_samples), n_infinite, varies)


def _difference(sample: Sample, candidate: str, terms: Terms) -> tuple[tuple[int, int], Value, bool]:
    """Rows of infinite loss of both, the mean difference, and whether the difference of observations varies."""
    ours, theirs = sample.infinite(candidate), sample.infinite(terms.baseline)
    counts = int(np.count_nonzero(ours)), int(np.count_nonzero(theirs))
    if any(counts):
        return counts, _without_number(candidate, terms.baseline, counts), True
    if not sample.n:
        return counts, undefined("no scored row has positive weight"), True
    losses = sample.losses[candidate], sample.losses[terms.baseline]
    differences = _differences(*losses)
    value = sample.mean(differences, terms.confidence_level)
    if sample.n == 1:
        unit = "row" if sample.clusters is None else "cluster"
        value = value._replace(reason=f"no standard error: only one {unit} of positive weight")
    if value.value is None or value.standard_error is None:
        return counts, value, True
    return counts, value, sample.varies(differences, value.value, 2.0 * _rounding(*losses))


def _without_number(candidate: str, baseline: str, n_infinite: tuple[int, int]) -> Value:
    """Why the difference is no number."""
    ours, theirs = n_infinite
    if ours and theirs:
        return undefined(f"rows of infinite loss: {ours} of {candidate}, {theirs} of {baseline}")
    name, sign = (candidate, "plus") if ours else (baseline, "minus")
    reason = f"rows in which only the loss of {name} is infinite: {ours + theirs}; the difference is {sign} infinity"
    return Value(status="infinite", reason=reason)


def _differences(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """(n,) by how much our loss is above theirs; 0 where only last bits differ, as of one model in two forms."""
    differences = ours - theirs
    return np.where((np.abs(differences) <= _rounding(ours, theirs)) & np.isfinite(differences), 0.0, differences)


def _rounding(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """(n,) differences that rounding alone can make."""
    return _ULPS * np.maximum(1.0, np.maximum(ours, theirs))  # a probability near 1 is known to 1e-16, not better


def _outcomes(sample: Sample, candidate: str, baseline: str) -> tuple[int, int, int]:
    differences = _differences(*(sample.losses[name][sample.counted] for name in (candidate, baseline)))
    wins, losses = int(np.count_nonzero(differences < 0.0)), int(np.count_nonzero(differences > 0.0))
    return wins, losses, len(differences) - wins - losses


def _correlation(x: FloatArray | None, y: FloatArray | None) -> float | None:
    """Of the residuals of both; None where one has no spread, or one beyond the range of doubles."""
    if x is None or y is None:
        return None
    sums = column_moments(x, y)
    if not sums.zz or not sums.vv:
        return None
    size = min(1.0, math.sqrt(sums.zv * sums.zv / (sums.zz * sums.vv)))
    return size if sums.zv > 0 else -size
