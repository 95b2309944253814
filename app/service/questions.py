"""Questions about rows: what many requests ask alike."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from app.core.metrics.bootstrap import Bootstrap
from app.core.metrics.plan import Plan, plan_of
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service.requiring import Rules
from app.service.sections import TABLES, Include


@dataclass(frozen=True, eq=False)
class Question:
    """A question about rows, without their numbers; many requests share one, so what follows from it is kept.

    Attributes:
        columns: Names of known columns, among them one truth and one prediction.
        metrics: Names of metrics that are computed on request only.
        require: The rules that the answer must keep.
    """

    task: TaskName
    columns: tuple[str, ...]
    options: Options
    include: frozenset[Include] = frozenset()
    metrics: tuple[str, ...] = ()
    bootstrap: Bootstrap | None = None
    require: Rules = ()

    @cached_property
    def plan(self) -> Plan:
        """The metrics that answer the question, and the sums that they need."""
        tables = frozenset(map(TABLES.__getitem__, self.include & TABLES.keys()))
        made = plan_of.__wrapped__ if self.options.is_long else plan_of
        return made(self.task, self.options, self.columns, self.metrics, tables)

    def asking_state(self) -> "Question":
        """The same question, whose answer holds the state too."""
        return replace(self, include=self.include | {"state"})

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of the metrics of an answer."""
        return tuple(metric.name for metric in self.plan.metrics)

    @cached_property
    def echo(self) -> Mapping[str, Any]:
        """The options in force, as every answer repeats them."""
        options = self.options.for_task(self.task)
        if self.metrics:
            options["metrics"] = self.metrics
        if self.bootstrap:
            options["bootstrap"] = asdict(self.bootstrap)
        return options


def check_mergeable(question: Question) -> None:
    """Refuse a question whose answer has no state, for it needs all rows at once.

    Raises:
        InvalidInput: The pointer names the field that asks for it.
    """
    words = "the state of a request has no rows"
    rules = {
        "/include": f"must not hold both state and {{}}: {words}",
        "/metrics": f"must not hold {{}} where `include` asks for the state: {words}",
        "/bootstrap": f"must be left out where `include` asks for the state: {words}",
    }
    for place, name in _needing_all_rows(question):
        raise InvalidInput.at(place, "exclusive", rules[place].format(name))


def check_addable(question: Question) -> None:
    """Refuse a question that a job cannot answer, for its rows are never all in one place.

    Raises:
        InvalidInput: The pointer names the field that asks for it.
    """
    words = "in a job, whose rows are never all in one place"
    if "state" in question.include:
        raise InvalidInput.at("/include", "exclusive", f"must not hold state {words}")
    for place, name in _needing_all_rows(question):
        rule = f"must not hold {name} {words}" if name else f"must be left out {words}"
        raise InvalidInput.at(place, "exclusive", rule)


def _needing_all_rows(question: Question) -> Iterator[tuple[str, str]]:
    """Yield the fields that ask for what needs all rows at once, each with the name of what they ask for."""
    yield from (("/include", section) for section in ("per_sample", "gradient") if section in question.include)
    yield from (("/metrics", metric.name) for metric in question.plan.metrics if not metric.mergeable)
    if question.bootstrap:
        yield "/bootstrap", ""
