"""The elementary functions of the compiled core, and what all its functions refuse."""

import math
from array import array
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, localcontext
from itertools import product
from typing import Any

import numpy as np
import pytest

from app.core import kernels
from app.core.columns import FloatArray
from app.core.kernels import compiled

LARGEST, LEAST = 1.7976931348623157e308, 5e-324
MOST = 1 << 20


def logarithms(low: float, high: float) -> FloatArray:
    return np.exp2(np.random.default_rng(1).uniform(math.log2(low), math.log2(high), 500))


def between(low: float, high: float) -> FloatArray:
    return np.random.default_rng(2).uniform(low, high, 1000)


def hexadecimal(*numbers: str) -> FloatArray:
    return np.array([float.fromhex(number) for number in numbers])


WORST = {  # the largest errors found among hundreds of millions of inputs
    "log": hexadecimal(
        "0x1.69c64a64ce9c7p-1", "0x1.6774a43afd105p+0", "0x1.65ea4ec565fdbp-1", "0x0.c753ee0dd48c3p-1022"
    ),
    "log1p": hexadecimal(
        "-0x1.80046249be56ep-53", "-0x1.34bee87c34c3bp-2", "0x1.1b53dba55a4dbp-2", "0x1.96a9f21b153a8p-50"
    ),
    "exp": hexadecimal(
        "0x1.3dfb570cab33p+9",
        "-0x1.0368839f93a48p+9",
        "-0x1.1ab4787174cb7p+4",
        "0x1.63d76b8567a5cp-2",
        "-0x1.620142e917aa5p+9",
    ),
}
OF: dict[str, Callable[[Decimal], Decimal]] = {
    "log": lambda x: x.ln(),
    "log1p": lambda x: (1 + x).ln(),
    "exp": lambda x: x.exp(),
}


def errors(name: str, inputs: FloatArray) -> list[float]:
    """The distance of each value from the true one, in units in the last place of that."""
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


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no longer than double here")
@pytest.mark.parametrize(("low", "high"), [(0.7, 0.7072), (1.4, 1.4143), (0.5, 2.0), (0.0, 1.0), (1.0, 1000.0)])
def test_logarithms_of_a_million_numbers_err_by_less_than_nine_tenths_of_a_unit(low: float, high: float) -> None:
    x = np.random.default_rng(3).uniform(low, high, 200_000)
    true = np.log(x.astype(np.longdouble))
    assert (abs(kernels.log(x) - true) / np.spacing(abs(true.astype(np.float64)))).max() < 0.9


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("log", {0.0: -math.inf}),
        ("log", {-0.0: -math.inf, 1.0: 0.0, math.inf: math.inf, -LEAST: math.nan, -math.inf: math.nan}),
        ("log1p", {-1.0: -math.inf, 0.0: 0.0, math.inf: math.inf, -1.5: math.nan, -math.inf: math.nan, LEAST: LEAST}),
        ("log1p", {1e-300: 1e-300, -1e-300: -1e-300, -LEAST: -LEAST}),
        ("exp", {0.0: 1.0, math.inf: math.inf, -math.inf: 0.0, 709.782712893384: 1.7976931348622732e308}),
        ("exp", {-0.0: 1.0}),
        ("exp", {709.7827128933841: math.inf, LARGEST: math.inf, -745.1332191019411: LEAST, -745.1332191019412: 0.0}),
    ],
)
def test_functions_at_the_ends_of_their_domains(name: str, values: dict[float, float]) -> None:
    function, inputs, expected = getattr(kernels, name), [*values, math.nan], [*values.values(), math.nan]
    assert list(map(repr, function(inputs).tolist())) == list(map(repr, expected))
    assert [repr(float(function([1.0, x])[1])) for x in inputs] == list(map(repr, expected))  # apart from the others


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


@pytest.mark.parametrize(("name", "x", "other"), [("log", (1e-9, 1e9), 5e-324), ("exp", (-707.9, 707.9), 708.5)])
def test_a_number_has_the_same_bits_beside_one_that_takes_a_longer_way(
    name: str, x: tuple[float, float], other: float
) -> None:
    function, numbers = getattr(kernels, name), between(*x)
    assert np.array_equal(function(np.append(numbers, other))[:-1], function(numbers))


doubles, wholes, three = np.ones(6), np.zeros(6, np.int64), np.ones(3)
read_only, matrix = np.ones(6), np.ones((2, 3))
read_only.flags.writeable = False


@pytest.mark.parametrize(
    ("name", "arguments", "error", "rule"),
    [
        ("log", (doubles,), TypeError, "takes 2 arguments, found 1"),
        ("exp", (doubles, doubles, doubles), TypeError, "takes 2 arguments, found 3"),
        ("log", (doubles, [1.0]), TypeError, "bytes-like"),
        ("log", (doubles, read_only), ValueError, "read-only"),
        ("log", (doubles[::2], three), ValueError, "not C-contiguous"),
        ("exp", (doubles, three), ValueError, "arrays must be of one length"),
        ("exp", (doubles.astype(">f8"), doubles), TypeError, "argument 0 holds another type"),
        ("exp", (np.frombuffer(bytes(17), np.float64, 2, 1), doubles), TypeError, "argument 0 holds another type"),
        ("log1p", (doubles.astype(np.float32), doubles), TypeError, "argument 0 holds another type"),
        ("exp", (doubles, wholes), TypeError, "argument 1 holds another type"),
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
        ("row_relative_entropy", (doubles, doubles, doubles, three, three), ValueError, "arrays must fit each other"),
        ("row_relative_entropy", (doubles, three, doubles, doubles, three), ValueError, "arrays must fit each other"),
        ("row_relative_entropy", (doubles, doubles, doubles, doubles, np.ones(4)), ValueError, "rows of equal length"),
        ("row_js", (doubles, three, three, np.ones(1024)), ValueError, "arrays must fit each other"),
        ("row_js", (doubles, doubles, three, np.ones(1023)), ValueError, "arrays must fit each other"),
        ("row_js", (np.ones(1025), np.ones(1025), np.ones(1), np.ones(1024)), ValueError, "arrays must fit each other"),
        ("row_picks", (doubles, wholes, three), ValueError, "arrays must fit each other"),
        ("count_byte", (b"",), TypeError, "takes a text and a byte"),
        ("count_byte", (b"", 256), TypeError, "takes a text and a byte"),
        ("count_byte", ("", 0), TypeError, "bytes-like"),
        ("buffer", (-1,), ValueError, "takes a number of bytes"),
        ("buffer", ("1",), TypeError, "integer"),
        ("products", (doubles, three, doubles), ValueError, "arrays must be of one length"),
        ("sums", (), TypeError, "takes 1 arguments, found 0"),
        ("sums", (matrix, -1, ((0, 1),)), ValueError, "takes a matrix, a row of weights, pairs and groupings"),
        ("sums", (matrix, -1, [(0, 1)], ()), ValueError, "takes a matrix, a row of weights, pairs and groupings"),
        ("sums", (matrix, -1, (), []), ValueError, "takes a matrix, a row of weights, pairs and groupings"),
        ("sums", (doubles, -1, ((0, 1),), ()), ValueError, "takes a matrix, and the number of a row of it"),
        ("sums", (matrix, 2, ((0, 1),), ()), ValueError, "takes a matrix, and the number of a row of it"),
        ("sums", (matrix, "0", ((0, 1),), ()), TypeError, "integer"),
        ("sums", (matrix, -1, ((0, 1), (0,)), ()), TypeError, "takes pairs of the row of z and that of v"),
        ("sums", (matrix, -1, ([0, 1],), ()), TypeError, "takes pairs of the row of z and that of v"),
        ("sums", (matrix, -1, ((0, "1"),), ()), TypeError, "integer"),
        ("sums", (matrix, -1, ((2, 1),), ()), ValueError, "takes numbers of rows"),
        ("sums", (matrix, -1, ((0, 2),), ()), ValueError, "takes numbers of rows"),
        ("sums", (matrix, -1, ((-1, 1),), ()), ValueError, "takes a row of numerators, found a constant"),
        ("sums", (matrix, -1, ((0, -(2**40)),), ()), ValueError, "takes numbers of rows"),
        ("sums", (np.ones((1, MOST + 1)), -1, ((0, 0),), ()), ValueError, "too many numbers for one call"),
        ("sums", (matrix, -1, (), (0,)), TypeError, "takes groupings"),
        ("sums", (matrix, -1, (), ((wholes, 1),)), TypeError, "takes groupings"),
        ("sums", (matrix, -1, (), ((three, 1, (0,)),)), TypeError, "argument 0 holds another type"),
        ("sums", (matrix, -1, (), ((wholes[:3], 0, (0,)),)), ValueError, "their number above 0"),
        ("sums", (matrix, -1, (), ((wholes[:3], "1", (0,)),)), TypeError, "integer"),
        ("sums", (matrix, -1, (), ((wholes[:3], 1, [0]),)), ValueError, "takes groups"),
        ("sums", (matrix, -1, (), ((wholes[:3], 1, (2,)),)), ValueError, "takes numbers of rows"),
        ("sums", (matrix, -1, (), ((wholes, 1, (0,)),)), ValueError, "must be as long as the groups"),
        ("sums", (matrix, -1, (), ((wholes[:3] - 1, 1, (0,)),)), ValueError, "groups must be numbered from 0"),
        ("sums", (matrix, -1, (), ((wholes[:3] + 1, 1, (0,)),)), ValueError, "each below their number"),
        ("sums", (matrix, -1, (), ((-1, three, True, (0,)),)), ValueError, "takes a row of numbers"),
        ("sums", (matrix, -1, (), ((2, three, True, (0,)),)), ValueError, "takes numbers of rows"),
        ("sums", (matrix, -1, (), (("0", three, True, (0,)),)), TypeError, "integer"),
        ("sums", (matrix, -1, (), ((0, three[:0], True, (0,)),)), ValueError, "takes a row of numbers"),
        ("sums", (matrix, -1, (), ((0, wholes, True, (0,)),)), TypeError, "argument 0 holds another type"),
        ("sums", (matrix, -1, (), ((0, three, True, [0]),)), ValueError, "takes a row of numbers"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        getattr(compiled, name)(*arguments)


@pytest.mark.parametrize("name", [name for name in dir(compiled) if not name.startswith("_")])
@pytest.mark.parametrize("n_arguments", range(6))
def test_arrays_are_given_back_however_a_call_ends(name: str, n_arguments: int) -> None:
    taken: list[array[Any]] = [array("d", [1.0, 2.0]), array("q", [0, 0])]
    for arguments in product([*taken, None], repeat=n_arguments):
        with suppress(TypeError, ValueError):
            getattr(compiled, name)(*arguments)
    for held in taken:
        held.append(held[0])  # BufferError while something holds on to it
