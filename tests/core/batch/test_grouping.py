"""Groups of rows by value: the values in order, and the group of each row."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.core import kernels
from app.core.batch.grouping import grouping_of

MOST = kernels.MOST_DISTINCT


def drawn(n_values: int, kind: str) -> NDArray[Any]:
    """Rows that hold so many different values, every one of which occurs."""
    rng = np.random.default_rng(n_values)
    values = np.unique(rng.integers(-(2**62), 2**62, n_values))
    numbers = rng.permutation(np.concatenate([values, rng.choice(values, 3 * n_values)]))
    # every string is an object of its own, though it equals others
    return numbers if kind == "integers" else np.array([f"{number}" for number in numbers], np.object_)


@pytest.mark.parametrize("kind", ["integers", "strings"])
@pytest.mark.parametrize("n_values", [1, 3, MOST // 4, MOST, MOST + 1, 3 * MOST])
def test_groups_are_the_values_in_order(n_values: int, kind: str) -> None:
    values = drawn(n_values, kind)
    names, codes = np.unique(values.astype(np.str_) if kind == "strings" else values, return_inverse=True)
    grouping = grouping_of(values)
    assert grouping.names == [str(name) for name in names.tolist()]
    assert grouping.codes.tolist() == codes.tolist()
    of_each = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    found = [(name, rows.tolist()) for name, rows in grouping.rows()]
    assert found == [(str(name), rows.tolist()) for name, rows in zip(names, of_each, strict=True)]


def test_booleans_are_named_as_in_json() -> None:
    grouping = grouping_of(np.array([True, False, True]))
    assert (grouping.names, grouping.codes.tolist()) == (["false", "true"], [1, 0, 1])


def test_objects_are_told_apart_and_strings_are_not() -> None:
    one, same = "north", str(b"north", "ascii")
    values = np.array([one, same, one, "east"], np.object_)
    found = kernels.distinct(values)
    assert found is not None
    assert found[1].tolist() == [0, 1, 3]
    assert (grouping_of(values).names, grouping_of(values).codes.tolist()) == (["east", "north"], [1, 1, 1, 0])


def test_numbers_that_meet_in_one_slot_are_told_apart() -> None:
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)  # of the factor in distinct.h
    wanted = [(slot * inverse) % 2**64 for slot in range(MOST)]  # all of them in the first slot
    values = np.array(wanted, np.uint64).view(np.int64)
    found = kernels.distinct(np.concatenate([values, values[::-1]]))
    assert found is not None
    assert found[0].tolist() == [*range(MOST), *reversed(range(MOST))]
    assert kernels.distinct(np.append(values, -1)) is None


@pytest.mark.parametrize("n", [0, 1, 100_000])
def test_rows_of_some_are_found_by_their_place_among_these(n: int) -> None:
    grouping = grouping_of(np.arange(n) % 7)
    rows = np.arange(n)[n // 3 :]
    for code, places in grouping.places(rows):
        assert (grouping.codes[rows[places]] == code).all()
        assert len(places) == np.count_nonzero(grouping.codes[rows] == code) > 0
