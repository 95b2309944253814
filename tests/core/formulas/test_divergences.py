"""Divergences against decimals of 60 digits, from all but equal distributions to disjoint ones."""

from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
import pytest

from app.core import kernels
from app.core.columns import FloatArray
from app.core.formulas.divergences import binary_relative_entropy, js_divergence, relative_entropy

DELTAS = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 0.03, 0.06, 0.0625, 0.07, 0.2, 1.0)


def shares(values: Sequence[float]) -> list[Decimal]:
    """The values over their exact sum, which in doubles is only nearly 1."""
    exact = list(map(Decimal, values))
    return [value / sum(exact) for value in exact]


def exact_kl(p: Sequence[Decimal], q: Sequence[Decimal]) -> Decimal:
    return sum((a * (a / b).ln() for a, b in zip(p, q, strict=True) if a), Decimal(0))


def pair(rng: np.random.Generator, k: int, delta: float) -> tuple[FloatArray, FloatArray]:
    p = rng.dirichlet(np.ones(k))
    q = p * (1.0 + delta * rng.uniform(-1.0, 1.0, k))
    if rng.random() < 0.3:
        p[0] = q[0] = 0.0
    return p / p.sum(), q / q.sum()


def divergence(p: FloatArray, q: FloatArray) -> float:
    return float(relative_entropy(p[:, None], kernels.log(p)[:, None], q[:, None], kernels.log(q)[:, None])[0])


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("k", [2, 3, 10, 200])
def test_divergences_keep_their_digits(k: int, delta: float) -> None:
    rng = np.random.default_rng(k)
    for _ in range(10):
        p, q = pair(rng, k, delta)
        with localcontext(prec=60):
            exact = [list(map(Decimal, side.tolist())) for side in (p, q)]
            middle = [(a + b) / 2 for a, b in zip(*exact, strict=True)]
            js = float(sum(exact_kl(side, middle) for side in exact) / 2)
            kl = float(exact_kl(shares(p.tolist()), shares(q.tolist())))
        assert js_divergence(p[:, None], q[:, None])[0] == pytest.approx(js, rel=1e-12, abs=0.0)
        # the inputs themselves are rounded: what that does to the sums, and so to this number, is of their size
        assert divergence(p, q) == pytest.approx(kl, rel=1e-9 + 1e-15 / delta, abs=1e-30)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_equal_distributions_have_none_and_nearly_equal_ones_no_negative() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 5, 50):
        for delta in (0.0, 1e-16, 1e-15, 1e-13, 1e-9):
            p, q = pair(rng, k, delta)
            assert divergence(p, p) == js_divergence(p[:, None], p[:, None])[0] == 0.0
            assert divergence(p, q) >= 0.0
            assert divergence(q, p) >= 0.0


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_rows_that_do_not_sum_to_one_are_taken_as_sent() -> None:
    p, q = np.array([0.5, 0.5]), np.array([0.4999, 0.4999])
    assert divergence(p, q) == pytest.approx(float(np.log(0.5 / 0.4999)), rel=1e-12)
    assert divergence(q, p) == pytest.approx(-0.9998 * float(np.log(0.5 / 0.4999)), rel=1e-12)
    assert divergence(np.array([1.0, 0.0]), np.array([0.9, 0.1])) == -float(kernels.log(0.9))
    assert divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([0.0, 1.0], [1e-320, 1.0], 1e-320 * np.log(2) / 2),
        ([5e-324, 1.0], [0.0, 1.0], 0.0),
        ([1.0, 0.0], [0.0, 1.0], np.log(2)),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
    ],
)
def test_jensen_shannon_at_the_ends(p: list[float], q: list[float], expected: float) -> None:
    found = js_divergence(np.array(p)[:, None], np.array(q)[:, None])[0]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-323)


@pytest.mark.parametrize("delta", DELTAS[:-1])
def test_a_binary_divergence_keeps_its_digits(delta: float) -> None:
    for p in (1e-9, 0.1, 0.3, 0.5, 0.8):
        q = p * (1.0 + delta)
        t, both = np.array([p]), np.array([q])
        logs = kernels.log(t), kernels.log1p(-t)
        found = binary_relative_entropy(t, logs, (both, 1.0 - both), (kernels.log(both), kernels.log1p(-both)))[0]
        with localcontext(prec=60):
            exact = exact_kl([Decimal(p), 1 - Decimal(p)], [Decimal(q), 1 - Decimal(q)])
        assert found == pytest.approx(float(exact), rel=1e-9 + 4e-16 / delta, abs=1e-33)
