"""A state as metrics read it: what several of them share is worked out once."""

import math

import numpy as np

from app.core import kernels
from app.core.calibration.bins import Gap, gaps
from app.core.lazy import lazy
from app.core.sums.exact import lowered
from app.core.sums.moments import Identities
from app.core.sums.state import State
from app.core.sums.uncertainty import mean
from app.core.values import Value, undefined


class Reading:
    """The means of a state at one confidence level, in nats, and what else follows from its sums."""

    def __init__(self, state: State, confidence_level: float) -> None:
        self.state = state
        self.confidence_level = confidence_level
        self._identities = Identities()
        self._means: dict[int, Value] = {}

    def mean(self, name: str) -> Value:
        """The mean of that name with its uncertainty; names often share one `Moments`, which is long to hash."""
        moments = self.state.moments[name]
        number = self._identities.number(moments)
        if number not in self._means:
            self._means[number] = mean(moments, self.confidence_level)
        return self._means[number]

    @lazy
    def nothing(self) -> Value | None:
        """Why no metric has a value; None where they have."""
        if not self.state.n_scored:
            return undefined("no row is scored")
        return None if self.state.weight_sum else undefined("all weights are zero")

    @lazy
    def without_number(self) -> set[str]:
        """The names of means of which a row gives no number."""
        return {name for name, moments in self.state.moments.items() if moments.n_undefined}

    @lazy
    def gaps(self) -> list[Gap]:
        """Those of the calibration bins."""
        return gaps(self.state.groups["calibration"])

    @lazy
    def baseline_cross_entropy(self) -> Value:
        """The entropy of the observed class frequencies: the loss of the best constant prediction."""
        (weights,) = lowered(self.state.groups["class_frequencies"]["weight"])
        total = sum(weights)
        if not total:
            return undefined("no scored row has positive weight")
        shares = np.array([share for share in (weight / total for weight in weights) if share])
        return Value(value=math.fsum((-shares * kernels.log(shares)).tolist()) + 0.0)
