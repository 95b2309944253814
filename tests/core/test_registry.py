"""The catalogue against the libraries it names."""

from typing import Any

import numpy  # noqa: ICN001 the catalogue spells it out
import pytest
import scipy.spatial
import scipy.special
import scipy.stats
import sklearn.metrics

from app.core.metric import Metric
from app.core.options import Options
from app.core.registry import METRICS, TOP_K_ACCURACY, top_k_accuracy
from app.service import ScoreRequest, score

LIBRARIES = {"numpy": numpy, "scipy": scipy, "sklearn": sklearn}
RNG = numpy.random.default_rng(12)
N, K = 60, 4
COLUMNS: dict[str, dict[str, Any]] = {
    "multiclass": {"labels": RNG.integers(0, K, N), "probabilities": RNG.dirichlet(numpy.ones(K), N)},
    "multilabel": {"labels": RNG.integers(0, 2, (N, K)), "probabilities": RNG.random((N, K))},
    "distributions": {
        "targets": RNG.dirichlet(numpy.ones(K), N),
        "probabilities": RNG.dirichlet(numpy.ones(K), N),
    },
}


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric.library], ids=lambda metric: metric.name)
def test_the_named_call_gives_the_same_number(metric: Metric) -> None:
    needs_targets = "targets" in str(metric.library)
    task = "distributions" if needs_targets else "multilabel" if metric.tasks == ("multilabel",) else "multiclass"
    columns: Any = COLUMNS[task]
    options, name = Options(), metric.name
    if metric is TOP_K_ACCURACY:
        options, name = Options(top_k=(2,)), top_k_accuracy(2).name
    ours = score(ScoreRequest(task, columns, options, frozenset()))["metrics"][name]["value"]  # type: ignore[arg-type]
    theirs = eval(str(metric.library), {**LIBRARIES, **columns})  # noqa: S307 our own catalogue
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_most_metrics_name_a_call() -> None:
    default = [metric for metric in METRICS if metric.mergeable]
    assert sum(metric.library is not None for metric in default) > len(default) / 2


def test_names_are_used_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
