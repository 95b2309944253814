"""The frequency of wrong verdicts for models of equal mean loss, found through the code that answers requests."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from scipy.special import expit

from app.core.columns import FloatArray
from app.core.compare.comparison import Comparison
from tests.core.paired import comparisons_of
from tests.documents import Document

Losses: TypeAlias = tuple[FloatArray, ...]


def compared(losses: dict[str, Any], baseline: str) -> list[Comparison]:
    return comparisons_of(losses, baseline)


def estimates(rng: np.random.Generator, n: int) -> Losses:
    """Losses of two estimates of the true logits, with errors of one size."""
    truth = rng.normal(0.0, 1.5, n)
    sign = np.where(rng.random(n) < expit(truth), -1.0, 1.0)
    return tuple(np.logaddexp(0.0, sign * (truth + rng.normal(0.0, 0.5, n))) for _ in range(2))


def extremes(rng: np.random.Generator, n: int) -> Losses:
    """Losses of logits that are too large, and too small: both are 0.0330 nats above those of the truth."""
    truth = rng.normal(0.0, 1.5, n)
    sign = np.where(rng.random(n) < expit(truth), -1.0, 1.0)
    return tuple(np.logaddexp(0.0, sign * scale * truth) for scale in (1.6384332663945436, 0.5))


def disasters(rng: np.random.Generator, n: int) -> Losses:
    """Losses of which the first is smaller by 0.02, and larger by 0.98 on one row of 50."""
    b = 2.0 + rng.exponential(size=n)
    return b + np.where(rng.random(n) < 0.02, 0.98, -0.02) + rng.normal(0.0, 0.01, n), b


MODELS: dict[str, Callable[[np.random.Generator, int], Losses]] = {
    "two estimates of the same quality": estimates,
    "candidate too sure, baseline not sure enough": extremes,
    "candidate a little better, but far worse on one row of 50": disasters,
}
GUIDE = Document("docs/guides/gate.md").rows("Limits of the verdict")


def test_the_guide_shows_all_models() -> None:
    assert {row[0] for row in GUIDE} == MODELS.keys()


@pytest.mark.parametrize(("models", "rows", "better", "worse"), GUIDE)
def test_false_verdicts_are_as_frequent_as_the_guide_says(models: str, rows: str, better: str, worse: str) -> None:
    """The percentages of 1,000 data sets lie within 4 standard errors of those of the guide, from 4,000."""
    n = int(rows)
    rng = np.random.default_rng(n)
    found = Counter[str](
        compared({"a": a, "b": b}, "b")[0].verdict for a, b in (MODELS[models](rng, n) for _ in range(1000))
    )
    for verdict_, told in (("better", float(better)), ("worse", float(worse))):
        share = max(told, 0.1) / 100
        noise = 100 * math.sqrt(share * (1 - share) * (1 / 1000 + 1 / 4000))
        assert found[verdict_] / 10 == pytest.approx(told, abs=4 * noise)


def share_of_runs_with_a_verdict(n_runs: int, seed: int) -> float:
    """The share for 30 equal candidates on 300 rows, with skewed losses and a common part, as of models on the same
    rows."""
    rng = np.random.default_rng(seed)
    n_false = 0
    for _ in range(n_runs):
        losses = rng.exponential(size=300) * rng.lognormal(0.0, 0.5, (30, 300))
        found = compared({f"{i}": row for i, row in enumerate(losses)}, "0")
        n_false += any(entry.verdict not in ("inconclusive", "equivalent") for entry in found)
    return n_false / n_runs


def test_equal_candidates_seldom_get_a_verdict() -> None:
    """A short run of the next test: 200 runs at 5 % leave at most 9.5 % in 99.8 of 100 times."""
    assert share_of_runs_with_a_verdict(200, seed=1) <= 0.095


@pytest.mark.slow
def test_equal_candidates_get_a_verdict_in_one_of_twenty_runs_at_most() -> None:
    assert share_of_runs_with_a_verdict(2000, seed=2026) <= 0.05
