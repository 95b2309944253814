"""A question that compares candidates, and their rows, which must be the same for all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from app.core.columns import Column
from app.core.compare.comparison import MIN_SAMPLES, Terms
from app.core.compare.pairing import paired_needs
from app.core.compare.verdicts import Family
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.tasks import ALL, LABELLED, TaskName, candidate_column
from app.service.questions import Question
from app.service.requiring import Rules
from app.service.scoring import owned_columns
from app.service.sections import Include
from app.service.units import FAMILIES, Per

COMPARED: tuple[TaskName, ...] = ALL
"""The tasks whose candidates can be compared."""

ComparedMetric: TypeAlias = Literal["cross_entropy", "brier_score", "accuracy"]
COMPARED_METRICS: dict[TaskName, tuple[ComparedMetric, ...]] = {
    task: get_args(ComparedMetric) if task in LABELLED else ("cross_entropy",) for task in ALL
}
"""The means of rows that candidates of each task can be compared on, the default first."""

OWN_OPTIONS = ("metric", "margin", "min_samples", "family")
"""The options of every task that scoring lacks."""


def own_options(task: TaskName) -> tuple[str, ...]:
    """The names of the options of a task that scoring lacks."""
    return (*OWN_OPTIONS, "per") if task == "tokens" else OWN_OPTIONS


@dataclass(frozen=True, eq=False)
class CompareQuestion:
    """A question that compares candidates, without their numbers; what follows from it is kept.

    Attributes:
        shared: A question of scoring without a prediction, which all candidates have in common.
        candidates: The fields of each candidate by its name, its prediction first.
        metric: The metric whose differences decide.
        margin: The largest difference that does not matter, in the unit of the metric.
        min_samples: Rows, or clusters, of positive weight below which nothing is decided.
        family: The comparisons whose intervals hold together.
        per: The unit of documents that a difference is of. Candidates have the same tokens only where it is the token.
        require: The rules that the answer must keep.
    """

    shared: Question
    candidates: Mapping[str, tuple[str, ...]]
    baseline: str
    metric: ComparedMetric = "cross_entropy"
    margin: float = 0.0
    min_samples: int = MIN_SAMPLES
    family: Family = "pairs"
    per: Per = "token"
    require: Rules = ()

    @property
    def task(self) -> TaskName:
        """The task of all candidates."""
        return self.shared.task

    @property
    def options(self) -> Options:
        """The options of scoring."""
        return self.shared.options

    @property
    def include(self) -> frozenset[Include]:
        """The sections of the answer."""
        return self.shared.include

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The candidates, the baseline first, in the order of their sums."""
        return (self.baseline, *(name for name in self.candidates if name != self.baseline))

    @cached_property
    def places(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """The fields of each candidate, each with the name of its column; after its own those that all share."""
        shared = tuple((field, field) for field in self.shared.columns)
        return {
            name: (*((field, candidate_column(name, field)) for field in fields), *shared)
            for name, fields in self.candidates.items()
        }

    @cached_property
    def needs(self) -> Needs:
        """The sums that comparisons are made of."""
        family = FAMILIES.get(self.per, "loss" if self.metric == "cross_entropy" else "score")
        return paired_needs(len(self.candidates) - 1, family)

    @cached_property
    def terms(self) -> Terms:
        """The rules of the comparisons."""
        return Terms(
            baseline=self.baseline,
            others=self.names[1:],
            margin=self.margin,
            min_samples=self.min_samples,
            family=self.family,
            confidence_level=self.options.confidence_level,
            nats_per_unit=self.options.nats_per_unit if self.metric == "cross_entropy" else 1.0,
            higher_is_better=self.metric == "accuracy",
        )

    @cached_property
    def echo(self) -> Mapping[str, Any]:
        """The options in force; `n_worst` is of a section that a comparison lacks."""
        own = {name: getattr(self, name) for name in own_options(self.task)}
        return {name: value for name, value in self.shared.echo.items() if name != "n_worst"} | own

    @cached_property
    def scores(self) -> Mapping[str, Question]:
        """The question that is asked of each candidate alone, by its name."""
        shared = self.shared
        return {
            name: replace(shared, columns=tuple(dict.fromkeys((*shared.columns, *fields))))
            for name, fields in self.candidates.items()
        }

    def asking_state(self) -> "CompareQuestion":
        """The same question, whose answer holds the state too."""
        return replace(self, shared=self.shared.asking_state())


class CompareRequest(NamedTuple):
    """A question with the columns that it is asked of, whose values are not yet checked.

    Attributes:
        columns: The columns by name, those of candidates under names as `candidate_column` makes them.
    """

    question: CompareQuestion
    columns: Mapping[str, Column]
    slices: Mapping[str, Column] = MappingProxyType({})

    @property
    def task(self) -> TaskName:
        """The task of all candidates."""
        return self.question.task

    @property
    def include(self) -> frozenset[Include]:
        """The sections of the answer."""
        return self.question.include

    def with_columns(self, columns: Mapping[str, Any]) -> "CompareRequest":
        """The same question of other columns, those of slices and of candidates among them as one entry each."""
        question, candidates = self.question, columns["candidates"]
        found = {name: columns[name] for name in question.shared.columns}
        for name, fields in question.candidates.items():
            for (_, column), field in zip(question.places[name], fields, strict=False):
                found[column] = candidates[name][field]
        return CompareRequest(question, found, columns.get("slices", {}))

    def owned(self) -> "CompareRequest":
        """The same request with columns of its own, which keep no larger object alive, such as a record batch."""
        return CompareRequest(self.question, owned_columns(self.columns), owned_columns(self.slices))

    def columns_of(self, name: str) -> dict[str, Column]:
        """The columns of one candidate by field, and those that all share."""
        columns = self.columns
        return {field: columns[column] for field, column in self.question.places[name]}
