"""Entropies: the loss, the entropies that it is compared with, and the metrics made of them."""

from app.core.metrics.metric import EVERY_CLASS, LOSS_OPTIONS, Formula, Metric, average, exponential_average
from app.core.sums.layout import Mean
from app.core.tasks import LABELLED, ONE_LABEL, TASKS, TaskName

CROSS_ENTROPY = Mean("cross_entropy", "cross_entropy", "loss")
PLAIN_CROSS_ENTROPY = Mean("plain_cross_entropy", "plain_cross_entropy", "share")
TARGET_ENTROPY = Mean("target_entropy", "target_entropy", "loss")
KL_DIVERGENCE = Mean("kl_divergence", "kl_divergence", "loss")
PREDICTIVE_ENTROPY = Mean("predictive_entropy", "predictive_entropy", "loss")
ENTROPY_GAP = Mean("entropy_gap", "entropy_gap", "share")


_LOG_LOSS: dict[TaskName, str] = {
    "binary": "sklearn.metrics.log_loss(labels, probabilities)",
    "multiclass": f"sklearn.metrics.log_loss(labels, probabilities, {EVERY_CLASS})",
    "multilabel": "sklearn.metrics.log_loss(labels.ravel(), probabilities.ravel())",
    "distributions": "-scipy.special.xlogy(targets, probabilities).sum(axis=1).mean()",
    "tokens": "-numpy.concatenate(log_probabilities).mean()",
}
_ROWS_APART = "scipy.special.rel_entr(targets, probabilities).sum(axis=1).mean()"
_ELEMENTS_APART = (
    "(scipy.special.rel_entr(targets, probabilities) + scipy.special.rel_entr(1 - targets, 1 - probabilities)).mean()"
)
_FREQUENCIES = "scipy.stats.entropy(numpy.bincount(labels))"


def _entropy(of: str) -> dict[TaskName, str]:
    elements = f"(scipy.special.entr({of}) + scipy.special.entr(1 - {of})).mean()"
    return {"binary": elements, "multiclass": f"scipy.stats.entropy({of}, axis=1).mean()", "multilabel": elements}


METRICS: tuple[Metric, ...] = (
    Metric(
        name="cross_entropy",
        tasks=tuple(TASKS),
        unit="information",
        direction="lower is better",
        formula="sum_i s_i l_i / sum_i s_i, l_i = -sum_c t_ic log p_ic; tokens: sum of -log p / number of tokens",
        reference="Cover, Thomas, Elements of Information Theory, 2nd ed. (2006), section 5.4",
        compute=average(CROSS_ENTROPY),
        means=(CROSS_ENTROPY,),
        moved_by=LOSS_OPTIONS,
        library=_LOG_LOSS,
    ),
    Metric(
        name="perplexity",
        tasks=("binary", "multiclass", "distributions", "tokens"),
        unit="1",
        direction="lower is better",
        formula="exp(cross_entropy in nats)",
        reference="Jelinek, Mercer, Bahl, Baker, Perplexity, J. Acoust. Soc. Am. 62 (1977)",
        compute=exponential_average(CROSS_ENTROPY),
        means=(CROSS_ENTROPY,),
        moved_by=LOSS_OPTIONS,
        library={task: f"numpy.exp({call})" for task, call in _LOG_LOSS.items() if task != "multilabel"},
    ),
    Metric(
        name="target_entropy",
        tasks=(*LABELLED, "distributions"),
        unit="information",
        direction="descriptive",
        formula="weighted mean of -sum_c t_ic log t_ic",
        reference="Shannon, A Mathematical Theory of Communication (1948), section 6",
        compute=average(TARGET_ENTROPY),
        means=(TARGET_ENTROPY,),
        moved_by=(
            "class_weight",
            "pos_weight",
            "label_smoothing",
            "denominator",
        ),
        library={**_entropy("targets"), "distributions": "scipy.stats.entropy(targets, axis=1).mean()"},
    ),
    Metric(
        name="kl_divergence",
        tasks=(*LABELLED, "distributions"),
        unit="information",
        direction="lower is better",
        formula="weighted mean of sum_c t_ic log(t_ic / p_ic); cross_entropy = target_entropy + kl_divergence",
        reference="Kullback, Leibler, On Information and Sufficiency, Ann. Math. Stat. 22 (1951)",
        compute=average(KL_DIVERGENCE),
        means=(KL_DIVERGENCE,),
        moved_by=LOSS_OPTIONS,
        library={
            "binary": _ELEMENTS_APART,
            "multiclass": _ROWS_APART,
            "multilabel": _ELEMENTS_APART,
            "distributions": _ROWS_APART,
        },
    ),
    Metric(
        name="predictive_entropy",
        tasks=LABELLED,
        unit="information",
        direction="descriptive",
        formula="weighted mean of -sum_c p_ic log p_ic",
        reference="Shannon, A Mathematical Theory of Communication (1948), section 6",
        compute=average(PREDICTIVE_ENTROPY),
        means=(PREDICTIVE_ENTROPY,),
        moved_by=(
            "epsilon",
            "class_weight",
            "denominator",
        ),
        library=_entropy("probabilities"),
    ),
    Metric(
        name="entropy_gap",
        tasks=LABELLED,
        unit="information",
        direction="nearer to 0 is better",
        formula="weighted mean of d_i = l_i - H(p_i), l_i without pos_weight and label_smoothing; z = mean(d) / SE(d), "
        "standard normal under calibration",
        reference="Seillier-Moiseiwitsch, Dawid, On Testing the Validity of Sequential Forecasts, JASA 88 (1993)",
        compute=Formula("standardized", ENTROPY_GAP.name),
        means=(ENTROPY_GAP,),
        moved_by=(
            "epsilon",
            "class_weight",
        ),
    ),
    Metric(
        name="baseline_cross_entropy",
        tasks=ONE_LABEL,
        unit="information",
        direction="descriptive",
        formula="-sum_c f_c log f_c, f the weighted class frequencies",
        reference="Bishop, Pattern Recognition and Machine Learning (2006), section 1.6",
        compute=Formula("baseline"),
        tables=("class_frequencies",),
        moved_by=("class_weight",),
        library={"binary": _FREQUENCIES, "multiclass": _FREQUENCIES},
    ),
    Metric(
        name="d2_log_loss",
        tasks=ONE_LABEL,
        unit="1",
        direction="higher is better",
        formula="1 - l / baseline_cross_entropy, l the cross_entropy without pos_weight and label_smoothing, over the "
        "weights",
        reference="McFadden, Conditional Logit Analysis of Qualitative Choice Behavior (1974), section 4",
        compute=Formula("skill", PLAIN_CROSS_ENTROPY.name),
        means=(PLAIN_CROSS_ENTROPY,),
        tables=("class_frequencies",),
        moved_by=(
            "epsilon",
            "class_weight",
        ),
        library={
            "binary": "sklearn.metrics.d2_log_loss_score(labels, probabilities)",
            "multiclass": f"sklearn.metrics.d2_log_loss_score(labels, probabilities, {EVERY_CLASS})",
        },
    ),
)
