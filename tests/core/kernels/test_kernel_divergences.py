"""Divergences of the compiled core against the same formulas, in the same order, in plain NumPy: bit for bit."""

import math
from typing import Any

import numpy as np
import pytest

from app.core import kernels
from app.core.columns import FloatArray
from app.core.kernels import compiled
from tests.core.rows_of_bits import bits

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

WIDTHS = [*range(1, 14), 40, 127, 1023, 1024, 1025, 2500]
NEARNESS = [0.0, 1e-16, 1e-14, 1e-8, 1e-3, 0.06, 0.0625, 0.07, 0.5, 1.0]
EDGES = [0.0, 1.0, 5e-324, 1e-310, 2.0**-1022, 1e-300, 0.5, 1.0 - 2.0**-53, 2.0**-53]


def horner(x: FloatArray, coefficients: list[float]) -> FloatArray:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def plain_relative_entropy(p: FloatArray, log_p: FloatArray, q: FloatArray, log_q: FloatArray) -> FloatArray:
    products, difference = np.where(p == 0.0, 0.0, p * (log_p - log_q)), p - q
    ratio = np.where(q > 0.0, difference / q, 0.0)
    series = q * ratio * ratio * horner(ratio, [(-1.0) ** n / (n * (n - 1)) for n in range(2, 16)])
    terms = np.where(np.abs(difference) < 2.0**-4 * q, series, products - difference)
    surplus = kernels.row_sums(difference)
    sums = kernels.row_sums(terms) + np.where(np.abs(surplus) <= 2.0**-51, 0.0, surplus)
    return np.where((p == 1.0).any(axis=1), kernels.row_sums(products), sums)


def plain_js(p: FloatArray, q: FloatArray) -> FloatArray:
    total = p + q
    lean = np.abs(np.where(total > 0.0, (p - q) / total, 0.0))
    rest, square = 1.0 - lean, lean * lean
    gap = (1.0 + lean) * kernels.log1p(lean) + np.where(rest > 0.0, rest * kernels.log(rest), 0.0)
    series = square * horner(square, [1.0 / (n * (2 * n - 1)) for n in range(1, 9)])
    return np.clip(0.25 * kernels.row_sums(total * np.where(lean < 2.0**-4, series, gap)), 0.0, math.log(2.0))


def with_edges(rng: np.random.Generator, x: FloatArray) -> FloatArray:
    return np.where(rng.random(x.shape) < 0.15, rng.choice(EDGES, x.shape), x)


def pairs(k: int) -> list[tuple[FloatArray, FloatArray]]:
    """Rows P and Q, (n, k): far and near, with edges, certain of a class, and equal."""
    rng = np.random.default_rng(k)
    n = max(2, 3000 // k)
    p, other, certain = rng.dirichlet(np.ones(k), n), rng.dirichlet(np.full(k, 0.2), n), np.eye(k)[np.arange(n) % k]
    near = [p * (1.0 + delta * rng.uniform(-1.0, 1.0, p.shape)) for delta in NEARNESS]
    near += [q / q.sum(axis=1, keepdims=True) for q in near]
    edged = with_edges(rng, p), with_edges(rng, other)
    return [*((p, q) for q in near), (p, other), edged, (certain, edged[1]), (certain, certain), (np.zeros((n, k)), p)]


@pytest.mark.parametrize("k", WIDTHS)
def test_divergences_are_those_of_plain_numpy_to_the_last_bit(k: int) -> None:
    for p, q in pairs(k):
        log_p, log_q = kernels.log(p), kernels.log(q)
        assert bits(kernels.row_js(p, q)) == bits(plain_js(p, q))
        for arguments in ((p, log_p, q, log_q), (q, log_q, p, log_p)):
            assert bits(kernels.row_relative_entropy(*arguments)) == bits(plain_relative_entropy(*arguments))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 1025])
def test_a_row_has_the_same_divergence_alone_and_among_others(k: int) -> None:
    for p, q in pairs(k)[::5]:
        arguments = p, kernels.log(p), q, kernels.log(q)
        alone = [[x[row : row + 1] for x in arguments] for row in range(len(p))]
        assert bits(kernels.row_js(p, q)) == bits(np.concatenate([kernels.row_js(x[0], x[2]) for x in alone]))
        assert bits(kernels.row_relative_entropy(*arguments)) == bits(
            np.concatenate([kernels.row_relative_entropy(*x) for x in alone])
        )


def relative_entropy(p: list[float], q: list[float]) -> float:
    rows = np.array([p]), np.array([q])
    return float(kernels.row_relative_entropy(rows[0], kernels.log(rows[0]), rows[1], kernels.log(rows[1]))[0])


@pytest.mark.parametrize(
    ("p", "q", "entropy", "js"),
    [
        ([1.0], [1.0], 0.0, 0.0),
        ([0.0], [0.0], 0.0, 0.0),
        ([0.3, 0.7], [0.3, 0.7], 0.0, 0.0),
        ([5e-324, 1.0], [5e-324, 1.0], 0.0, 0.0),
        ([1.0, 0.0], [0.0, 1.0], math.inf, math.log(2.0)),
        ([0.5, 0.5], [0.0, 1.0], math.inf, 0.75 * math.log(4.0 / 3.0)),
        ([0.0, 1.0], [0.5, 0.5], math.log(2.0), 0.75 * math.log(4.0 / 3.0)),
        ([0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], 0.0, 0.0),
        ([math.nan, 1.0], [0.5, 0.5], math.nan, math.nan),
    ],
)
def test_divergences_at_the_ends(p: list[float], q: list[float], entropy: float, js: float) -> None:
    assert relative_entropy(p, q) == pytest.approx(entropy, rel=1e-15, abs=0.0, nan_ok=True)
    assert kernels.row_js(np.array([p]), np.array([q]))[0] == pytest.approx(js, rel=2e-15, abs=0.0, nan_ok=True)


def test_a_divergence_of_no_rows_or_of_no_classes_is_there_too() -> None:
    none, empty = np.empty((0, 3)), np.empty((2, 0))
    assert kernels.row_js(none, none).shape == kernels.row_relative_entropy(none, none, none, none).shape == (0,)
    assert kernels.row_relative_entropy(empty, empty, empty, empty).tolist() == [0.0, 0.0]


def test_rows_that_come_in_another_order_of_memory_are_the_same_rows() -> None:
    p, q = pairs(5)[10]
    turned: list[Any] = [np.asfortranarray(x) for x in (p, kernels.log(p), q, kernels.log(q))]
    assert bits(kernels.row_js(turned[0], turned[2])) == bits(kernels.row_js(p, q))
    assert bits(kernels.row_relative_entropy(*turned)) == bits(
        kernels.row_relative_entropy(p, kernels.log(p), q, kernels.log(q))
    )


def test_room_for_a_tile_is_asked_for() -> None:
    p, out = np.full((2, 3), 1.0 / 3), np.empty(2)
    with pytest.raises(ValueError, match="arrays must fit each other"):
        compiled.row_js(p, p, out, np.empty(1023))
