"""Rows of the compiled core: their sums against the same order in plain Python."""

import math

import numpy as np
import pytest

from app.core import kernels
from app.core.columns import FloatArray
from tests.core.rows_of_bits import WIDTHS, bits, labels, rows


def in_lanes(terms: list[float]) -> float:
    """The sum of class c in lane c mod 4, and of the lanes by pairs."""
    lanes = [0.0] * 4
    for place, term in enumerate(terms):
        lanes[place % 4] += term
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])


def sums(x: FloatArray) -> list[float]:
    return [in_lanes(row) for row in x.tolist()]


@pytest.mark.parametrize("k", WIDTHS)
def test_sums_over_a_row_are_made_in_the_order_that_is_written_down(k: int) -> None:
    x, weights, own = rows(7, k, "usual"), np.maximum(rows(8, k, "usual")[1:], 0.0), labels(7, k)
    misses = x - np.eye(k)[own]
    scaled = np.exp(x - x.max(axis=1, keepdims=True))
    rest = np.where(scaled == 1.0, 0.0, scaled)
    assert kernels.row_sums(x).tolist() == sums(x)
    assert kernels.row_products(weights, x).tolist() == sums(weights * x)
    assert kernels.row_errors(x, own).tolist() == sums(misses * misses)
    assert kernels.row_others(scaled).tolist() == sums(rest)


@pytest.mark.parametrize("k", WIDTHS)
@pytest.mark.parametrize("kind", ["usual", "bits", "special"])
def test_a_row_has_the_same_bits_alone_and_among_others(k: int, kind: str) -> None:
    x = rows(50, k, kind)
    for function in (kernels.row_sums, kernels.row_others, kernels.row_negentropies):
        assert bits(function(x)) == bits(np.concatenate([function(row[None]) for row in x]))


def test_a_sum_of_a_row_takes_what_is_infinite_or_none() -> None:
    x = np.array([[1.0, math.inf, 2.0], [math.inf, 1.0, -math.inf], [1.0, 2.0, math.nan], [-0.0, -0.0, -0.0]])
    assert list(map(repr, kernels.row_sums(x).tolist())) == ["inf", "nan", "nan", "0.0"]


def test_nothing_times_anything_is_nothing() -> None:
    weights = np.array([[0.0, -0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0, math.nan], [1.0, 0.0, 0.0, 0.0, 0.0]])
    x = np.array([[-math.inf, math.inf, math.nan, 2.0, -math.inf], [math.nan] * 5, [math.nan] * 5])
    assert list(map(repr, kernels.row_products(weights, x).tolist())) == ["1.0", "nan", "nan"]


@pytest.mark.parametrize("label", [-(2**63), -1, 4, 2**63 - 1])
def test_a_label_that_is_no_class_misses_nothing(label: int) -> None:
    x = np.array([[0.5, 0.25, 0.0, 0.25]] * 2)
    assert kernels.row_errors(x, np.array([label, 3])).tolist() == [0.375, 0.875]


@pytest.mark.parametrize("k", WIDTHS)
@pytest.mark.parametrize("n_values", [1, 2, 1000])
def test_of_equal_largest_numbers_the_first_counts(k: int, n_values: int) -> None:
    x = np.random.default_rng(k).choice([-math.inf, *range(n_values)], (200, k))
    best, place = kernels.row_maxima(x)
    assert best.tolist() == x.max(axis=1).tolist()
    assert place.tolist() == x.argmax(axis=1).tolist()


def test_the_largest_number_keeps_its_sign() -> None:
    best, place = kernels.row_maxima(np.array([[-0.0, 0.0, 0.0, 0.0, 0.0], [-1.0, -2.0, -3.0, 0.0, -0.0]]))
    assert list(map(repr, best.tolist())) == ["-0.0", "0.0"]
    assert place.tolist() == [0, 3]


@pytest.mark.parametrize("k", [1, 3, 4, 6, 1001])
def test_rows_are_changed_element_by_element(k: int) -> None:
    x, by, own = rows(30, k, "usual"), rows(30, 1, "usual")[:, 0], labels(30, k)
    assert kernels.row_quotients(x, by).tobytes() == (x / by[:, None]).tobytes()
    assert kernels.row_differences(x, by).tobytes() == (x - by[:, None]).tobytes()
    assert kernels.row_exponentials(x, by).tobytes() == kernels.exp(x - by[:, None]).tobytes()
    assert kernels.row_picks(x, own).tolist() == x[np.arange(30), own].tolist()


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 3), (1024, 1), (1025, 1), (400, 7), (9, 1024), (3, 1025), (3, 5000)])
def test_negentropies_are_products_with_logarithms_whatever_the_tile(n: int, k: int) -> None:
    x = np.maximum(rows(n, k, "usual"), 0.0)
    assert kernels.row_negentropies(x).tobytes() == kernels.row_products(x, kernels.log(x)).tobytes()
    assert np.allclose(
        kernels.row_negentropies(x), [math.fsum(p * math.log(p) for p in row if p) for row in x.tolist()]
    )


@pytest.mark.parametrize("label", [-(2**63), -1, 3, 2**63 - 1])
def test_only_a_class_can_be_picked(label: int) -> None:
    with pytest.raises(ValueError, match="labels must be numbers of classes"):
        kernels.row_picks(np.ones((3, 3)), np.array([0, 2, label]))


def test_there_may_be_no_rows_and_sums_of_no_classes() -> None:
    none = np.empty((0, 3))
    for function in (kernels.row_sums, kernels.row_others, kernels.row_negentropies):
        assert function(none).shape == (0,)
    assert kernels.row_maxima(none)[1].shape == (0,)
    assert kernels.row_picks(none, np.empty(0, np.int64)).shape == (0,)
    assert kernels.row_exponentials(none, np.empty(0)).shape == (0, 3)
    assert kernels.row_sums(np.empty((2, 0))).tolist() == [0.0, 0.0]
