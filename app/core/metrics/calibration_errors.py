"""Calibration errors: of equal-width bins, which add, and others that need all rows at once."""

from collections.abc import Callable
from operator import attrgetter

from app.core.calibration.equal_mass import (
    adaptive_calibration_error,
    classwise_calibration_error,
    classwise_gap,
    debiased_calibration_error,
)
from app.core.calibration.levels import Levels
from app.core.calibration.smooth import smooth_calibration_error
from app.core.columns import IntArray
from app.core.metrics.all_rows import AllRows
from app.core.metrics.bootstrap import Statistic, expected_gap_statistic, largest_gap_statistic, level_statistic
from app.core.metrics.metric import Formula, Metric
from app.core.tasks import ONE_LABEL
from app.core.values import Value


def _over_equal_mass(measure: Callable[[Levels, int], Value]) -> Callable[[AllRows], Statistic]:
    def resampled(all_rows: AllRows) -> Statistic:
        n_bins = all_rows.options.n_bins
        # found by trying, on the safe side: 50 rows take 3,200 to 4,400 steps, and each bin that holds rows 5 more
        return level_statistic(all_rows.rows, lambda levels: measure(levels, n_bins), steps=8_000 + 5 * n_bins)

    return resampled


def _classwise(all_rows: AllRows) -> Statistic:
    weight, n_classes, n_bins = all_rows.rows.weight, all_rows.n_classes, all_rows.options.n_bins

    def number(counts: IntArray) -> float:
        return classwise_gap(*all_rows.class_gaps, counts) / float(counts @ weight) / n_classes

    return Statistic(number, steps_per_row=0.5 * n_classes, steps=n_classes * (1_000 + n_bins // 2))


METRICS: tuple[Metric, ...] = (
    Metric(
        name="expected_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="sum over bins of weight share times |mean confidence - frequency|",
        reference="Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities, AAAI (2015)",
        compute=Formula("expected_gap"),
        resampled=lambda all_rows: expected_gap_statistic(all_rows.rows, all_rows.bins),
        tables=("calibration",),
    ),
    Metric(
        name="maximum_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="largest |mean confidence - frequency| of a bin that is not empty",
        reference="Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities, AAAI (2015)",
        compute=Formula("largest_gap"),
        resampled=lambda all_rows: largest_gap_statistic(all_rows.rows, all_rows.bins),
        tables=("calibration",),
    ),
    Metric(
        name="adaptive_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="expected calibration error over n_bins bins of equal weight; equal confidences are never split",
        reference="Nguyen, O'Connor, Posterior Calibration and Exploratory Analysis, EMNLP (2015)",
        measure=lambda all_rows: adaptive_calibration_error(all_rows.levels, all_rows.options.n_bins),
        resampled=_over_equal_mass(adaptive_calibration_error),
        on_request=True,
    ),
    Metric(
        name="classwise_calibration_error",
        tasks=("multiclass",),
        unit="1",
        direction="lower is better",
        formula="mean over classes of the expected calibration error of that class against the rest",
        reference="Kull et al., Beyond Temperature Scaling, NeurIPS (2019), eq. 2",
        measure=lambda all_rows: classwise_calibration_error(*all_rows.class_gaps, all_rows.rows.weight),
        resampled=_classwise,
        on_request=True,
    ),
    Metric(
        name="smooth_calibration_error",
        tasks=ONE_LABEL,
        unit="1",
        direction="lower is better",
        formula="smECE: mean gap, smoothed by a reflected Gaussian that is as wide as this mean gap",
        reference="Blasiok, Nakkiran, Smooth ECE, ICLR (2024)",
        measure=lambda all_rows: smooth_calibration_error(all_rows.levels),
        resampled=lambda all_rows: level_statistic(all_rows.rows, smooth_calibration_error, steps=100_000),
        on_request=True,
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
        on_request=True,
    ),
)
