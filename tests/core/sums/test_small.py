from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from app.core.columns import FloatArray
from app.core.options import Options
from app.core.sums.groups import GroupSums, group_sums
from app.core.sums.moments import Moments, column_moments
from app.core.sums.small import moments_of_small, multiplied
from app.core.sums.tables import calibration, with_small_products
from app.core.tasks import TaskName
from tests.bodies import random_body
from tests.core.doubles import fractions
from tests.core.parts import numbers, rows

LEAST = 5e-324


def rounded(number: Fraction) -> Fraction:
    """The nearest number of 53 bits, as a double would be without a least exponent."""
    return Fraction(float(number * Fraction(2) ** 400)) / Fraction(2) ** 400


def sums_of(weight: FloatArray, values: FloatArray, v: FloatArray) -> Moments:
    out = np.empty(len(values))
    small = multiplied(weight, values, out)
    sums = column_moments(out, v)
    return sums if small is None else sums + moments_of_small(small, v)


@pytest.mark.parametrize("seed", range(100))
def test_products_below_all_doubles_keep_their_digits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.ldexp(rng.random(9), rng.integers(-1074, [-1000, 3][seed % 2], 9)) * rng.choice([1.0, 0.0, -1.0], 9)
    weight, v = np.ldexp(rng.random(9), rng.integers(-60, 60, 9)) * (rng.random(9) < 0.8), rng.random(9)
    products = [rounded(w * x) for w, x in zip(fractions(weight), fractions(values), strict=True)]
    found, unit = sums_of(weight, values, v), Fraction(2)
    assert found.z * unit**found.place == sum(products)
    assert found.zz * unit ** (2 * found.place) == sum(z * z for z in products)
    assert found.zv * unit ** (2 * found.place) == sum(z * y for z, y in zip(products, fractions(v), strict=True))
    assert found._replace(z=0, zz=0, zv=0) == column_moments(np.zeros(9), v)


def test_usual_products_are_written_and_nothing_is_left() -> None:
    out = np.empty(4)
    assert multiplied(np.array([0.0, 2.0, 0.5, 1.0]), np.array([np.inf, 3.0, 0.0, np.inf]), out) is None
    assert out.tolist() == [0.0, 6.0, 0.0, np.inf]


def test_a_cluster_goes_with_its_small_products() -> None:
    weight, codes = np.full(6, 0.3), np.array([4, 4, 2, 2, 7, 7])
    values, out = np.array([LEAST, 1e-300, 1.0, 2.0, LEAST, 1e300]), np.empty(6)
    small = multiplied(weight, values, out, codes)
    assert small is not None
    assert small.rows.tolist() == [0, 1]
    assert out[:2].tolist() == [0.0, 0.0]
    found = moments_of_small(small, None, codes)
    assert (found.n, found.v, found.vv) == (0, 0, 0)


CLUSTERED: dict[TaskName, dict[str, Any]] = {
    "tokens": {"log_probabilities": [[-1.0, -2.0], [-3.0, -1.0, -2.0], [-0.5]]},
    "multiclass": {
        "labels": [0, 0, 1],
        "probabilities": [[0.75, 0.25], [0.75, 0.25], [0.125, 0.875]],
        "class_weight": [0.5, 0.25],
    },
    "multilabel": {"labels": [[1, 0], [1, 1], [0, 1]], "probabilities": [[0.5, 0.5], [0.25, 0.75], [0.125, 0.875]]},
}


@pytest.mark.parametrize("task", CLUSTERED)
def test_a_weight_near_zero_is_as_good_as_none_whatever_its_cluster(task: TaskName) -> None:
    body = {**CLUSTERED[task], "cluster_id": [0, 0, 1]}
    least, none = (
        {name: value for name, (_, value) in numbers(task, {**body, "sample_weight": [1.0, weight, 1.0]}).items()}
        for weight in (LEAST, 0.0)
    )
    assert least == pytest.approx(none, rel=1e-15)  # it may break a tie of rounding


def test_a_table_keeps_small_products_too() -> None:
    confidence, weight = np.array([LEAST, 3 * LEAST, 0.5]), np.array([0.3, 0.25, 0.5])

    def table(weight: FloatArray) -> GroupSums:
        matrix = np.array([weight, np.empty(3), [0.0, 0.0, 0.5]])
        small = multiplied(weight, confidence, matrix[1])
        assert small is not None
        others = calibration(group_sums(np.array([0, 0, 7]), 15, matrix, (0, 1, 2), 0))
        return with_small_products(others, confidence, (None, small, None), Options())

    once, twice = table(weight), table(2 * weight)
    for name in ("weight", "confidence"):
        assert [2 * float(a.shifted(600)) for a in once.exact(name)] == [
            float(b.shifted(600)) for b in twice.exact(name)
        ]
    exact = sum(rounded(w * p) for w, p in zip(fractions(weight[:2]), fractions(confidence[:2]), strict=True))
    assert once.exact("confidence")[0].fraction == exact


def test_a_weight_of_two_is_the_row_sent_twice_however_small_the_number() -> None:
    body = random_body("distributions", np.random.default_rng(2825))
    weight = body["sample_weight"]
    doubled = {**body, "sample_weight": [2 * weight[0], *weight[1:]]}
    assert numbers("distributions", doubled) == numbers("distributions", rows(body, [*range(len(weight)), 0]))
