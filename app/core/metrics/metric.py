"""The type of a metric: its needs from a state, and the function from these to its value."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, get_args

from app.core.metrics.all_rows import AllRows
from app.core.metrics.bootstrap import Statistic
from app.core.metrics.state_view import StateView
from app.core.options import Options
from app.core.sums.layout import Mean
from app.core.tasks import TaskName
from app.core.values import Value, undefined

MetricUnit: TypeAlias = Literal["information", "square root of information", "bits", "1"]
Direction: TypeAlias = Literal["lower is better", "higher is better", "nearer to 0 is better", "descriptive"]

LossOption: TypeAlias = Literal["epsilon", "class_weight", "pos_weight", "label_smoothing", "denominator"]
LOSS_OPTIONS: tuple[LossOption, ...] = get_args(LossOption)
"""The options that change losses; most other metrics stay as they are."""

EVERY_CLASS = "labels=numpy.arange(probabilities.shape[1])"
"""The argument that tells scikit-learn of classes that no label shows."""

When: TypeAlias = Callable[[Options, Collection[str]], bool]
"""The rule that tells, from the options and the names of columns, whether a metric is in an answer."""

FormulaName: TypeAlias = Literal[
    "average", "exponential", "standardized", "baseline", "skill", "expected_gap", "largest_gap"
]
"""The formulas of `kernels/metric_values.h`, in its order; they are written there."""
FORMULAS: tuple[FormulaName, ...] = get_args(FormulaName)


class Formula(NamedTuple):
    """A formula of a kernel, and the name of the mean that it is of, if it is of one."""

    name: FormulaName
    mean: str = ""


Compute: TypeAlias = Formula | Callable[[StateView], Value]
Measure: TypeAlias = Callable[[AllRows], Value]

# the power of the unit of information in the unit of a metric
_INFORMATION_POWER: dict[MetricUnit, float] = {"information": 1.0, "square root of information": 0.5}


def average(of: Mean) -> Formula:
    """The mean itself, with its uncertainty."""
    return Formula("average", of.name)


def exponential_average(of: Mean) -> Formula:
    """The exponential of a mean in nats, with its interval."""
    return Formula("exponential", of.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One metric: its contract for the catalogue, its needs, and its formula on a state.

    Attributes:
        means: The means over rows that it needs.
        tables: The sums by group that it needs, such as `calibration` or `class_frequencies`.
        compute: Its value, in nats, from a state in which something is scored. Its number may be infinite, which makes
            it undefined, but not its interval.
        measure: Its value, in place of `compute`, where all rows are needed at once.
        resampled: The metric as a statistic of resampled rows, where no formula for its error is known.
        on_request: Whether it is computed only where `metrics` names it.
        when: Whether the options and columns of a question ask for it; default metrics always.
        variants: The metrics that the options ask for, in place of one.
        moved_by: The options of the loss that change its value.
        undefined: The reason given where its formula has no number in a row.
        library: The call of scikit-learn, SciPy or NumPy, by task, that gives the same number under default options.
            The fields of a request stand in it as arrays, `log_probabilities` of tokens as a list of lists.
    """

    name: str
    tasks: tuple[TaskName, ...]
    unit: MetricUnit
    direction: Direction
    formula: str
    reference: str
    compute: Compute | None = None
    measure: Measure | None = None
    resampled: Callable[[AllRows], Statistic] | None = None
    means: tuple[Mean, ...] = ()
    tables: tuple[str, ...] = ()
    on_request: bool = False
    when: When = lambda _, __: True
    variants: Callable[[Options], tuple["Metric", ...]] | None = None
    moved_by: tuple[LossOption, ...] = ()
    undefined: str = "the formula gives no number, such as 0/0, in a row"
    library: Mapping[TaskName, str] = field(default_factory=dict)

    @property
    def mergeable(self) -> bool:
        """Tell whether the metric follows from states, which parts of a body add up to."""
        return self.compute is not None

    def divisor(self, nats_per_unit: float) -> float:
        """The number by which to divide a value in nats for one in a unit of so many nats."""
        return float(nats_per_unit ** _INFORMATION_POWER.get(self.unit, 0.0))

    def measured(self, all_rows: AllRows | None) -> Value:
        """The value of a metric without `compute`."""
        if self.measure is None or all_rows is None:
            return undefined("all rows are needed at once")
        return self.measure(all_rows)

    def explained(self, value: Value, view: StateView) -> Value:
        """A value without a number, with the reason of the metric if a row gives one of its means no number."""
        no_number = any(view.state.moments[mean.name].n_undefined for mean in self.means)
        return undefined(self.undefined) if no_number else value
