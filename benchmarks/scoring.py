"""The works that the core is measured by."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.core.batch.checked import batch_of
from app.core.batch.unjudged import unjudged
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.options import Options
from app.core.sums.at_once import summary_at_once
from app.core.sums.layout import Needs
from app.core.sums.summary import summarize
from app.core.sums.uncertainty import mean
from app.service import Question, ScoreRequest, score

LOSS, ALL = "validation and cross-entropy", "all default metrics"
TWO_THREADS = "all default metrics, two threads"

_NEEDS = Needs((CROSS_ENTROPY,))


def works(columns: Mapping[str, Any]) -> dict[str, Callable[[], object]]:
    """The loss alone, and everything that is answered by default, by one thread and by two."""
    request = ScoreRequest(Question("multiclass", tuple(columns), Options()), columns)
    return {LOSS: partial(_loss, columns), ALL: partial(score, request), TWO_THREADS: partial(score, request, 2)}


def _loss(columns: Mapping[str, Any]) -> object:
    """Do all checks of a batch, and find the cross-entropy with its standard error and interval."""
    options = Options()
    batch = unjudged(columns, options)
    summary = summary_at_once(batch, _NEEDS) if batch else None
    if summary is None:
        summary = summarize(batch_of("multiclass", columns, options), _NEEDS)
    return mean(summary.state.moments[CROSS_ENTROPY.name], 0.95)
