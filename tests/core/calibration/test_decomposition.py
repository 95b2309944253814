import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from app import service
from app.core.calibration.decomposition import (
    Decomposition,
    brier_decomposition,
    log_loss_decomposition,
    recalibration_starts,
)
from app.core.calibration.levels import levels_of
from app.core.columns import FloatArray
from app.core.metrics.all_rows import AllRows
from app.core.metrics.registry import on_request
from app.core.values import Value
from tests.calls import n_calls
from tests.core.parts import batch
from tests.requests import asking, request_of

both = pytest.mark.parametrize("decomposition", [brier_decomposition, log_loss_decomposition])
Decompose = Callable[..., Decomposition]


def number(value: Value) -> float:
    assert value.value is not None
    return value.value


def terms(parts: Decomposition) -> tuple[float, float, float, float]:
    return number(parts.miscalibration), number(parts.discrimination), number(parts.uncertainty), number(parts.score)


def squares(n: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Labels that occur as often as the square of their forecast."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(n).round(2) * 0.98 + 0.01
    return confidence, (rng.random(n) < confidence**2).astype(float), rng.exponential(size=n)


# model-diagnostics 1.5.0: decompose(labels, confidence, weights=..., scoring_function=SquaredError() or LogLoss())
@pytest.mark.parametrize(
    ("decomposition", "n", "seed", "weighted", "theirs"),
    [
        (brier_decomposition, 20, 0, False, (0.081377094, 0.1675, 0.2275, 0.141377094)),
        (
            brier_decomposition,
            20,
            0,
            True,
            (0.08409063182131829, 0.17895467255926817, 0.24929403855939528, 0.1544299978214454),
        ),
        (
            log_loss_decomposition,
            20,
            0,
            False,
            (0.2571989975780505, 0.4791937222823183, 0.6474466390346324, 0.42545191433036456),
        ),
        (
            log_loss_decomposition,
            20,
            0,
            True,
            (0.26229277624633773, 0.49539212783130415, 0.6917345924182695, 0.4586352408333031),
        ),
        (brier_decomposition, 500, 1, False, (0.045315899148228464, 0.09206709050822841, 0.2139, 0.16714880864)),
        (
            brier_decomposition,
            500,
            1,
            True,
            (0.04676657505748308, 0.10046932638829209, 0.21632019387209142, 0.1626174425412824),
        ),
        (
            log_loss_decomposition,
            500,
            1,
            False,
            (0.12248505978049845, 0.2366021360975607, 0.619100664425587, 0.5049835881085247),
        ),
        (
            log_loss_decomposition,
            500,
            1,
            True,
            (0.12954040737369216, 0.25878166802730107, 0.6241872019743487, 0.4949459413207398),
        ),
    ],
)
def test_numbers_of_model_diagnostics(
    decomposition: Decompose, n: int, seed: int, weighted: bool, theirs: tuple[float, ...]
) -> None:
    confidence, labels, weight = squares(n, seed)
    parts = decomposition(levels_of(confidence, labels, weight if weighted else None))
    assert terms(parts) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_scores_of_the_recalibrated_forecast_of_scikit_learn(n: int) -> None:
    confidence, labels, weight = squares(n, 3)
    labels[0], labels[-1] = 0.0, 1.0
    isotonic = IsotonicRegression().fit(confidence, labels, sample_weight=weight).predict(confidence)
    levels = levels_of(confidence, labels, weight)
    for parts, score in (
        (brier_decomposition(levels), brier_score_loss(labels, isotonic, sample_weight=weight)),
        (log_loss_decomposition(levels), log_loss(labels, isotonic.clip(0, 1), sample_weight=weight)),
    ):
        misses, gains, uncertainty, whole = terms(parts)
        assert whole - misses == pytest.approx(score, rel=1e-12, abs=1e-14)
        assert uncertainty - gains == pytest.approx(score, rel=1e-12, abs=1e-14)


def test_blocks_rise() -> None:
    confidence, labels, weight = squares(300, 4)
    levels = levels_of(confidence, labels, weight)
    starts = recalibration_starts(levels)
    frequency = np.add.reduceat(levels.hits, starts) / np.add.reduceat(levels.weight, starts)
    assert starts[0] == 0
    assert (np.diff(frequency) > 0).all()


shares = st.sampled_from([0.0, 1e-300, 0.1, 0.25, 0.5, 1 - 1e-16, 1.0]) | st.floats(0, 1)
samples = st.lists(st.tuples(shares, shares, st.floats(1e-3, 1e3)), min_size=1, max_size=30)


@both
@given(rows=samples)
def test_terms_add_up_to_the_score_and_are_not_negative(
    decomposition: Decompose, rows: list[tuple[float, float, float]]
) -> None:
    parts = decomposition(levels_of(*np.array(rows).T))
    assert number(parts.uncertainty) >= number(parts.discrimination) >= 0.0
    if parts.score.status == "infinite":
        assert parts.miscalibration.status == "infinite"
        return
    misses, gains, uncertainty, score = terms(parts)
    assert misses >= 0.0
    # each term is rounded once, from fractions that add up exactly
    assert misses - gains + uncertainty == pytest.approx(
        score, rel=0, abs=3e-16 * max(misses, gains, uncertainty, score)
    )


@both
def test_a_forecast_recalibrated_has_no_miscalibration(decomposition: Decompose) -> None:
    confidence, labels = np.array([0.0, 0.0, 1 / 3, 1 / 3, 1 / 3, 1.0]), np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    parts = decomposition(levels_of(confidence, labels))
    assert number(parts.miscalibration) <= 1e-16


@both
def test_a_constant_forecast_discriminates_nothing(decomposition: Decompose) -> None:
    misses, gains, uncertainty, score = terms(decomposition(levels_of(np.full(4, 0.5), np.array([1.0, 0, 0, 0]))))
    assert gains == 0.0
    assert misses == pytest.approx(score - uncertainty, rel=1e-14)


@both
@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_leaves_nothing_to_be_uncertain_of(decomposition: Decompose, outcome: float) -> None:
    misses, gains, uncertainty, score = terms(decomposition(levels_of(np.array([0.2, 0.7]), np.full(2, outcome))))
    assert (gains, uncertainty) == (0.0, 0.0)
    assert misses == score > 0.0


@both
def test_one_row(decomposition: Decompose) -> None:
    misses, gains, uncertainty, score = terms(decomposition(levels_of(np.array([0.5]), np.array([1.0]))))
    assert (misses, gains, uncertainty) == (score, 0.0, 0.0)


def test_an_infinite_loss_is_infinite_miscalibration_and_nothing_else() -> None:
    parts = log_loss_decomposition(levels_of(np.array([0.0, 0.3, 1.0]), np.array([1.0, 0.0, 1.0])))
    assert (parts.score.status, parts.miscalibration.status) == ("infinite", "infinite")
    assert number(parts.discrimination) == pytest.approx(math.log(3) - 2 / 3 * math.log(2) - 2 / 3 * math.log(2))
    assert number(parts.uncertainty) == pytest.approx(math.log(3) - 2 / 3 * math.log(2))


def test_a_certain_miss_of_little_weight_is_not_lost() -> None:
    levels = levels_of(np.array([1.0, 1.0]), np.array([1.0, 0.0]), np.array([1e20, 1e-5]))
    assert log_loss_decomposition(levels).score.status == "infinite"


def test_the_brier_score_of_soft_targets_is_that_of_the_service() -> None:
    """(p - y)**2, so that what the targets leave open is no part of the uncertainty."""
    confidence, targets = np.array([0.2, 0.4, 0.9]), np.array([0.3, 0.5, 0.7])
    parts = brier_decomposition(levels_of(confidence, targets))
    assert number(parts.score) == pytest.approx(np.mean((confidence - targets) ** 2))
    assert number(parts.uncertainty) == pytest.approx(np.var(targets))
    assert number(parts.miscalibration) == pytest.approx(number(parts.score))


def test_a_score_that_confidence_cannot_tell_may_be_given() -> None:
    levels = levels_of(np.array([1.0, 0.5]), np.array([0.0, 1.0]))
    parts = log_loss_decomposition(levels, (40.0 + math.log(2)) / 2)
    assert number(parts.score) == pytest.approx((40.0 + math.log(2)) / 2, rel=1e-15)
    assert number(parts.miscalibration) == pytest.approx((40.0 + math.log(2)) / 2 - math.log(2), rel=1e-15)
    assert log_loss_decomposition(levels, math.inf) == log_loss_decomposition(levels)


def test_all_parts_of_an_answer_come_from_one_fit() -> None:
    body = {"labels": [0, 1, 1, 0], "probabilities": [0.2, 0.3, 0.3, 0.9]}
    request = asking(request_of("binary", body), metrics=on_request("binary"))
    assert n_calls("recalibration_starts", lambda: service.score(request)) == 1


def test_rows_of_a_batch_are_decomposed_as_their_levels() -> None:
    seen = AllRows(batch("binary", {"labels": [0, 1, 1, 0], "probabilities": [0.2, 0.3, 0.3, 0.9]}))
    assert seen.brier_decomposition == brier_decomposition(seen.levels)
    assert seen.log_loss_decomposition == log_loss_decomposition(seen.levels, seen.log_loss)
