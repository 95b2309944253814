"""Plans: what is asked, and the values that follow."""

import pytest

from app.core.metrics.plan import plan_of
from app.core.metrics.state_view import StateView
from app.core.options import Options
from tests.core.parts import batch, state_of

HUGE = {"labels": [0, 0], "logits": [[-8e307, 8e307], [0.0, 1e308]]}


def test_an_error_whose_square_is_beyond_all_doubles_is_left_out() -> None:
    plan = plan_of("multiclass", Options())
    value = plan.values(StateView(state_of(batch("multiclass", HUGE)), 0.95))["cross_entropy"]
    assert value.value == pytest.approx(1.3e308)
    assert value.standard_error is None
    assert value.confidence_interval is None


@pytest.mark.parametrize(("unit", "status"), [("nats", "ok"), ("bits", "undefined")])
def test_a_value_beyond_all_doubles_is_none(unit: str, status: str) -> None:
    body = {"labels": [0], "logits": [[-8e307, 8e307]], "unit": unit}
    plan = plan_of("multiclass", Options(unit=unit))  # type: ignore[arg-type]
    assert plan.values(StateView(state_of(batch("multiclass", body)), 0.95))["cross_entropy"].status == status


def test_questions_that_are_equal_share_a_plan() -> None:
    assert plan_of("binary", Options(n_bins=7), ("labels",)) is plan_of("binary", Options(n_bins=7), ("labels",))
