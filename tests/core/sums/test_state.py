import json

import numpy as np
import pytest

from app.core.sums.exact import Exact, exact_sum
from app.core.sums.groups import GroupSums
from app.core.sums.moments import Moments, column_moments
from app.core.sums.state import VERSION, State
from app.errors import InvalidState, StateMismatch
from tests.core.parts import Body, rows, state

BODY: Body = {"labels": [0, 2, 1], "probabilities": [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]}


def test_the_serial_form_is_read_back_whole() -> None:
    sums = state("multiclass", BODY)
    assert State.from_bytes(sums.to_bytes()) == sums


def test_the_serial_form_is_compact_and_says_its_version() -> None:
    serial = state("multiclass", BODY).to_bytes()
    assert json.loads(serial)["version"] == VERSION
    assert len(serial) < 3_000


def test_equal_states_have_equal_bytes_however_they_came_about() -> None:
    halves = [rows(BODY, chosen) for chosen in ([1, 2], [0])]
    assert (state("multiclass", halves[0]) + state("multiclass", halves[1])).to_bytes() == state(
        "multiclass", BODY
    ).to_bytes()


def test_negative_and_tiny_sums_survive() -> None:
    moments = {"m": column_moments(np.array([-0.3, 1e300]), np.array([5e-324, 0.0])), "none": Moments()}
    table = GroupSums({"n": [7, 0], "weight": [0, -12], "share": [1, 2]}, -1074)
    sums = State("f", 2, 1, 1, exact_sum(np.array([0.1, 5e-324])), moments, {"g": table, "none": GroupSums({})})
    assert State.from_bytes(sums.to_bytes()) == sums


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
    assert states[0].to_bytes() == states[1].to_bytes()
    assert states[0] + states[1] == states[1] + states[1]
    assert json.loads(states[0].to_bytes())["groups"] == {"g": {"n": [3], "weight": ["5p0"]}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", VERSION + 1),
        ("weight_sum", "zp0"),
        ("weight_sum", "1p-9999"),
        ("weight_sum", "2p0"),
        ("weight_sum", "0p1"),
        ("weight_sum", 3),
        ("counts", [1, 2]),
        ("counts", [1, -2, 3]),
        ("counts", [1, True, 3]),
        ("moments", {"m": [1, 0, "1p0"]}),
        ("moments", 7),
        ("groups", {"g": {"weight": "1p0x"}}),
        ("groups", {"g": {"n": ["1p0"]}}),
        ("fingerprint", None),
    ],
)
def test_what_is_no_state_is_refused(name: str, value: object) -> None:
    form = json.loads(state("multiclass", BODY).to_bytes())
    if value is None:
        del form[name]
    else:
        form[name] = value
    with pytest.raises(InvalidState):
        State.from_bytes(json.dumps(form).encode())


@pytest.mark.parametrize("serial", [b"", b"null", b"[]", b"\xff", b'{"version": 1}', b"[" * 5_000])
def test_bytes_that_are_no_state_are_refused(serial: bytes) -> None:
    with pytest.raises(InvalidState):
        State.from_bytes(serial)


@pytest.mark.parametrize("change", [{"epsilon": 0.1}, {"n_bins": 3}, {"class_weight": [1.0, 2.0, 3.0]}])
def test_states_of_other_options_do_not_add(change: dict[str, object]) -> None:
    with pytest.raises(StateMismatch):
        state("multiclass", BODY) + state("multiclass", BODY | change)


@pytest.mark.parametrize("change", [{"unit": "bits"}, {"confidence_level": 0.5}])
def test_options_that_shape_no_sum_do_not_keep_states_apart(change: dict[str, object]) -> None:
    assert (state("multiclass", BODY) + state("multiclass", BODY | change)).n_samples == 6
