"""The view of a state that metrics read: quantities that several of them share are computed once."""

import math

from app.core.calibration.bins import Gap, gaps
from app.core.kernels.compiled import log_of
from app.core.lazy import lazy
from app.core.sums.state import State
from app.core.sums.uncertainty import means
from app.core.values import Value, undefined


class StateView:
    """The quantities that metrics derive from one state at one confidence level; means are in nats.

    Attributes:
        nothing: The value of every metric where no row is scored; None where one is.
        means: The means with their uncertainty, by name.
        without_number: The names of means for which a row gives no number.
    """

    def __init__(self, state: State, confidence_level: float) -> None:
        self.state = state
        self.nothing: Value | None = None
        if not state.n_scored:
            self.nothing = undefined("no row is scored")
        elif not state.weight_sum.digits:
            self.nothing = undefined("all weights are zero")
        self.means = dict(zip(state.moments, means(state.moments.values(), confidence_level), strict=True))
        self.without_number = [name for name, moments in state.moments.items() if moments.n_undefined]

    @lazy
    def gaps(self) -> list[Gap]:
        """The gaps of the calibration bins."""
        return gaps(self.state.groups["calibration"])

    @lazy
    def baseline_cross_entropy(self) -> Value:
        """The entropy of the observed class frequencies: the loss of the best constant prediction."""
        weights = self.state.groups["class_frequencies"].columns["weight"]
        total = sum(weights)
        if not total:
            return undefined("no scored row has positive weight")
        shares = [share for share in (weight / total for weight in weights) if share]
        return Value(value=math.fsum([-share * log_of(share) for share in shares]) + 0.0)
