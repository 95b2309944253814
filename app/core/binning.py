"""Calibration errors of bins that need all rows at once: of equal mass, one class at a time, and without bias."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.core.calibration import expected_gap
from app.core.columns import BoolArray, FloatArray
from app.core.levels import Levels, equal_mass_index
from app.core.options import Options
from app.core.state import GroupSums
from app.core.sums import exact_group_sums, to_float
from app.core.tables import calibration
from app.core.values import Value, undefined


def equal_mass_bins(levels: Levels, n_bins: int) -> GroupSums:
    """Exact sums over bins of equal weight, cut as `equal_mass_index` says."""
    bins = equal_mass_index(levels, n_bins)
    columns = {
        "weight": levels.weight,
        "confidence": levels.weight * levels.confidence,
        "frequency": levels.hits,
        "softness": levels.softness,
    }
    return GroupSums({name: exact_group_sums(column, bins, n_bins) for name, column in columns.items()})


def adaptive_calibration_error(levels: Levels, n_bins: int) -> Value:
    """The expected calibration error over bins of equal weight: sum_b W_b / W * |confidence_b - frequency_b|.

    Nguyen, O'Connor, "Posterior calibration and exploratory analysis for natural language processing models", EMNLP
    2015. Bins are cut by `equal_mass_index`, which never splits equal confidences.

    >>> from app.core.levels import levels_of
    >>> import numpy as np
    >>> p, y = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0.0, 1.0, 0.0])
    >>> adaptive_calibration_error(levels_of(p, y), 2).value
    0.25
    """
    return expected_gap(equal_mass_bins(levels, n_bins))


def one_vs_rest_bins(
    probabilities: FloatArray, targets: Iterable[FloatArray | BoolArray], weight: FloatArray | None, options: Options
) -> list[GroupSums]:
    """The equal-width bins of each class against all others; those of parts of the rows add up.

    Args:
        probabilities: (k, n), a row a class.
        targets: For each class (n,) what was observed of it, so that `labels == c` never needs to be a matrix.
    """
    columns: Iterator[dict[str, Any]] = (
        {"confidence": confidence, "frequency": observed}
        for confidence, observed in zip(probabilities, targets, strict=True)
    )
    return [calibration(column, weight, options) for column in columns]


def classwise_calibration_error(classes: Sequence[GroupSums]) -> Value:
    """The mean over classes of the expected calibration error of one class against the rest: sum_c ECE_c / k.

    Kull et al., "Beyond temperature scaling", NeurIPS 2019. A class that never occurs counts like the others.

    Args:
        classes: The bins of each class, of `one_vs_rest_bins`.

    >>> import numpy as np
    >>> p, labels = np.array([[0.75, 0.5], [0.25, 0.5]]), np.array([0, 0])
    >>> bins = one_vs_rest_bins(p, (labels == c for c in range(2)), None, Options(n_bins=10))
    >>> classwise_calibration_error(bins).value
    0.375
    """
    gaps = [expected_gap(bins).value or 0.0 for bins in classes]
    return Value(value=math.fsum(gaps) / len(gaps))


def debiased_calibration_error(levels: Levels, n_bins: int) -> Value:
    """The l2 calibration error over bins of equal weight, without the share of it that chance alone would show.

    sqrt(max(0, sum_b W_b / W * ((confidence_b - frequency_b)**2 - v_b / (W_b - 1)))), v_b the variance of y in the bin:
    Kumar, Liang, Ma, "Verified uncertainty calibration", NeurIPS 2019, section 5, whose equal-mass bins these are.

    Weights count as numbers of rows. A bin of one row or less knows no variance and adds 0, as in the authors' code.

    Returns:
        0 with a reason where the sum is negative; undefined with fewer than two rows for each bin that is not empty.

    >>> from app.core.levels import levels_of
    >>> import numpy as np
    >>> debiased_calibration_error(levels_of(np.full(5, 0.9), np.array([1.0, 0.0, 0.0, 0.0, 0.0])), 1).value
    0.670820393249937
    """
    columns = equal_mass_bins(levels, n_bins)
    names = ("weight", "confidence", "frequency", "softness")
    bins = [sums for sums in zip(*(columns[name] for name in names), strict=True) if sums[0]]
    total = sum(sums[0] for sums in bins)
    rows_per_bin = to_float(total) / len(bins)
    if rows_per_bin < 2.0:
        return undefined(f"too few samples: must have 2 rows a bin on average, found {rows_per_bin:g}")
    square = math.fsum(sums[0] / total * _debiased_square(*sums) for sums in bins)
    if square < 0.0:
        return Value(value=0.0, reason=f"chance explains all of it: the squared error is estimated at {square:.3g}")
    return Value(value=math.sqrt(square))


def _debiased_square(weight: int, confidence: int, frequency: int, softness: int) -> float:
    n = to_float(weight)
    if n <= 1.0:
        return 0.0
    gap, mean = (confidence - frequency) / weight, frequency / weight
    variance = mean * (1.0 - mean) - softness / weight
    return gap * gap - max(0.0, variance) / (n - 1.0)
