"""Scores of the order into which predictions put the rows; they need all rows at once."""

import math
from collections.abc import Callable

import numpy as np

from app.core.calibration.levels import Levels
from app.core.metrics.all_rows import AllRows
from app.core.metrics.metric import Measure, Metric
from app.core.tasks import LABELLED
from app.core.values import Value, undefined


def roc_auc(levels: Levels) -> Value:
    """The probability that a positive row lies above a negative one, where ties count for a half.

    Hanley, McNeil, "The meaning and use of the area under a receiver operating characteristic curve", Radiology 143
    (1982): the sum over levels of their share of the hits, times the share of the misses below and half of that beside.

    >>> from app.core.calibration.levels import levels_of
    >>> roc_auc(levels_of(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))).value
    0.875
    """
    positive, negative = float(levels.hits.sum()), float(levels.misses.sum())
    if not positive or not negative:
        return undefined("{} never occurs in the truth" if negative else "{} is the truth of every row")
    misses = levels.misses / negative
    below = np.cumsum(misses) - 0.5 * misses
    return Value(value=min(1.0, float((levels.hits / positive * below).sum())))


def average_precision(levels: Levels) -> Value:
    """The mean over positive rows of the precision from their level up, without interpolation.

    >>> from app.core.calibration.levels import levels_of
    >>> average_precision(levels_of(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))).value
    0.8333333333333333
    """
    positive = float(levels.hits.sum())
    if not positive:
        return undefined("{} never occurs in the truth")
    hits, misses = (np.cumsum(column[::-1]) for column in (levels.hits, levels.misses))
    return Value(value=min(1.0, float((levels.hits[::-1] / positive * (hits / (hits + misses))).sum())))


def macro(measure: Callable[[Levels], Value]) -> Measure:
    """The measure of the positive class, or its mean over classes or labels against the rest."""

    def mean(observed: AllRows) -> Value:
        values = []
        for name, levels in observed.rankings():
            found = measure(levels)
            if found.value is None:
                return undefined(str(found.reason).format(name))
            values.append(found.value)
        return Value(value=math.fsum(values) / len(values))

    return mean


_AVERAGE = "multiclass and multilabel: mean over classes or labels, each against the rest"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="roc_auc",
        tasks=LABELLED,
        unit="1",
        direction="higher is better",
        formula=f"probability that a positive row is above a negative one, ties count for a half; {_AVERAGE}",
        reference="Hanley, McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143 (1982)",
        measure=macro(roc_auc),
        on_request=True,
        library={
            "binary": "sklearn.metrics.roc_auc_score(labels, probabilities)",
            "multiclass": "sklearn.metrics.roc_auc_score(labels, probabilities, multi_class='ovr', average='macro')",
            "multilabel": "sklearn.metrics.roc_auc_score(labels, probabilities, average='macro')",
        },
    ),
    Metric(
        name="average_precision",
        tasks=LABELLED,
        unit="1",
        direction="higher is better",
        formula=f"sum over levels of (recall - recall of the level above) * precision; {_AVERAGE}",
        reference="Davis, Goadrich, The Relationship between Precision-Recall and ROC Curves, ICML (2006)",
        measure=macro(average_precision),
        on_request=True,
        library=dict.fromkeys(
            LABELLED, "sklearn.metrics.average_precision_score(labels, probabilities, average='macro')"
        ),
    ),
)
