import numpy as np
import pytest

from app.core.sums.exact import Exact, exact_sum
from app.core.sums.groups import GroupSums
from app.core.sums.moments import Moments, column_moments
from app.core.sums.state import BadLine, State
from app.errors import StateMismatch
from tests.core.parts import Body, rows, state

BODY: Body = {"labels": [0, 2, 1], "probabilities": [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]}


def test_the_lines_are_read_back_whole() -> None:
    sums = state("multiclass", BODY)
    read = state("multiclass", rows(BODY, [0])).with_lines(sums.lines())
    assert read == sums
    assert read.lines() == sums.lines()


def test_the_lines_are_compact() -> None:
    assert sum(map(len, state("multiclass", BODY).lines())) < 3_000


def test_equal_states_have_equal_lines_however_they_came_about() -> None:
    halves = [rows(BODY, chosen) for chosen in ([1, 2], [0])]
    both = state("multiclass", halves[0]) + state("multiclass", halves[1])
    assert both.lines() == state("multiclass", BODY).lines()


def test_negative_and_tiny_sums_survive() -> None:
    moments = {"m": column_moments(np.array([-0.3, 1e300]), np.array([5e-324, 0.0])), "none": Moments()}
    table = GroupSums({"n": [7, 0], "weight": [0, 12], "share": [1, 2]}, -1074)
    sums = State("f", 2, 1, 1, exact_sum(np.array([0.1, 5e-324])), moments, {"g": table})
    assert sums.with_lines(sums.lines()) == sums


def test_the_unit_leaves_no_trace() -> None:
    small, large = Moments(3, 0, 0, 12, 8, 48, 32, 16, -2), Moments(3, 0, 0, 3, 2, 3, 2, 1, 0)
    assert small == large != small._replace(zz=47)
    assert hash(small) == hash(large)
    assert small != tuple(small)
    states = [
        State("f", 2, 3, 3, Exact(3 << up, -up), {"m": own}, {"g": GroupSums({"n": [3], "weight": [5 << up]}, -up)})
        for up, own in ((2, small), (0, large))
    ]
    assert states[0] == states[1]
    assert states[0].lines() == ["3 3 3p0", "3 0 0 3p0 1p1 3p0 1p1 1p0", "3", "5p0"]
    assert states[0] + states[1] == states[1] + states[1]


@pytest.mark.parametrize(
    ("number", "line", "words"),
    [
        (0, "3 3", "must hold 2 counts and 1 sums"),
        (0, "3 4 3p0", "scored rows among them"),
        (0, "3 3 -3p0", "and their weight"),
        (0, "3 3 1p1000", "and their weight"),
        (0, "3 3 zp0", "must hold 2 counts and 1 sums"),
        (0, "-3 3 3p0", "must hold 2 counts and 1 sums"),
        (0, "3 3 1p-9999", "must hold sums of doubles"),
        (1, "2 0 0 3p0 1p1 3p0 1p1", "must hold 3 counts and 5 sums"),
        (1, "4 0 0 3p0 1p1 3p0 1p1 1p0", "sums that rows can have"),
        (1, "2 0 0 3p0 0p0 3p0 0p0 0p0", "sums that rows can have"),
        (1, "2 0 0 3p0 -1p1 3p0 1p1 1p0", "sums that rows can have"),
        (1, "2 0 0 3p0 1p1 1p0 1p1 1p0", "sums that rows can have"),
        (2, "3 0", "must hold 1 counts and 0 sums"),
        (3, "-5p0", "must hold sums of at least 0"),
    ],
)
def test_a_line_that_no_rows_have_is_refused(number: int, line: str, words: str) -> None:
    sums = State("f", 2, 3, 3, Exact(3), {"m": Moments(3, 0, 0, 3, 2, 3, 1, 1)}, {"g": GroupSums({"n": [3], "w": [5]})})
    lines = sums.lines()
    assert sums.with_lines(lines) == sums
    lines[number] = line
    with pytest.raises(BadLine, match=words) as refusal:
        sums.with_lines(lines)
    assert refusal.value.number == number


def test_lines_too_many_or_too_few_are_refused() -> None:
    sums = state("multiclass", BODY)
    for lines in (sums.lines()[:-1], [*sums.lines(), "3p0"], []):
        with pytest.raises(BadLine, match=f"found {len(lines)}"):
            sums.with_lines(lines)


@pytest.mark.parametrize("change", [{"epsilon": 0.1}, {"n_bins": 3}, {"class_weight": [1.0, 2.0, 3.0]}])
def test_states_of_other_options_do_not_add(change: dict[str, object]) -> None:
    with pytest.raises(StateMismatch):
        state("multiclass", BODY) + state("multiclass", BODY | change)


@pytest.mark.parametrize("change", [{"unit": "bits"}, {"confidence_level": 0.5}])
def test_options_that_shape_no_sum_do_not_keep_states_apart(change: dict[str, object]) -> None:
    assert (state("multiclass", BODY) + state("multiclass", BODY | change)).n_samples == 6
