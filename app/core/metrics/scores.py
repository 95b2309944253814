"""Scores of rows: proper scores other than the loss, and shares of rows that are predicted right."""

from dataclasses import replace

import numpy as np

from app.core.columns import BoolArray
from app.core.formulas import losses
from app.core.metrics.metric import EVERY_CLASS, Metric, average
from app.core.options import Options
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.sums.layout import Mean
from app.core.tasks import LABELLED
from app.core.values import undefined


def _all_right(rows: ElementRows) -> BoolArray:
    right: BoolArray = np.logical_and.reduce(rows.correct | ~rows.scored_elements, axis=0)
    return right


BRIER_SCORE = Mean("brier_score", "brier_score", "score")
SPHERICAL_SCORE = Mean("spherical_score", lambda rows: rows.scored(losses.spherical_score), "score")
RANKED_PROBABILITY_SCORE = Mean(
    "ranked_probability_score", lambda rows: rows.scored(losses.ranked_probability_score), "score"
)
ACCURACY = Mean("accuracy", "accuracy", "score")
SUBSET_ACCURACY = Mean("subset_accuracy", _all_right, "row")


def top_k_accuracies(options: Options) -> tuple[Metric, ...]:
    """The metric for each k that is asked for."""
    return tuple(map(_top_k_accuracy, options.top_k))


def _top_k_accuracy(k: int) -> Metric:
    def numerator(rows: ClassRows) -> BoolArray:
        return rows.top_k_accuracy(k)

    of = Mean(f"top_{k}_accuracy", numerator, "score")
    return replace(TOP_K_ACCURACY, name=of.name, means=(of,), compute=average(of))


TOP_K_ACCURACY = Metric(
    name="top_{k}_accuracy",
    tasks=("multiclass",),
    unit="1",
    direction="higher is better",
    formula="share of rows whose label is among the k largest; ties go to the lower class",
    reference="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115 (2015)",
    compute=lambda _: undefined("not asked for"),
    variants=top_k_accuracies,
    library={"multiclass": f"sklearn.metrics.top_k_accuracy_score(labels, probabilities, k=2, {EVERY_CLASS})"},
)

_SQUARES = "sklearn.metrics.brier_score_loss"
_COSINE = "(targets * probabilities).sum(axis=1) / numpy.linalg.norm(probabilities, axis=1)"
_RIGHT = "sklearn.metrics.accuracy_score(labels, probabilities >= 0.5)"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="brier_score",
        tasks=LABELLED,
        unit="1",
        direction="lower is better",
        formula="binary (p - y)^2; multiclass sum_c (p_c - t_c)^2, in [0, 2]; multilabel mean over elements",
        reference="Brier, Verification of Forecasts Expressed in Terms of Probability, Mon. Weather Rev. 78 (1950)",
        compute=average(BRIER_SCORE),
        means=(BRIER_SCORE,),
        library={
            "binary": f"{_SQUARES}(labels, probabilities)",
            "multiclass": f"{_SQUARES}(labels, probabilities, {EVERY_CLASS}, scale_by_half=False)",
            "multilabel": "sklearn.metrics.mean_squared_error(labels, probabilities)",
        },
    ),
    Metric(
        name="spherical_score",
        tasks=LABELLED,
        unit="1",
        direction="higher is better",
        formula="weighted mean of sum_c t_ic p_ic / sqrt(sum_c p_ic^2); multilabel mean over elements",
        reference="Gneiting, Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 102 (2007)",
        compute=average(SPHERICAL_SCORE),
        means=(SPHERICAL_SCORE,),
        on_request=True,
        undefined="all probabilities of a row are 0",
        library={"multiclass": f"({_COSINE}).mean()"},
    ),
    Metric(
        name="ranked_probability_score",
        tasks=("multiclass",),
        unit="1",
        direction="lower is better",
        formula="weighted mean of sum_{c < k} (sum_{j <= c} p_ij - t_ij)^2, in [0, k - 1]: the columns are in order",
        reference="Epstein, A Scoring System for Probability Forecasts of Ranked Categories, J. Appl. Met. 8 (1969)",
        compute=average(RANKED_PROBABILITY_SCORE),
        means=(RANKED_PROBABILITY_SCORE,),
        on_request=True,
        library={"multiclass": "(numpy.cumsum(probabilities - targets, axis=1)[:, :-1] ** 2).sum(axis=1).mean()"},
    ),
    Metric(
        name="accuracy",
        tasks=LABELLED,
        unit="1",
        direction="higher is better",
        formula="share of rows whose largest column is the label; binary and multilabel: of p >= threshold agreeing",
        reference="Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed. (2009), section 7.2",
        compute=average(ACCURACY),
        means=(ACCURACY,),
        library={
            "binary": _RIGHT,
            "multiclass": "sklearn.metrics.accuracy_score(labels, probabilities.argmax(axis=1))",
            "multilabel": "1 - sklearn.metrics.hamming_loss(labels, probabilities >= 0.5)",
        },
    ),
    TOP_K_ACCURACY,
    Metric(
        name="subset_accuracy",
        tasks=("multilabel",),
        unit="1",
        direction="higher is better",
        formula="share of rows whose scored elements are all predicted right",
        reference="Tsoumakas, Katakis, Multi-Label Classification: An Overview, IJDWM 3 (2007)",
        compute=average(SUBSET_ACCURACY),
        means=(SUBSET_ACCURACY,),
        library={"multilabel": _RIGHT},
    ),
)
