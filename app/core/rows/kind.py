"""What decides which quantities rows have, and which of them are equal."""

from typing import NamedTuple

from app.core.options import Options
from app.core.tasks import TaskName


class Kind(NamedTuple):
    """The rows of a batch but for their numbers; rows of one kind share a layout."""

    task: TaskName
    form: str
    options: Options
    is_soft: bool
    is_weighted: bool

    @property
    def is_hard(self) -> bool:
        """Whether the truth is a label throughout, so that its entropy is 0."""
        return not self.is_soft and not self.options.label_smoothing
