"""Elementary functions and exact sums of the compiled core; its rows are tested in `test_kernel_rows`."""

import math
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core import kernels
from app.core.columns import FloatArray
from app.core.kernels import compiled
from tests.core.doubles import adversarial, fractions

LARGEST, LEAST = 1.7976931348623157e308, 5e-324
MOST = 1 << 20
finite = st.floats(allow_nan=False, allow_infinity=False)


def logarithms(low: float, high: float) -> FloatArray:
    return np.exp2(np.random.default_rng(1).uniform(math.log2(low), math.log2(high), 500))


def between(low: float, high: float) -> FloatArray:
    return np.random.default_rng(2).uniform(low, high, 1000)


def hexadecimal(*numbers: str) -> FloatArray:
    return np.array([float.fromhex(number) for number in numbers])


WORST = {  # the largest errors found among hundreds of millions of inputs
    "log": hexadecimal(
        "0x1.6904ce67a872bp-1", "0x1.69dcb3ed744edp-1", "0x1.68fb892c39891p+0", "0x0.c753ee0dd48c3p-1022"
    ),
    "log1p": hexadecimal("-0x1.80082618d6e6cp-53", "0x1.203c8be57353bp-2", "0x1.96aa505bf2e9cp-50"),
    "exp": hexadecimal(
        "-0x1.0368839f93a48p+9", "-0x1.1ab4787174cb7p+4", "0x1.63d76b8567a5cp-2", "-0x1.620142e917aa5p+9"
    ),
}
OF: dict[str, Callable[[Decimal], Decimal]] = {
    "log": lambda x: x.ln(),
    "log1p": lambda x: (1 + x).ln(),
    "exp": lambda x: x.exp(),
}


def errors(name: str, inputs: FloatArray) -> list[float]:
    """How far each value is from the true one, in units in the last place of that."""
    found = getattr(kernels, name)(inputs)
    with localcontext() as context:
        context.prec = 60
        true = [OF[name](Decimal(x)) for x in inputs.tolist()]
        return [
            float(abs(Decimal(value) - exact) / Decimal(math.ulp(float(exact))))
            for value, exact in zip(found.tolist(), true, strict=True)
        ]


@pytest.mark.parametrize(
    ("name", "bound", "inputs"),
    [
        ("log", 1.0, WORST["log"]),
        ("log", 1.0, between(0.5, 2.0)),
        ("log", 1.0, between(0.999, 1.001)),
        ("log", 1.0, np.nextafter(1.0, [0.0, 2.0])),
        ("log", 1.0, logarithms(2.0**-1022, LARGEST)),
        (
            "log",
            1.0,
            np.array([LEAST, LARGEST, 2.0**-1022, np.nextafter(2.0**-1022, 0.0), *logarithms(1e-320, 1e-308)]),
        ),
        ("log1p", 2.0, WORST["log1p"]),
        ("log1p", 2.0, between(-0.5, 2.0)),
        ("log1p", 2.0, logarithms(1e-18, LARGEST)),
        ("log1p", 2.0, -logarithms(1e-18, 1.0)),
        ("exp", 1.0, WORST["exp"]),
        ("exp", 1.0, between(-1.0, 1.0)),
        ("exp", 1.0, between(-745.0, 709.7)),
        ("exp", 1.0, between(-745.1, -708.0)),
        ("exp", 1.0, logarithms(1e-20, 1.0)),
    ],
)
def test_functions_are_as_near_to_the_truth_as_they_say(name: str, bound: float, inputs: FloatArray) -> None:
    assert max(errors(name, inputs)) < bound


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("log", {0.0: -math.inf, -0.0: -math.inf, 1.0: 0.0, math.inf: math.inf, -LEAST: math.nan, -math.inf: math.nan}),
        ("log1p", {-1.0: -math.inf, 0.0: 0.0, math.inf: math.inf, -1.5: math.nan, -math.inf: math.nan, LEAST: LEAST}),
        ("log1p", {1e-300: 1e-300, -1e-300: -1e-300, -LEAST: -LEAST}),
        ("exp", {0.0: 1.0, -0.0: 1.0, math.inf: math.inf, -math.inf: 0.0, 709.782712893384: 1.797693134862273e308}),
        ("exp", {709.7827128933841: math.inf, LARGEST: math.inf, -745.1332191019411: LEAST, -745.1332191019412: 0.0}),
    ],
)
def test_functions_at_the_ends_of_their_domains(name: str, values: dict[float, float]) -> None:
    found = getattr(kernels, name)(np.array([*values, math.nan])).tolist()
    assert list(map(repr, found)) == list(map(repr, [*values.values(), math.nan]))


@pytest.mark.parametrize("name", ["log", "log1p", "exp"])
def test_a_number_has_one_value_wherever_it_stands(name: str) -> None:
    function, x = getattr(kernels, name), between(0.0, 5.0).reshape(10, 100)
    whole = function(x)
    assert [[float(function(number)) for number in row] for row in x.tolist()] == whole.tolist()
    for view in (x.T, x[::-1, ::3], np.broadcast_to(x[0], (3, 100))):
        assert np.array_equal(function(view), [function(row.copy()) for row in view])
    in_place = x.copy()
    getattr(compiled, name)(in_place, in_place)
    assert np.array_equal(in_place, whole)


def number(total: tuple[bytes, int], factors: int = 1) -> Fraction:
    """A sum of products of so many doubles, from how the core writes it."""
    limbs, places = total
    return int.from_bytes(limbs, "little", signed=True) * Fraction(2) ** (places - 1074 * factors)


def power_sums(values: FloatArray) -> tuple[Fraction, Fraction]:
    found = compiled.power_sums(values)
    assert found is not None
    return number(found[0]), number(found[1], 2)


def dot(x: FloatArray, y: FloatArray) -> Fraction:
    found = compiled.dot(x, y)
    assert found is not None
    return number(found, 2)


def exact_dot(x: FloatArray, y: FloatArray) -> Fraction:
    return sum((a * b for a, b in zip(fractions(x), fractions(y), strict=True)), Fraction(0))


@given(st.lists(st.tuples(finite, finite), max_size=40))
@example([(LARGEST, LEAST), (LEAST, -LARGEST), (-LARGEST, LARGEST), (LEAST, LEAST), (0.0, -0.0)])
@example([(-LEAST, LARGEST)])
def test_sums_and_products_are_exact(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    assert power_sums(x) == (sum(fractions(x), Fraction(0)), exact_dot(x, x))
    assert dot(x, y) == exact_dot(x, y)


def test_sums_of_many_adversarial_doubles_are_exact() -> None:
    x, y = adversarial(20_000, 1), adversarial(20_000, 2)
    assert float(power_sums(x)[0]) == math.fsum(x)
    assert dot(x, y) == exact_dot(x, y)
    assert dot(x, x) == power_sums(x)[1]


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 2.0**-1022 - LEAST])
def test_as_many_numbers_as_one_call_takes_do_not_overflow(value: float) -> None:
    values, exact = np.full(MOST, value), Fraction(value)
    assert power_sums(values) == (MOST * exact, MOST * exact**2)
    assert dot(values, -values) == -MOST * exact**2
    assert by_group(values, np.zeros(MOST, np.int64), 1) == [MOST * exact]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_what_is_not_finite_has_no_exact_sum(wrong: float, place: int) -> None:
    values, ones = np.ones(7), np.ones(7)
    values[place] = wrong
    assert compiled.power_sums(values) is None
    assert compiled.dot(values, ones) is compiled.dot(ones, values) is None


def by_group(values: FloatArray, groups: Any, n_groups: int) -> list[Fraction]:
    """Sums by group, window by window from the largest exponent there is."""
    totals, top = [Fraction(0)] * n_groups, 2046
    while top:
        room = np.zeros(2 * n_groups + 1, np.int64)[1:]  # no integer of 128 bits need stand at a multiple of 16 bytes
        below = compiled.window_sums(values, groups, top, room)
        assert below < top - 48
        for group in range(n_groups):
            whole = int.from_bytes(room[2 * group : 2 * group + 2].tobytes(), "little", signed=True)
            totals[group] += whole * Fraction(2) ** (top - 48 - 1075)
        top = below
    return totals


@given(st.lists(st.tuples(finite, st.integers(0, 2)), max_size=40))
@example([(LARGEST, 0), (-LEAST, 0), (2.0**975, 2), (2.0**974, 2), (-0.0, 1)])  # the edge of the first window
def test_sums_by_group_are_exact_window_by_window(pairs: list[tuple[float, int]]) -> None:
    values, groups = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.int64)
    expected = [sum(fractions(values[groups == group]), Fraction(0)) for group in range(3)]
    assert by_group(values, groups, 3) == expected


def test_sums_by_group_add_to_what_is_there() -> None:
    sums = np.array([5, 0, -1, -1])  # 5 and -1
    assert compiled.window_sums(np.array([LEAST, LEAST]), np.array([0, 1]), 49, sums) == 0
    assert sums.tolist() == [5 + 1, 0, 0, 0]


doubles, wholes, three = np.ones(6), np.zeros(6, np.int64), np.ones(3)
read_only = np.ones(6)
read_only.flags.writeable = False


@pytest.mark.parametrize(
    ("name", "arguments", "error", "rule"),
    [
        ("log", (doubles,), TypeError, "takes 2 arguments, found 1"),
        ("dot", (doubles, doubles, doubles), TypeError, "takes 2 arguments, found 3"),
        ("log", (doubles, [1.0]), TypeError, "bytes-like"),
        ("log", (doubles, read_only), ValueError, "read-only"),
        ("log", (doubles[::2], three), ValueError, "not C-contiguous"),
        ("exp", (doubles, three), ValueError, "arrays must be of one length"),
        ("power_sums", (doubles.astype(">f8"),), TypeError, "argument 0 holds another type"),
        ("power_sums", (np.frombuffer(bytes(17), np.float64, 2, 1),), TypeError, "argument 0 holds another type"),
        ("log1p", (doubles.astype(np.float32), doubles), TypeError, "argument 0 holds another type"),
        ("dot", (doubles, wholes), TypeError, "argument 1 holds another type"),
        ("row_errors", (doubles, doubles, doubles), TypeError, "argument 1 holds another type"),
        ("row_errors", (doubles, wholes.astype(np.uint64), doubles), TypeError, "argument 1 holds another type"),
        ("row_sums", (doubles, np.ones(4)), ValueError, "numbers must come in rows of equal length"),
        ("row_sums", (doubles, np.ones(0)), ValueError, "numbers must come in rows of equal length"),
        ("row_products", (doubles, three, three), ValueError, "arrays must fit each other"),
        ("row_errors", (doubles, wholes, three), ValueError, "arrays must fit each other"),
        ("row_maxima", (doubles, three, wholes), ValueError, "arrays must fit each other"),
        ("row_maxima", (np.ones(0), three, wholes[:3]), ValueError, "arrays must fit each other"),
        ("row_exponentials", (doubles, three, three), ValueError, "arrays must fit each other"),
        ("row_quotients", (doubles, three, three), ValueError, "arrays must fit each other"),
        ("row_differences", (doubles, three, three), ValueError, "arrays must fit each other"),
        ("row_negentropies", (doubles, three, np.ones(1023)), ValueError, "arrays must fit each other"),
        ("row_negentropies", (np.ones(1025), np.ones(1), np.ones(1024)), ValueError, "arrays must fit each other"),
        ("row_picks", (doubles, wholes, three), ValueError, "arrays must fit each other"),
        ("first_unsound", (doubles, 0, 1.0), ValueError, "numbers must come in rows of k, with a tolerance"),
        ("first_unsound", (doubles, 4, 1.0), ValueError, "numbers must come in rows of k, with a tolerance"),
        ("first_unsound", (doubles, 3, "1"), ValueError, "numbers must come in rows of k, with a tolerance"),
        ("first_unsound", (doubles, 3), ValueError, "numbers must come in rows of k, with a tolerance"),
        ("first_unbounded", (doubles, -1), ValueError, "numbers must come in rows of k"),
        ("first_unbounded", (doubles, 1 << 80), ValueError, "numbers must come in rows of k"),
        ("power_sums", (np.ones(MOST + 1),), ValueError, "too many numbers for one call"),
        ("dot", (doubles, three), ValueError, "arrays must be of one length, and short"),
        ("window_sums", (doubles, wholes, 0, wholes), ValueError, "arrays must be of one length, and short"),
        ("window_sums", (doubles, wholes, "9", wholes), ValueError, "arrays must be of one length, and short"),
        ("window_sums", (doubles, wholes, 1000, doubles), TypeError, "holds another type"),
        ("window_sums", (three, wholes[:3] - 1, 1000, wholes), ValueError, "groups must be numbered from 0"),
        ("window_sums", (three, wholes[:3] + 3, 1000, wholes), ValueError, "each below the number of sums"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        getattr(compiled, name)(*arguments)


@pytest.mark.parametrize("name", [name for name in dir(compiled) if not name.startswith("_")])
@pytest.mark.parametrize("n_arguments", range(6))
def test_arrays_are_given_back_however_a_call_ends(name: str, n_arguments: int) -> None:
    taken = [array("d", [1.0, 2.0]), array("q", [0, 0])]
    for choice in range(2**n_arguments):
        arguments = [taken[choice >> place & 1] for place in range(n_arguments)]
        try:
            getattr(compiled, name)(*arguments)
        except (TypeError, ValueError) as error:
            assert str(error)
    for held in taken:
        held.append(held[0])  # BufferError while something holds on to it


def test_calls_on_many_threads_do_not_meet() -> None:
    columns = [adversarial(50_000, seed) for seed in range(8)]
    alone = [compiled.power_sums(column) for column in columns]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(compiled.power_sums, columns * 4)) == alone * 4
