"""Divergences between two distributions, and their distance."""

import math

from app.core.columns import FloatArray
from app.core.formulas import divergences
from app.core.metrics.metric import Metric, average
from app.core.metrics.state_view import StateView
from app.core.rows.classes import ClassRows
from app.core.sums.layout import Mean
from app.core.values import Value


def _reverse_kl(rows: ClassRows) -> FloatArray:
    p, log_p = rows.clipped_probabilities, rows.log_probabilities
    return divergences.relative_entropy(p, log_p, rows.targets, rows.log_smoothed)  # never smoothed in this task


def _js(rows: ClassRows) -> FloatArray:
    return divergences.js_divergence(rows.targets, rows.clipped_probabilities)


REVERSE_KL = Mean("reverse_kl_divergence", _reverse_kl, "loss")
JS_DIVERGENCE = Mean("js_divergence", _js, "loss")


def js_distance(view: StateView) -> Value:
    """The square root of the mean Jensen-Shannon divergence."""
    divergence = view.means["js_divergence"]
    return divergence if divergence.value is None else Value(value=math.sqrt(divergence.value))


_JENSEN_SHANNON = "(scipy.spatial.distance.jensenshannon(targets, probabilities, axis=1) ** 2).mean()"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="reverse_kl_divergence",
        tasks=("distributions",),
        unit="information",
        direction="lower is better",
        formula="weighted mean of sum_c p_ic log(p_ic / t_ic)",
        reference="Bishop, Pattern Recognition and Machine Learning (2006), section 10.1.2",
        compute=average(REVERSE_KL),
        means=(REVERSE_KL,),
        moved_by=(
            "epsilon",
            "denominator",
        ),
        library={"distributions": "scipy.special.rel_entr(probabilities, targets).sum(axis=1).mean()"},
    ),
    Metric(
        name="js_divergence",
        tasks=("distributions",),
        unit="information",
        direction="lower is better",
        formula="weighted mean of (KL(P||M) + KL(Q||M)) / 2, M = (P + Q) / 2",
        reference="Lin, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37 (1991)",
        compute=average(JS_DIVERGENCE),
        means=(JS_DIVERGENCE,),
        moved_by=(
            "epsilon",
            "denominator",
        ),
        library={"distributions": _JENSEN_SHANNON},
    ),
    Metric(
        name="js_distance",
        tasks=("distributions",),
        unit="square root of information",
        direction="lower is better",
        formula="sqrt(js_divergence)",
        reference="Endres, Schindelin, A New Metric for Probability Distributions, IEEE Trans. Inf. Theory 49 (2003)",
        compute=js_distance,
        means=(JS_DIVERGENCE,),
        moved_by=(
            "epsilon",
            "denominator",
        ),
        library={"distributions": f"numpy.sqrt({_JENSEN_SHANNON})"},
    ),
)
