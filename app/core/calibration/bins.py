"""Calibration in bins of equal width: their gaps between confidence and frequency, and reliability diagrams."""

import math
from typing import Any, NamedTuple

from scipy.special import ndtri

from app.core.formulas.bins import bin_edges
from app.core.kernels import compiled
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums


class Gaps(NamedTuple):
    """The gaps of bins of positive weight between mean confidence and frequency.

    Attributes:
        expected: The mean gap, weighted by the shares of the bins.
        largest: The largest gap.
    """

    expected: float
    largest: float


def gaps(bins: GroupSums) -> Gaps:
    """The gaps of bins, from which the expected and the maximum calibration error follow."""
    columns = bins.columns
    return Gaps(*compiled.gaps(columns["weight"], columns["confidence"], columns["frequency"], math.fsum))


def reliability(bins: GroupSums, confidence_level: float) -> list[dict[str, Any]]:
    """The bins as a reliability diagram shows them; an empty bin has neither confidence nor accuracy."""
    edges = bin_edges(len(bins["n"])).tolist()
    return [
        {"lower": lower, "upper": upper, **_bin(n, weight, confidence, frequency, confidence_level)}
        for lower, upper, n, weight, confidence, frequency in zip(
            edges[:-1], edges[1:], bins["n"], *map(bins.exact, ("weight", "confidence", "frequency")), strict=True
        )
    ]


def _bin(n: int, weight: Exact, confidence: Exact, frequency: Exact, confidence_level: float) -> dict[str, Any]:
    if not weight:
        return {"n": n, "weight": 0.0}
    accuracy = frequency / weight
    return {
        "n": n,
        "weight": float(weight),
        "confidence": confidence / weight,
        "accuracy": accuracy,
        "confidence_interval": wilson_interval(accuracy, n, confidence_level),
    }


def wilson_interval(share: float, n: int, confidence_level: float) -> list[float]:
    """The score interval of a share observed over n rows (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    z = float(ndtri(0.5 + confidence_level / 2))
    center = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return [max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)]
