"""The answer that all results are made of, and what they share."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from html import escape
from typing import Any

from surprisal_client.errors import SurprisalError
from surprisal_client.optional import has, needed
from surprisal_client.results.metric import Metric
from surprisal_client.results.table import Table

FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries whose frame `to_frame` makes, the first that is installed."""

OTHER_NAMES = {
    "log_loss": "cross_entropy",
    "logloss": "cross_entropy",
    "loss": "cross_entropy",
    "nll": "cross_entropy",
    "ce": "cross_entropy",
    "ppl": "perplexity",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "acc": "accuracy",
    "accuracy_score": "accuracy",
    "ece": "expected_calibration_error",
    "mce": "maximum_calibration_error",
    "bpb": "bits_per_byte",
}
"""Names that other libraries and people give to metrics."""


class Metrics(Mapping[str, Metric]):
    """Metrics by name, as items and as attributes.

    >>> Metrics({"accuracy": {"value": 0.5, "status": "ok"}}).accuracy.value
    0.5
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._metrics = {name: Metric.of(name, entry) for name, entry in entries.items()}

    def __getitem__(self, name: str) -> Metric:
        if name in self._metrics:
            return self._metrics[name]
        raise KeyError(f"there is no {name}{_hint(self._metrics, name)}")

    def __getattr__(self, name: str) -> Metric:
        if name.startswith("_"):
            raise AttributeError(name)
        found: Metric = attribute(self._metrics, name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._metrics]

    def __repr__(self) -> str:
        return "\n".join(map(str, self._metrics.values()))


def attribute(entries: Mapping[str, Any], name: str) -> Any:
    """An entry as an attribute.

    Raises:
        AttributeError: There is none of this name; the message tells one that is like it.
    """
    if name in entries:
        return entries[name]
    raise AttributeError(f'the answer has no "{name}"{_hint(entries, name)}')


def _hint(entries: Mapping[str, Any], name: str) -> str:
    """Tell the name that another one means, or all of them."""
    meant = OTHER_NAMES.get(name.lower())
    close = [meant] if meant in entries else get_close_matches(name, entries, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; there are {', '.join(entries)}"


def _warned(warning: Mapping[str, Any]) -> str:
    """A warning in words, with the candidate that it is about."""
    of = f"{warning['candidate']}: " if "candidate" in warning else ""
    return f"warning: {of}{warning['detail']} ({warning['code']})"


class Answer:
    """An answer of the service: its fields are attributes, `answer` is the whole as it came."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = dict(answer)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "answer":
            raise AttributeError(name)
        return attribute(self.answer, name)

    @property
    def passed(self) -> bool | None:
        """True if everything holds that `require` asks for; None where it asks for nothing."""
        return self.answer.get("passed")

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The warnings of the service, each with a `code` and a `detail`."""
        return list(self.answer.get("warnings", []))

    def tables(self) -> list[Table]:
        """The answer as tables of words."""
        raise NotImplementedError

    def records(self) -> list[dict[str, Any]]:
        """The numbers of the answer, a line each."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        """The sentences that belong beside the tables: how the task was told, warnings, what failed."""
        failures = [f"failed: {failure['detail']}" for failure in self.answer.get("failures", [])]
        failures = ["passed"] if self.passed else failures
        return [*failures, *map(_warned, self.warnings)]

    def to_frame(self, library: str | None = None) -> Any:
        """The numbers of the answer as a frame of pandas, Polars or PyArrow, the first that is installed."""
        name = library or next((name for name in FRAMES if has(name)), FRAMES[0])
        if name not in FRAMES:
            raise SurprisalError(f"library must be one of {', '.join(FRAMES)}, found {name}")
        module = needed(name, "arrow", "a frame")
        records = self.records()
        columns = {
            key: [record.get(key) for record in records] for key in dict.fromkeys(key for r in records for key in r)
        }
        return module.table(columns) if name == "pyarrow" else module.DataFrame(columns)

    def __str__(self) -> str:
        return "\n\n".join(["\n\n".join(table.text() for table in self.tables()), *self.notes()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        tables = "".join(table.html() for table in self.tables())
        return tables + "".join(f"<p>{escape(note)}</p>" for note in self.notes())

    def markdown(self) -> str:
        """The answer for a comment on a merge request, or the summary of a job."""
        return "\n\n".join([*(table.markdown() for table in self.tables()), *(f"- {note}" for note in self.notes())])
