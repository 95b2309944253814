"""Paired comparison: the differences between mean losses of candidates on the same rows, with their uncertainty."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from app.core.columns import FloatArray
from app.core.compare.pairing import PairedLosses
from app.core.compare.significance import Interval, holm, simultaneous_interval, t_test
from app.core.compare.verdicts import Family, Ruling, Verdict, equal_ruling, infinite_ruling, not_confirmed, verdict
from app.core.kernels import paired_residuals, paired_rows
from app.core.kernels.entries import entry as shown
from app.core.sums.moments import moments_of_rows
from app.core.sums.observations import Observations
from app.core.values import Value, undefined

MIN_SAMPLES = 20
"""The default of `min_samples`: with fewer observations a t interval of skewed losses covers too rarely."""


class Terms(NamedTuple):
    """The rules by which candidates are compared.

    Attributes:
        baseline: The candidate that every other one is compared with.
        margin: The largest difference that does not matter, in the unit of the answer.
        min_samples: The number of rows, or clusters, of positive weight below which every verdict is inconclusive.
        family: The comparisons whose intervals hold together: all pairs, or each pair by itself.
        nats_per_unit: The size of the unit of the answer, in nats.
        higher_is_better: Whether the larger of two values is the better one.
    """

    baseline: str
    margin: float = 0.0
    min_samples: int = MIN_SAMPLES
    family: Family = "pairs"
    confidence_level: float = 0.95
    nats_per_unit: float = 1.0
    higher_is_better: bool = False


class Comparison(NamedTuple):
    """A comparison of one candidate with the baseline.

    Attributes:
        verdict: The decision, for gates to read.
        reason: The reason for a verdict that no interval decided; None where one did.
        difference: The candidate's mean loss minus the baseline's, paired by row; its interval is not adjusted for
            the number of comparisons.
        simultaneous_interval: The interval behind the verdict where there are several comparisons in a family.
        t_statistic: The difference, in standard errors.
        p_value: The two-sided p-value of no difference.
        p_value_adjusted: The p-value adjusted by Holm's method; None if there is one comparison only.
        correlation: The number c in SE**2 = SE_1**2 + SE_2**2 - 2 c SE_1 SE_2, where SE is the standard error of the
            difference, and SE_1 and SE_2 are those of the means. It shows what pairing gains. Without weights and
            clusters it is Pearson's correlation of the losses of rows.
        wins, losses, ties: Counts of rows in which the candidate's loss is smaller, larger, or equal but for last bits.
    """

    candidate: str
    baseline: str
    verdict: Verdict
    reason: str | None
    difference: Value
    simultaneous_interval: Interval | None
    t_statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None
    correlation: float | None
    wins: int
    losses: int
    ties: int

    def to_json(self) -> dict[str, Any]:
        """The entry of `comparisons` in an answer; unknown parts are left out."""
        told = zip(self._fields, self, strict=True)
        entry: dict[str, Any] = {name: value for name, value in told if value is not None}
        entry["difference"] = shown(self.difference)
        return entry


class Pair(NamedTuple):
    """The evidence of one comparison, before a verdict is passed on it.

    Attributes:
        comparison: The entry without the parts that depend on other pairs; its verdict is open.
        n: The number of independent observations.
        shortage: The reason why they are too few for any verdict; None where they are enough.
        n_infinite: The numbers of rows of positive weight with infinite loss, of the candidate and of the baseline.
        varies: False where the difference is the same in all observations, but for rounding.
    """

    comparison: Comparison
    n: int
    shortage: str | None
    n_infinite: tuple[int, int]
    varies: bool


def comparisons(paired: PairedLosses, terms: Terms) -> list[Comparison]:
    """Compare every other candidate with the baseline, in the order of the losses, as one family."""
    return judged([pairs(paired, terms)], terms)[0]


def pairs(paired: PairedLosses, terms: Terms) -> list[Pair]:
    """The evidence on every other candidate against the baseline, in the order of the losses."""
    return [_pair(paired, name, terms) for name in paired.losses if name != terms.baseline]


def judged(groups: Iterable[list[Pair]], terms: Terms) -> list[list[Comparison]]:
    """The verdicts on groups of pairs, such as one group a slice; all groups together are one family."""
    groups = list(groups)
    flat = [pair for group in groups for pair in group]
    n_pairs = len(flat) if terms.family == "pairs" else 1
    ruled = iter([_ruled(pair, terms, n_pairs) for pair in flat])
    if n_pairs > 1:
        ruled = iter(_adjusted(list(ruled)))
    return [list(islice(ruled, len(group))) for group in groups]


def confirmed(entries: Sequence[Comparison], normalized: Sequence[Comparison]) -> list[Comparison]:
    """Withdraw the verdicts on predictions as sent that fall once rows are divided by their sums.

    A prediction whose rows sum to more than 1 has smaller losses without being better.
    """
    return [
        entry._replace(verdict="inconclusive", reason=not_confirmed(entry.verdict, other.verdict))
        if entry.verdict != other.verdict
        else entry
        for entry, other in zip(entries, normalized, strict=True)
    ]


def _adjusted(entries: Sequence[Comparison]) -> list[Comparison]:
    tested = {place: entry.p_value for place, entry in enumerate(entries) if entry.p_value is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [entry._replace(p_value_adjusted=adjusted.get(place)) for place, entry in enumerate(entries)]


def _ruled(pair: Pair, terms: Terms, n_pairs: int) -> Comparison:
    difference = pair.comparison.difference
    widened = None
    if n_pairs > 1:
        widened = simultaneous_interval(difference, pair.n, terms.confidence_level, n_pairs)
    interval = difference.confidence_interval if n_pairs == 1 else widened
    if interval is not None and terms.higher_is_better:  # the verdict is on what is lost
        interval = -interval[1], -interval[0]
    found, reason = _ruling(pair, interval, terms.margin)
    return pair.comparison._replace(verdict=found, reason=reason, simultaneous_interval=widened)


def _ruling(pair: Pair, interval: Interval | None, margin: float) -> Ruling:
    """The verdict by the first rule that applies: too few observations, infinite losses, no spread, the interval."""
    if pair.shortage is not None:
        return "inconclusive", pair.shortage
    if any(pair.n_infinite):
        return infinite_ruling(*pair.n_infinite)
    if interval is None:
        return "inconclusive", pair.comparison.difference.reason or "no interval: beyond the range of doubles"
    found = verdict(interval, margin)
    return (found, None) if pair.varies else equal_ruling(found, pair.comparison.difference.value)


def _pair(paired: PairedLosses, candidate: str, terms: Terms) -> Pair:
    rows, both = paired.rows, (candidate, terms.baseline)
    ours, theirs = map(paired.losses.__getitem__, both)
    columns, *counts = paired_rows(ours, theirs, rows.weight, rows.counts)
    wins, losses = reversed(counts) if terms.higher_is_better else counts
    mean, n_infinite, varies, residuals = _difference(rows, columns, both, terms.confidence_level)
    difference = mean.scaled(terms.nats_per_unit)
    t_statistic, p_value = t_test(difference, rows.n) if varies or not difference.value else (None, None)
    entry = Comparison(
        candidate=candidate,
        baseline=terms.baseline,
        verdict="inconclusive",
        reason=None,
        difference=difference,
        simultaneous_interval=None,
        t_statistic=t_statistic,
        p_value=p_value,
        p_value_adjusted=None,
        correlation=None if p_value is None or residuals is None else _correlation(residuals),
        wins=wins,
        losses=losses,
        ties=rows.n_counted - wins - losses,
    )
    return Pair(entry, rows.n, paired.shortage(terms.min_samples), n_infinite, varies)


class _Difference(NamedTuple):
    """A mean difference in nats, with what tells how sure it is; the rest as in `Pair`.

    Attributes:
        residuals: (2, n) what each row, or cluster, adds to the errors of both mean losses; None where that is unknown.
    """

    mean: Value
    n_infinite: tuple[int, int]
    varies: bool = True
    residuals: FloatArray | None = None


def _difference(
    rows: Observations, columns: FloatArray, names: tuple[str, str], confidence_level: float
) -> _Difference:
    """The mean difference of rows; the columns are those of `paired_rows`."""
    counts = -1 if rows.counts is None else len(columns) - 1
    differing, ours, theirs = moments_of_rows(columns, ((0, counts), (1, counts), (2, counts)))
    n_infinite = ours.n_infinite, theirs.n_infinite
    if any(n_infinite):
        return _Difference(_without_number(*names, n_infinite), n_infinite)
    if not rows.n:
        return _Difference(undefined("no scored row has positive weight"), n_infinite)
    within = rows.within_clusters(columns)
    mean = rows.mean(rows.sums(differing, within[0]), confidence_level)
    if rows.n == 1:
        unit = "row" if rows.clusters is None else "cluster"
        mean = mean._replace(reason=f"no standard error: only one {unit} of positive weight")
    if mean.value is None or mean.standard_error is None:
        return _Difference(mean, n_infinite)
    means = mean.value, ours.z / ours.v, theirs.z / theirs.v
    residuals, varies = paired_residuals(within, rows.cluster_counts, means)
    return _Difference(mean, n_infinite, varies, residuals)


def _without_number(candidate: str, baseline: str, n_infinite: tuple[int, int]) -> Value:
    """The difference without a number, with the reason."""
    ours, theirs = n_infinite
    if ours and theirs:
        return undefined(f"rows of infinite loss: {ours} of {candidate}, {theirs} of {baseline}")
    name, sign = (candidate, "plus") if ours else (baseline, "minus")
    reason = f"rows in which only the loss of {name} is infinite: {ours + theirs}; the difference is {sign} infinity"
    return Value(status="infinite", reason=reason)


def _correlation(residuals: FloatArray) -> float | None:
    """The correlation of two vectors of residuals; None where one has no spread."""
    (sums,) = moments_of_rows(residuals, ((0, 1),))
    if not sums.zz or not sums.vv:
        return None
    size = min(1.0, math.sqrt(sums.zv * sums.zv / (sums.zz * sums.vv)))
    return size if sums.zv > 0 else -size
