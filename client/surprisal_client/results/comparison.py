"""The result of comparing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surprisal_client.results.answer import Answer, Metrics
from surprisal_client.results.metric import Metric, shown
from surprisal_client.results.plots import ComparisonPlots, unit_of
from surprisal_client.results.table import Table

OF_DOCUMENTS = {"byte": "bits_per_byte", "word": "word_perplexity"}
"""The metric beside a difference that is one by the byte or by the word."""
HEAD = ("candidate", "verdict", "difference", "interval", "p value", "wins", "losses", "ties")


@dataclass(frozen=True)
class Comparison:
    """A candidate against the baseline, paired by row.

    Attributes:
        difference: The mean loss of the candidate minus that of the baseline.
        interval: The interval that the verdict reads: that of all pairs together where there are several.
        fields: The entry of the answer, with all else that it holds.
    """

    candidate: str
    baseline: str
    verdict: str
    difference: Metric
    interval: tuple[float, float] | None
    p_value: float | None
    reason: str | None
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Comparison":
        """The comparison of an entry of an answer."""
        difference = Metric.of("difference", entry["difference"])
        bounds = entry.get("simultaneous_interval")
        return cls(
            entry["candidate"],
            entry["baseline"],
            entry["verdict"],
            difference,
            (bounds[0], bounds[1]) if bounds else difference.interval,
            entry.get("p_value"),
            entry.get("reason"),
            entry,
        )

    def record(self) -> dict[str, Any]:
        """The numbers of the comparison by name."""
        lower, upper = self.interval or (None, None)
        return {
            "candidate": self.candidate,
            "baseline": self.baseline,
            "verdict": self.verdict,
            "difference": self.difference.value,
            "standard_error": self.difference.standard_error,
            "lower": lower,
            "upper": upper,
            "p_value": self.p_value,
        }

    @property
    def told_interval(self) -> str:
        """The interval in four digits, or nothing."""
        return f"{shown(self.interval[0])} to {shown(self.interval[1])}" if self.interval else ""


def _slice_table(name: str, parts: Mapping[str, list[Comparison]]) -> Table:
    rows = [
        [value, pair.candidate, pair.verdict, pair.difference.told, pair.told_interval]
        for value, pairs in parts.items()
        for pair in pairs
    ]
    return Table(f"slice {name}", (name, *HEAD[:4]), rows)


class Comparisons(Answer):
    """Verdicts on candidates, and the metrics of each.

    Attributes:
        told: How the task was told from the shapes; empty where the caller named it.
    """

    def __init__(self, answer: Mapping[str, Any], told: str = "") -> None:
        super().__init__(answer)
        self.told = told

    @property
    def comparisons(self) -> list[Comparison]:
        """The candidates against the baseline, in the order of the request."""
        return [Comparison.of(entry) for entry in self.answer["comparisons"]]

    @property
    def candidates(self) -> dict[str, Metrics]:
        """The metrics of each candidate, the baseline among them."""
        return {name: Metrics(part["metrics"]) for name, part in self.answer["candidates"].items()}

    @property
    def slices(self) -> dict[str, dict[str, list[Comparison]]]:
        """The candidates against the baseline on each value of each slice."""
        return {
            name: {value: [Comparison.of(entry) for entry in part["comparisons"]] for value, part in parts.items()}
            for name, parts in self.answer.get("slices", {}).items()
        }

    @property
    def verdict(self) -> str:
        """The verdict of the only candidate, or the worst of several."""
        order = ["worse", "inconclusive", "equivalent", "better"]
        return min((pair.verdict for pair in self.comparisons), key=order.index)

    @property
    def plot(self) -> ComparisonPlots:
        """Pictures of the answer, by matplotlib."""
        return ComparisonPlots(self.answer)

    def __getitem__(self, candidate: str) -> Comparison:
        for pair in self.comparisons:
            if pair.candidate == candidate:
                return pair
        raise KeyError(
            f"there is no comparison of {candidate}; there are {', '.join(pair.candidate for pair in self.comparisons)}"
        )

    def records(self) -> list[dict[str, Any]]:
        """A line a candidate; those of slices name the slice."""
        lines = [pair.record() for pair in self.comparisons]
        for name, parts in self.slices.items():
            for value, pairs in parts.items():
                lines += [{"slice": name, "group": value} | pair.record() for pair in pairs]
        return lines

    def tables(self) -> list[Table]:
        """The verdicts, and the losses behind them."""
        baseline = self.comparisons[0].baseline
        per = self.answer["options"].get("per", "")
        title = f"against {baseline}, {self.answer['task']}, {self.answer['n_scored']:,} rows, {unit_of(self.answer)}"
        rows = [
            [
                pair.candidate,
                pair.verdict,
                pair.difference.told,
                pair.told_interval,
                shown(pair.p_value),
                *(str(pair.fields.get(name, "")) for name in ("wins", "losses", "ties")),
            ]
            for pair in self.comparisons
        ]
        name = OF_DOCUMENTS.get(per, self.answer["options"].get("metric", "cross_entropy"))
        values = [
            [candidate, metrics[name].told, metrics[name].told_interval]
            for candidate, metrics in self.candidates.items()
        ]
        tables = [Table(title, HEAD, rows), Table("candidates", ("candidate", name, "interval"), values)]
        return [*tables, *(_slice_table(name, parts) for name, parts in self.slices.items())]

    def notes(self) -> list[str]:
        """Reasons of verdicts, warnings, failures, and how the task was told."""
        told = [f"compared as {self.told}"] if self.told else []
        reasons = [f"{pair.candidate} is {pair.verdict}: {pair.reason}" for pair in self.comparisons if pair.reason]
        return [*told, *reasons, *super().notes()]
