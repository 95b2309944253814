"""The catalogue against the libraries it names, every call on the task it is named for."""

from typing import Any

import numpy  # noqa: ICN001 the catalogue spells it out
import pytest
import scipy.spatial
import scipy.special
import scipy.stats
import sklearn.metrics

from app.core.metrics.metric import Metric
from app.core.metrics.registry import METRICS
from app.core.metrics.scores import TOP_K_ACCURACY
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service import score
from tests.requests import column, scoring

LIBRARIES = {"numpy": numpy, "scipy": scipy, "sklearn": sklearn}
RNG = numpy.random.default_rng(12)
N, K = 60, 4
ROWS, TABLE = RNG.dirichlet(numpy.ones(K), N), RNG.random((N, K))
BITS = RNG.integers(0, 2, (N, K))
DOCUMENTS = [(-RNG.exponential(size=length)).tolist() for length in (3, 1, 7, 2)]
LABELS: dict[TaskName, Any] = {"binary": BITS[:, 0], "multiclass": RNG.integers(0, K - 1, N), "multilabel": BITS}
EVERY_CLASS = RNG.permutation(numpy.arange(N) % K)
TARGETS: dict[TaskName, Any] = {
    "binary": TABLE[:, 1],
    "multiclass": RNG.dirichlet(numpy.ones(K), N),
    "multilabel": RNG.random((N, K)),
    "distributions": RNG.dirichlet(numpy.ones(K), N),
}
PROBABILITIES: dict[TaskName, Any] = {
    "binary": TABLE[:, 0],
    "multiclass": ROWS,
    "multilabel": TABLE,
    "distributions": ROWS,
}
TOKENS: dict[str, Any] = {
    "log_probabilities": DOCUMENTS,
    "n_bytes": RNG.integers(1, 30, 4).tolist(),
    "n_words": RNG.integers(1, 9, 4).tolist(),
}
NAMED = [(metric, task, call) for metric in METRICS for task, call in metric.library.items()]


def columns_of(task: TaskName, call: str) -> dict[str, Any]:
    """The fields that a call asks for; the last class is no label, but where shares of all classes are averaged."""
    if task == "tokens":
        return TOKENS
    truth = {"targets": TARGETS[task]} if "targets" in call else {"labels": LABELS.get(task, TARGETS[task])}
    if task == "multiclass" and any(word in call for word in ("macro", "balanced")):
        truth = {"labels": EVERY_CLASS}
    if task == "distributions":
        truth = {"targets": TARGETS[task]}
    return {**truth, "probabilities": PROBABILITIES[task]}


@pytest.mark.parametrize(("metric", "task", "call"), NAMED, ids=lambda case: getattr(case, "name", str(case)))
def test_the_named_call_gives_the_same_number(metric: Metric, task: TaskName, call: str) -> None:
    columns = columns_of(task, call)
    top_k, name = ((2,), "top_2_accuracy") if metric is TOP_K_ACCURACY else ((), metric.name)
    sent = {field: column(values) if task == "tokens" else values for field, values in columns.items()}
    asked = (name,) if metric.on_request else ()
    request = scoring(task, sent, Options(top_k=top_k), frozenset(), metrics=asked)
    theirs = eval(call, {**LIBRARIES, **columns})  # noqa: S307 our own catalogue
    assert score(request)["metrics"][name]["value"] == pytest.approx(theirs, rel=1e-12)


def test_every_call_is_that_of_a_task_that_has_the_metric() -> None:
    assert [metric.name for metric in METRICS if not set(metric.library) <= set(metric.tasks)] == []


def test_what_needs_all_rows_is_computed_on_request() -> None:
    assert [metric.name for metric in METRICS if metric.measure and not metric.on_request] == []


def test_most_metrics_name_a_call_for_each_task() -> None:
    default = [(metric, task) for metric in METRICS if metric.mergeable for task in metric.tasks]
    assert sum(task in metric.library for metric, task in default) > 0.75 * len(default)


def classwise(n_classes: int, n_bins: int) -> dict[str, Any]:
    columns = {"labels": numpy.arange(2), "probabilities": numpy.full((2, n_classes), 1.0 / n_classes)}
    name = "classwise_calibration_error"
    found: dict[str, Any] = score(scoring("multiclass", columns, Options(n_bins=n_bins), frozenset(), metrics=(name,)))[
        "metrics"
    ][name]
    return found


def test_bins_of_all_classes_have_a_bound() -> None:
    assert classwise(100, 10_000)["status"] == "ok"
    with pytest.raises(
        InvalidInput, match="at most 1000000 bins for classwise_calibration_error, found 101"
    ) as refusal:
        classwise(101, 10_000)
    assert refusal.value.errors[0].pointer == "/metrics"


def test_names_are_used_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
