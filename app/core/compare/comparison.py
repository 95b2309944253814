"""Paired comparison: the differences between mean losses of candidates on the same rows, with their uncertainty."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from app.core.checkpoints import at_checkpoints
from app.core.compare.pair_sums import PairSums, sums_of_pair
from app.core.compare.significance import Interval, holm, simultaneous_interval, t_test
from app.core.compare.verdicts import Family, Ruling, Verdict, equal_ruling, infinite_ruling, not_confirmed, verdict
from app.core.kernels.entries import entry as shown
from app.core.sums.moments import PackedMoments
from app.core.sums.paired import OUTCOMES, difference_name
from app.core.sums.state import State
from app.core.sums.uncertainty import means
from app.core.values import Value, undefined

MIN_SAMPLES = 20
"""The default of `min_samples`: with fewer observations a t interval of skewed losses covers too rarely."""


class Terms(NamedTuple):
    """The rules by which candidates are compared.

    Attributes:
        baseline: The candidate that every other one is compared with.
        others: The other candidates, in the order of their sums.
        margin: The largest difference that does not matter, in the unit of the answer.
        min_samples: The number of rows, or clusters, of positive weight below which every verdict is inconclusive.
        family: The comparisons whose intervals hold together: all pairs, or each pair by itself.
        nats_per_unit: The size of the unit of the answer, in nats.
        higher_is_better: Whether the larger of two values is the better one.
    """

    baseline: str
    others: tuple[str, ...]
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


def comparisons(state: State, terms: Terms) -> list[Comparison]:
    """Compare every other candidate with the baseline, in order, as one family; `state` is of paired rows."""
    return judged([pairs(state, terms)], terms)[0]


def pairs(state: State, terms: Terms) -> list[Pair]:
    """The evidence on every other candidate against the baseline, in order; `state` is of paired rows."""
    moments = PackedMoments.of(state.moments)
    sums = [sums_of_pair(moments, pair) for pair in range(len(terms.others))]
    lacking = _shortage(sums[0], terms.min_samples, clustered=state.clustered)
    return [
        Pair(_entry(state, moments, pair, own, terms), own.n, lacking, (own.n_ours, own.n_theirs), own.varies)
        for pair, own in enumerate(sums)
    ]


def judged(groups: Iterable[list[Pair]], terms: Terms) -> list[list[Comparison]]:
    """The verdicts on groups of pairs, such as one group a slice; all groups together are one family."""
    groups = list(groups)
    flat = [pair for group in groups for pair in group]
    n_pairs = len(flat) if terms.family == "pairs" else 1
    ruled = iter([_ruled(pair, terms, n_pairs) for pair in at_checkpoints(flat)])
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


def _entry(state: State, moments: PackedMoments, pair: int, sums: PairSums, terms: Terms) -> Comparison:
    """The entry of a pair by its number, whose verdict is open."""
    wins, losses, ties = (state.groups["outcomes"].columns[name][pair] for name in OUTCOMES)
    if terms.higher_is_better:
        wins, losses = losses, wins
    difference = _difference(moments, pair, sums, terms, clustered=state.clustered)
    is_tested = sums.varies or difference.standard_error is None or not difference.value
    t_statistic, p_value = t_test(difference, sums.n) if is_tested else (None, None)
    return Comparison(
        candidate=terms.others[pair],
        baseline=terms.baseline,
        verdict="inconclusive",
        reason=None,
        difference=difference,
        simultaneous_interval=None,
        t_statistic=t_statistic,
        p_value=p_value,
        p_value_adjusted=None,
        correlation=None if p_value is None else sums.correlation,
        wins=wins,
        losses=losses,
        ties=ties,
    )


def shortage(state: State, min_samples: int) -> str | None:
    """The reason why independent observations are too few for a verdict; None where they are enough."""
    return _shortage(sums_of_pair(PackedMoments.of(state.moments), 0), min_samples, clustered=state.clustered)


def _shortage(sums: PairSums, min_samples: int, *, clustered: bool) -> str | None:
    unit = "clusters" if clustered else "rows"
    if sums.n < min_samples:
        return f"fewer {unit} of positive weight than min_samples, {min_samples}: {sums.n}"
    if sums.n_effective < min_samples / 2:
        return (
            f"{sums.n} {unit} of so unequal weight or size say as much as {sums.n_effective:.3g} equal ones, "
            f"fewer than half of min_samples, {min_samples}"
        )
    return None


def _difference(moments: PackedMoments, pair: int, sums: PairSums, terms: Terms, *, clustered: bool) -> Value:
    """The mean difference of a pair by its number, in the unit of the answer."""
    name = difference_name(pair)
    if sums.n_ours or sums.n_theirs:
        return _without_number(terms.others[pair], terms.baseline, sums)
    found = means(moments, terms.confidence_level, (name,))[name]
    if sums.n == 1:
        unit = "cluster" if clustered else "row"
        found = found._replace(reason=f"no standard error: only one {unit} of positive weight")
    return found.scaled(terms.nats_per_unit)


def _without_number(candidate: str, baseline: str, sums: PairSums) -> Value:
    """The difference without a number, with the reason."""
    ours, theirs = sums.n_ours, sums.n_theirs
    if ours and theirs:
        return undefined(f"rows of infinite loss: {ours} of {candidate}, {theirs} of {baseline}")
    name, sign = (candidate, "plus") if ours else (baseline, "minus")
    reason = f"rows in which only the loss of {name} is infinite: {ours + theirs}; the difference is {sign} infinity"
    return Value(status="infinite", reason=reason)
