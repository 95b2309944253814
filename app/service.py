"""The use cases: what a caller asks for, without HTTP or SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from app.core.columns import Column
from app.core.options import Options
from app.core.tasks import TaskName

Include: TypeAlias = Literal["per_sample", "per_class", "calibration"]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A checked shape: known column names, one truth and one prediction; the values are not yet checked."""

    task: TaskName
    columns: Mapping[str, Column]
    options: Options
    include: frozenset[Include]


def score(request: ScoreRequest) -> dict[str, Any]:
    """Score one batch.

    Returns:
        The answer of the contract, ready for JSON but for NumPy arrays in it.

    Raises:
        InvalidInput: A value breaks a rule; the pointer names field and index.
    """
    raise NotImplementedError
