"""Weights of any size: the same means as weights near 1, to the last bit, in parts as in the whole."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.formulas.weights import are_usual, banded, bands, leveled, places_of
from app.core.metrics.bootstrap import Bootstrap
from app.core.metrics.registry import on_request
from app.core.options import MAX_WEIGHT, Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import score
from tests.bodies import bodies, random_body
from tests.core.parts import Body, batch, n_rows, rows, state, values
from tests.requests import asking, request_of, scoring

TASKS: tuple[TaskName, ...] = get_args(TaskName)
every_task = pytest.mark.parametrize("task", TASKS)
SIZES = st.sampled_from([5e-324, 1e-320, 1e-200, 1e-20, 2.0**-65, 2.0**-66, 1.0, 2.0**63, 1e30, MAX_WEIGHT])


def weighed(body: Body, weights: list[float]) -> Body:
    return {**body, "sample_weight": weights}


@every_task
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_weights_of_one_size_are_weights_of_one(task: TaskName, data: st.DataObject) -> None:
    body = {**data.draw(bodies(task)), "denominator": "weights"}
    size = data.draw(st.sampled_from([2.0**-1074, 2.0**-1060, 2.0**-400, 2.0**100, 2.0**300]))
    n = n_rows(body)
    found, wanted = (values(task, weighed(body, [weight] * n)) for weight in (size, 1.0))
    for name, value in wanted.items():  # a loss of some subnormal numbers may break a tie
        assert found[name].status == value.status
        ours, theirs = ([one.value or 0.0, one.standard_error or 0.0] for one in (found[name], value))
        assert ours == pytest.approx(theirs, rel=1e-14, abs=1e-300)


@every_task
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_parts_with_weights_of_all_sizes_add_up_to_the_whole(task: TaskName, data: st.DataObject) -> None:
    body = data.draw(bodies(task).filter(lambda body: n_rows(body) > 1))
    n = n_rows(body)
    whole = weighed(body, data.draw(st.lists(SIZES, min_size=n, max_size=n)))
    cut = data.draw(st.integers(1, n - 1))
    parts = [state(task, rows(whole, chosen)) for chosen in (list(range(cut)), list(range(cut, n)))]
    assert parts[0] + parts[1] == state(task, whole)


@pytest.mark.parametrize("task", TASKS)
def test_clusters_of_tiny_weights_have_the_errors_of_weights_of_one(task: TaskName) -> None:
    for seed in range(40):
        body = random_body(task, np.random.default_rng(seed)) | {"denominator": "weights"}
        n = n_rows(body)
        request = weighed(body, [1.0] * n) | {"cluster_id": [row // 2 for row in range(n)]}
        assert values(task, weighed(request, [2.0**-1070] * n)) == values(task, request)


def answer(task: TaskName, body: Body, include: frozenset[Any] = frozenset()) -> dict[str, Any]:
    request = request_of(task, body)
    return score(scoring(task, request.columns, request.options, include, request.slices))


def test_tiny_weights_keep_their_own_size_in_sections_and_sums() -> None:
    body = {"labels": [1, 0], "probabilities": [0.5, 0.2], "sample_weight": [1e-320, 3e-320]}
    found = answer("binary", body, frozenset({"per_class", "calibration"}))
    assert found["weight_sum"] == 4e-320
    assert found["metrics"]["cross_entropy"]["value"] == pytest.approx(0.34064445862564363, rel=1e-3)
    assert [entry["weight"] for entry in found["per_class"]] == [3e-320, 1e-320]
    assert sum(entry["weight"] for entry in found["calibration"]["bins"]) == 4e-320


def test_the_smallest_weight_beside_the_largest_still_decides_its_slice() -> None:
    body = {
        "labels": [1, 1, 0],
        "probabilities": [0.5, 0.25, 0.5],
        "sample_weight": [5e-324, 5e-324, MAX_WEIGHT],
        "slices": {"part": ["a", "a", "b"]},
    }
    metrics = answer("binary", body)["slices"]["part"]["a"]["metrics"]
    assert metrics["cross_entropy"]["value"] == np.log(8) / 2


def test_over_the_number_of_rows_tiny_weights_keep_their_size() -> None:
    body = {"labels": [1, 1], "probabilities": [0.5, 0.25], "sample_weight": [2.0**-1000] * 2, "denominator": "count"}
    assert answer("binary", body)["metrics"]["cross_entropy"]["value"] == np.log(8) / 2 * 2.0**-1000


@pytest.mark.parametrize("field", ["class_weight", "pos_weight"])
def test_weights_of_classes_that_would_underflow_are_refused(field: str) -> None:
    task: TaskName = "multiclass" if field == "class_weight" else "multilabel"
    body = {"probabilities": [[0.5, 0.5]], "labels": [0] if task == "multiclass" else [[0, 1]], field: [1.0, 1e-200]}
    with pytest.raises(InvalidInput, match="at least 1e-100, found 1e-200: too small") as refusal:
        batch(task, body)
    assert refusal.value.errors[0].pointer == f"/{field}/1"
    assert batch(task, {**body, field: [0.0, 1e-100]}).options != Options()


def test_bands_are_128_powers_of_two_wide() -> None:
    edges = np.array([2.0**-65, np.nextafter(2.0**63, 0), 2.0**63, np.nextafter(2.0**-65, 0), 0.0])
    assert bands(edges).tolist() == [0, 0, 1, -1, 0]
    assert are_usual(edges[:1] * 2)
    assert not are_usual(edges)
    assert places_of(np.array([0.0, 5e-324])) == -1024
    assert places_of(None) == places_of(np.empty(0)) == 0


def test_rows_of_a_cluster_stay_together_in_the_band_of_their_largest() -> None:
    rows, weight, starts = np.arange(5), np.array([1e-300, 1.0, 1e-300, 1e-300, 0.0]), np.array([0, 2, 4])
    assert [part.tolist() for part in banded(rows, weight, starts)] == [[2, 3], [0, 1, 4]]
    assert [part.tolist() for part in banded(rows, weight)] == [[0, 2, 3], [1, 4]]


def test_leveled_weights_keep_their_ratios() -> None:
    usual = np.array([0.5, 2.0])
    assert leveled(usual) is usual
    assert leveled(np.array([2.0**-1070, 3 * 2.0**-1070])).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("task", "body", "field"),
    [
        ("binary", {"labels": [0, 1], "logits": [-1.0, -1e300], "pos_weight": 1e100}, "pos_weight"),
        (
            "multiclass",
            {"labels": [0, 1], "logits": [[1.0, 0.0], [1e300, 0.0]], "class_weight": [1.0, 1e100]},
            "class_weight",
        ),
    ],
)
def test_a_product_beyond_all_doubles_is_refused_and_not_called_infinite(
    task: TaskName, body: Body, field: str
) -> None:
    with pytest.raises(InvalidInput, match="found an overflow in row 1") as refusal:
        answer(task, body)
    assert refusal.value.errors[0].pointer == f"/{field}"
    infinite = {**body, "logits": [-np.inf if x == -1e300 else x for x in body["logits"]]}
    if task == "binary":
        assert answer(task, infinite)["metrics"]["cross_entropy"]["status"] == "infinite"


def test_metrics_on_request_take_the_smallest_weights() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(60)
    body = {"labels": (rng.random(60) < confidence).astype(int).tolist(), "probabilities": confidence.tolist()}
    names = on_request("binary")
    tiny, plain = (
        score(
            asking(
                request_of("binary", weighed(body, [weight] * 60)), metrics=names, bootstrap=Bootstrap(n_resamples=50)
            )
        )
        for weight in (2.0**-1074, 1.0)
    )
    for name in names:
        if name == "debiased_calibration_error":  # for which a weight is as many rows
            assert tiny["metrics"][name]["status"] == "undefined"
        else:
            assert tiny["metrics"][name] == plain["metrics"][name]


def test_the_order_that_repairs_columns_is_found_with_the_smallest_weights() -> None:
    body = {"labels": [0, 1, 2] * 4, "probabilities": [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]] * 4}
    tiny, plain = (answer("multiclass", weighed(body, [weight] * 12))["warnings"] for weight in (5e-324, 1.0))
    assert tiny == plain
    assert tiny[0]["class_order"] == [1, 2, 0]
