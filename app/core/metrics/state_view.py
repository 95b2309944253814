"""The view of a state that metrics read: quantities that several of them share are computed once."""

from app.core.sums.state import State
from app.core.sums.uncertainty import means
from app.core.values import Value, undefined


class StateView:
    """The quantities that metrics derive from one state at one confidence level; means are in nats.

    Attributes:
        nothing: The value of every metric where no row is scored; None where one is.
        means: The means with their uncertainty, by name.
    """

    def __init__(self, state: State, confidence_level: float) -> None:
        self.state = state
        self.nothing: Value | None = None
        if not state.n_scored:
            self.nothing = undefined("no row is scored")
        elif not state.weight_sum.digits:
            self.nothing = undefined("all weights are zero")
        self.means = means(state.moments, confidence_level)
