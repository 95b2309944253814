"""The kind of rows: the facts that decide which quantities rows have, and which of them are equal."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from app.core.columns import FloatArray
from app.core.options import Options
from app.core.tasks import TaskName

Score: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""A score (n,) of targets and probabilities, (k, n)."""


class Kind(NamedTuple):
    """The rows of a batch but for their numbers; rows of one kind share a layout.

    Attributes:
        is_summed: Whether a document is one value, the sum over its tokens.
    """

    task: TaskName
    form: str
    options: Options
    is_soft: bool
    is_weighted: bool
    n_classes: int
    is_summed: bool = False

    @property
    def is_hard(self) -> bool:
        """Tell whether the truth is a label throughout, so that its entropy is 0."""
        return not self.is_soft and not self.options.label_smoothing
