"""Verdicts on paired differences: by an interval, or by a rule that comes before it."""

from typing import Literal, TypeAlias

from app.core.compare.significance import Interval

Verdict: TypeAlias = Literal["better", "worse", "equivalent", "inconclusive"]
Family: TypeAlias = Literal["pairs", "none"]
Ruling: TypeAlias = tuple[Verdict, str | None]
"""A verdict, and its reason where no interval decided."""


def verdict(interval: Interval | None, margin: float) -> Verdict:
    """The verdict of an interval of the difference, where differences of at most `margin` do not matter.

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


def infinite_ruling(n_ours: int, n_theirs: int) -> Ruling:
    """The ruling where a candidate has infinite losses on `n_ours` rows and the baseline on `n_theirs`.

    >>> infinite_ruling(2, 0)
    ('worse', 'rows of infinite loss: 2 of the candidate, none of the baseline')
    """
    reason = f"rows of infinite loss: {n_ours or 'none'} of the candidate, {n_theirs or 'none'} of the baseline"
    if n_ours and n_theirs:
        return "inconclusive", reason
    return ("worse" if n_ours else "better"), reason


def equal_ruling(found: Verdict, difference: float | None) -> Ruling:
    """The ruling where all observations differ by one amount: no proof of a difference, since the spread is unknown.

    Candidates within the margin of each other on every row stay equivalent, so that a change of nothing passes.

    >>> equal_ruling("equivalent", 0.01)
    ('equivalent', None)
    """
    if found == "equivalent":
        return found, None
    if not difference:
        return "inconclusive", "the losses are equal everywhere: only a margin above 0 makes that equivalent"
    return "inconclusive", "the losses differ by the same amount everywhere: nothing is known of the spread"


def not_confirmed(as_sent: Verdict, normalized: Verdict) -> str:
    """The reason why a verdict falls that holds for predictions as sent, but not for rows divided by their sums.

    >>> not_confirmed("better", "worse")
    'rows do not sum to 1: better as sent, worse when they are divided by their sums'
    """
    return f"rows do not sum to 1: {as_sent} as sent, {normalized} when they are divided by their sums"
