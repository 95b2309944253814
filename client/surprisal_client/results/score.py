"""The result of scoring."""

from collections.abc import Mapping
from typing import Any

from surprisal_client.results.answer import Answer, Metrics, attribute
from surprisal_client.results.metric import Metric, shown
from surprisal_client.results.plots import ScorePlots
from surprisal_client.results.table import Table

METRIC_HEAD = ("metric", "value", "interval", "standard error")


class Score(Answer):
    """Metrics of predictions, as attributes and as items.

    Attributes:
        told: How the task was told from the shapes; empty where the caller named it.
        metrics: All metrics by name.
    """

    def __init__(self, answer: Mapping[str, Any], told: str = "") -> None:
        super().__init__(answer)
        self.told = told
        self.metrics = Metrics(answer["metrics"])

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("answer", "metrics"):
            raise AttributeError(name)
        return attribute(self.answer | dict(self.metrics), name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.metrics, *self.answer]

    @property
    def slices(self) -> dict[str, dict[str, Metrics]]:
        """The metrics of each value of each slice, where `include` asks for slices."""
        found = self.answer.get("slices", {})
        return {
            name: {value: Metrics(part["metrics"]) for value, part in parts.items()} for name, parts in found.items()
        }

    @property
    def plot(self) -> ScorePlots:
        """Pictures of the answer, by matplotlib."""
        return ScorePlots(self.answer)

    def records(self) -> list[dict[str, Any]]:
        """A line a metric; those of slices name the slice."""
        lines = [_record(metric) for metric in self.metrics.values()]
        for name, parts in self.slices.items():
            lines += [
                {"slice": name, "group": value} | _record(metric)
                for value, metrics in parts.items()
                for metric in metrics.values()
            ]
        return lines

    def tables(self) -> list[Table]:
        """The metrics, and the loss of each slice."""
        task, unit, n_scored, n_samples = (self.answer[name] for name in ("task", "unit", "n_scored", "n_samples"))
        title = f"{task}, {n_scored:,} of {n_samples:,} rows, in {unit}"
        rows = [
            [metric.name, metric.told, metric.told_interval, shown(metric.standard_error)]
            for metric in self.metrics.values()
        ]
        slices = [self._slice_table(name, parts) for name, parts in self.answer.get("slices", {}).items()]
        return [Table(title, METRIC_HEAD, rows), *slices]

    def notes(self) -> list[str]:
        """Warnings, failures, and how the task was told."""
        return [*([f"scored as {self.told}"] if self.told else []), *super().notes()]

    @staticmethod
    def _slice_table(name: str, parts: Mapping[str, Any]) -> Table:
        rows = []
        for value, part in parts.items():
            loss = Metrics(part["metrics"])["cross_entropy"]
            rows.append([value, f"{part['n_scored']:,}", loss.told, loss.told_interval])
        return Table(f"slice {name}", (name, "rows", "cross_entropy", "interval"), rows)


def _record(metric: Metric) -> dict[str, Any]:
    lower, upper = metric.interval or (None, None)
    return {
        "metric": metric.name,
        "value": metric.value,
        "status": metric.status,
        "standard_error": metric.standard_error,
        "lower": lower,
        "upper": upper,
    }
