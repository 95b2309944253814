"""The one list of metrics: the catalogue, and what every answer computes."""

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from operator import attrgetter

from app.core.calibration.bins import expected_gap, largest_gap
from app.core.calibration.equal_mass import (
    adaptive_calibration_error,
    classwise_calibration_error,
    classwise_gap,
    debiased_calibration_error,
)
from app.core.calibration.levels import Levels
from app.core.calibration.smooth import smooth_calibration_error
from app.core.columns import BoolArray, IntArray
from app.core.metrics.bootstrap import Statistic, expected_gap_statistic, largest_gap_statistic, level_statistic
from app.core.metrics.metric import Average, Compute, Direction, Metric, MetricUnit
from app.core.metrics.observed import Observed
from app.core.metrics.reading import Reading
from app.core.options import LABELLED, ONE_LABEL, Options
from app.core.rows.classes import ClassRows
from app.core.sums.layout import Family, Mean
from app.core.sums.uncertainty import exponential
from app.core.tasks import TASKS, TaskName
from app.core.values import INFINITE, Value, undefined


def _mean(name: str, family: Family, attribute: str | None = None) -> Mean:
    return Mean(name, attribute or name, family)


CROSS_ENTROPY = _mean("cross_entropy", "loss")
PLAIN_CROSS_ENTROPY = _mean("plain_cross_entropy", "share")
TARGET_ENTROPY = _mean("target_entropy", "loss")
KL_DIVERGENCE = _mean("kl_divergence", "loss")
PREDICTIVE_ENTROPY = _mean("predictive_entropy", "loss")
ENTROPY_GAP = _mean("entropy_gap", "share")
REVERSE_KL = _mean("reverse_kl_divergence", "loss")
JS_DIVERGENCE = _mean("js_divergence", "loss")
FOCAL_LOSS = _mean("focal_loss", "loss")
BRIER_SCORE = _mean("brier_score", "score")
ACCURACY = _mean("accuracy", "score")
SUBSET_ACCURACY = _mean("subset_accuracy", "row")
MACRO_PERPLEXITY = _mean("macro_perplexity", "row")
LOSS_PER_BYTE = _mean("loss_per_byte", "n_bytes", "cross_entropy")
LOSS_PER_WORD = _mean("loss_per_word", "n_words", "cross_entropy")


def average(of: Mean) -> Compute:
    """The mean itself, with its uncertainty."""
    return Average(of.name)


def exponential_average(of: Mean) -> Compute:
    """exp of a mean in nats."""
    return lambda reading: exponential(reading.means[of.name])


def entropy_gap(reading: Reading) -> Value:
    """The mean of loss minus predictive entropy, with z = mean / standard error: standard normal under calibration."""
    gap = reading.means["entropy_gap"]
    if gap.value is None or not gap.standard_error:
        return gap
    return gap._replace(z=gap.value / gap.standard_error)


def d2_log_loss(reading: Reading) -> Value:
    """1 - loss / baseline_cross_entropy: the share of the baseline's loss that the prediction saves.

    The loss is without `pos_weight` and `label_smoothing`, over the weights, as the baseline is.
    """
    loss, baseline = reading.means["plain_cross_entropy"], reading.baseline_cross_entropy
    if baseline.value is None:
        return baseline
    if not baseline.value:
        return undefined("one class only")
    return Value(value=1.0 - loss.value / baseline.value) if loss.value is not None else loss


def js_distance(reading: Reading) -> Value:
    """The square root of the mean Jensen-Shannon divergence."""
    divergence = reading.means["js_divergence"]
    return divergence if divergence.value is None else Value(value=math.sqrt(divergence.value))


def macro_perplexity(reading: Reading) -> Value:
    """The mean over documents of exp of their mean loss."""
    if reading.state.moments["cross_entropy"].n_infinite:
        return INFINITE
    value = reading.means["macro_perplexity"]
    return undefined("overflow") if value.status == "infinite" else value


def bits_per_byte(reading: Reading) -> Value:
    """The loss of all documents in bits over their bytes."""
    return reading.means["loss_per_byte"].scaled(math.log(2.0))


def top_k_accuracy(k: int) -> Metric:
    """The metric for one k."""

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
    when=lambda options, _: bool(options.top_k),
)

DECOMPOSITIONS: tuple[tuple[str, str, MetricUnit], ...] = (
    ("brier", "brier_score = {}", "1"),
    (
        "log_loss",
        "cross_entropy = {}; epsilon, pos_weight, label_smoothing and denominator do not enter",
        "information",
    ),
)
PARTS: tuple[tuple[str, Direction, str], ...] = (
    ("miscalibration", "lower is better", "score that isotonic recalibration saves"),
    ("discrimination", "higher is better", "score that the recalibrated forecast saves over the constant one"),
    ("uncertainty", "descriptive", "score of the overall frequency as a constant forecast"),
)


def _over_equal_mass(measure: Callable[[Levels, int], Value]) -> Callable[[Observed], Statistic]:
    def resampled(observed: Observed) -> Statistic:
        n_bins = observed.options.n_bins
        return level_statistic(observed.rows, lambda levels: measure(levels, n_bins), steps=8_000 + 5 * n_bins)

    return resampled


def _classwise(observed: Observed) -> Statistic:
    weight, n_classes, n_bins = observed.rows.weight, observed.n_classes, observed.options.n_bins

    def number(counts: IntArray) -> float:
        return classwise_gap(*observed.class_gaps, counts) / float(counts @ weight) / n_classes

    return Statistic(number, steps_per_row=0.5 * n_classes, steps=n_classes * (1_000 + n_bins // 2))


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
    ),
    Metric(
        name="entropy_gap",
        tasks=LABELLED,
        unit="information",
        direction="nearer to 0 is better",
        formula="weighted mean of d_i = l_i - H(p_i), l_i without pos_weight and label_smoothing; z = mean(d) / SE(d), "
        "standard normal under calibration",
        reference="Seillier-Moiseiwitsch, Dawid, On Testing the Validity of Sequential Forecasts, JASA 88 (1993)",
        compute=entropy_gap,
        means=(ENTROPY_GAP,),
    ),
    Metric(
        name="baseline_cross_entropy",
        tasks=ONE_LABEL,
        unit="information",
        direction="descriptive",
        formula="-sum_c f_c log f_c, f the weighted class frequencies",
        reference="Bishop, Pattern Recognition and Machine Learning (2006), section 1.6",
        compute=attrgetter("baseline_cross_entropy"),
        tables=("class_frequencies",),
    ),
    Metric(
        name="d2_log_loss",
        tasks=ONE_LABEL,
        unit="1",
        direction="higher is better",
        formula="1 - l / baseline_cross_entropy, l the cross_entropy without pos_weight and label_smoothing, over the "
        "weights",
        reference="McFadden, Conditional Logit Analysis of Qualitative Choice Behavior (1974), section 4",
        compute=d2_log_loss,
        means=(PLAIN_CROSS_ENTROPY,),
        tables=("class_frequencies",),
    ),
    Metric(
        name="brier_score",
        tasks=LABELLED,
        unit="1",
        direction="lower is better",
        formula="binary (p - y)^2; multiclass sum_c (p_c - t_c)^2, in [0, 2]; multilabel mean over elements",
        reference="Brier, Verification of Forecasts Expressed in Terms of Probability, Mon. Weather Rev. 78 (1950)",
        compute=average(BRIER_SCORE),
        means=(BRIER_SCORE,),
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
    ),
    Metric(
        name="expected_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="sum over bins of weight share times |mean confidence - frequency|",
        reference="Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities, AAAI (2015)",
        compute=lambda reading: expected_gap(reading.gaps),
        resampled=lambda observed: expected_gap_statistic(observed.rows, observed.bins),
        tables=("calibration",),
    ),
    Metric(
        name="maximum_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="largest |mean confidence - frequency| of a bin that is not empty",
        reference="Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities, AAAI (2015)",
        compute=lambda reading: largest_gap(reading.gaps),
        resampled=lambda observed: largest_gap_statistic(observed.rows, observed.bins),
        tables=("calibration",),
    ),
    Metric(
        name="focal_loss",
        tasks=ONE_LABEL,
        unit="information",
        direction="lower is better",
        formula="weighted mean of -alpha_t (1 - p_t)^gamma log p_t",
        reference="Lin, Goyal, Girshick, He, Dollar, Focal Loss for Dense Object Detection, ICCV (2017), eq. 5",
        compute=average(FOCAL_LOSS),
        means=(FOCAL_LOSS,),
        when=lambda options, _: options.focal_gamma is not None or options.focal_alpha is not None,
    ),
    Metric(
        name="reverse_kl_divergence",
        tasks=("distributions",),
        unit="information",
        direction="lower is better",
        formula="weighted mean of sum_c p_ic log(p_ic / t_ic)",
        reference="Bishop, Pattern Recognition and Machine Learning (2006), section 10.1.2",
        compute=average(REVERSE_KL),
        means=(REVERSE_KL,),
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
    ),
    Metric(
        name="macro_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="mean over documents of exp(mean loss of the document in nats)",
        reference="Jelinek, Mercer, Bahl, Baker, Perplexity, J. Acoust. Soc. Am. 62 (1977)",
        compute=macro_perplexity,
        means=(CROSS_ENTROPY, MACRO_PERPLEXITY),
    ),
    Metric(
        name="bits_per_byte",
        tasks=("tokens",),
        unit="bits",
        direction="lower is better",
        formula="sum of -log p / (ln 2 * sum of n_bytes)",
        reference="Gao et al., The Pile: An 800GB Dataset of Diverse Text (2020), section 3.1",
        compute=bits_per_byte,
        means=(LOSS_PER_BYTE,),
        when=lambda _, columns: "n_bytes" in columns,
    ),
    Metric(
        name="byte_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="exp(sum of -log p / sum of n_bytes)",
        reference="Gao et al., The Pile: An 800GB Dataset of Diverse Text (2020), section 3.1",
        compute=exponential_average(LOSS_PER_BYTE),
        means=(LOSS_PER_BYTE,),
        when=lambda _, columns: "n_bytes" in columns,
    ),
    Metric(
        name="word_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="exp(sum of -log p / sum of n_words)",
        reference="Jelinek, Mercer, Bahl, Baker, Perplexity, J. Acoust. Soc. Am. 62 (1977)",
        compute=exponential_average(LOSS_PER_WORD),
        means=(LOSS_PER_WORD,),
        when=lambda _, columns: "n_words" in columns,
    ),
    Metric(
        name="adaptive_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="expected calibration error over n_bins bins of equal weight; equal confidences are never split",
        reference="Nguyen, O'Connor, Posterior Calibration and Exploratory Analysis, EMNLP (2015)",
        measure=lambda observed: adaptive_calibration_error(observed.levels, observed.options.n_bins),
        resampled=_over_equal_mass(adaptive_calibration_error),
    ),
    Metric(
        name="classwise_calibration_error",
        tasks=("multiclass",),
        unit="1",
        direction="lower is better",
        formula="mean over classes of the expected calibration error of that class against the rest",
        reference="Kull et al., Beyond Temperature Scaling, NeurIPS (2019), eq. 2",
        measure=lambda observed: classwise_calibration_error(*observed.class_gaps, observed.rows.weight),
        resampled=_classwise,
    ),
    Metric(
        name="smooth_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="smECE: mean gap, smoothed by a reflected Gaussian that is as wide as this mean gap",
        reference="Blasiok, Nakkiran, Smooth ECE, ICLR (2024)",
        measure=lambda observed: smooth_calibration_error(observed.levels),
        resampled=lambda observed: level_statistic(observed.rows, smooth_calibration_error, steps=100_000),
    ),
    Metric(
        name="debiased_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="root of the squared gaps over n_bins bins of equal weight, less the share that chance explains; "
        "a weight counts as that many rows, so the scale of the weights matters: it is undefined where they sum to 1",
        reference="Kumar, Liang, Ma, Verified Uncertainty Calibration, NeurIPS (2019), definition 5.1",
        measure=attrgetter("debiased_calibration_error"),
        resampled=_over_equal_mass(debiased_calibration_error),
    ),
    *(
        Metric(
            name=f"{name}_{part}",
            tasks=("binary",),
            unit=unit,
            direction=direction,
            formula=f"{formula}; "
            + identity.format(f"{name}_miscalibration - {name}_discrimination + {name}_uncertainty"),
            reference="Dimitriadis, Gneiting, Jordan, Stable Reliability Diagrams (CORP), PNAS 118 (2021)",
            measure=attrgetter(f"{name}_decomposition.{part}"),
        )
        for name, identity, unit in DECOMPOSITIONS
        for part, direction, formula in PARTS
    ),
)


def metrics_for(
    task: TaskName, options: Options, columns: Collection[str], extra: Collection[str] = ()
) -> tuple[Metric, ...]:
    """The metrics of an answer: those of the task that are default or asked for.

    Args:
        columns: Names of the columns that were sent.
        extra: Names of metrics that are computed on request only.
    """
    chosen = [
        metric
        for metric in METRICS
        if task in metric.tasks and (metric.name in extra if metric.measure else metric.when(options, columns))
    ]
    return tuple(
        variant
        for metric in chosen
        for variant in (map(top_k_accuracy, options.top_k) if metric is TOP_K_ACCURACY else (metric,))
    )


def on_request(task: TaskName) -> tuple[str, ...]:
    """Names of the metrics of a task that are computed only when asked for."""
    return tuple(metric.name for metric in METRICS if metric.measure and task in metric.tasks)
