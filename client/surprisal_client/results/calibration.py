"""The result of calibrating."""

from collections.abc import Mapping
from typing import Any

from surprisal_client.results.answer import Answer
from surprisal_client.results.metric import Metric, shown
from surprisal_client.results.table import Table


class Calibration(Answer):
    """A fitted calibration, and what it gains.

    Attributes:
        told: How the task was told from the shapes; empty where the caller named it.
        gain: What the fit gains on rows that it has not seen, with its interval.
    """

    def __init__(self, answer: Mapping[str, Any], told: str = "") -> None:
        super().__init__(answer)
        self.told = told
        self.gain = Metric.of("cross_fitted_gain", answer["cross_fitted_gain"])

    def records(self) -> list[dict[str, Any]]:
        """A line a number."""
        numbers = {name: value for name, value in self.answer.items() if isinstance(value, int | float)}
        lines = [
            {"name": name, "value": float(value)} for name, value in numbers.items() if not isinstance(value, bool)
        ]
        lower, upper = self.gain.interval or (None, None)
        return [*lines, {"name": "cross_fitted_gain", "value": self.gain.value, "lower": lower, "upper": upper}]

    def tables(self) -> list[Table]:
        """The numbers of the fit."""
        rows = [
            [record["name"], shown(record["value"]), self.gain.told_interval if "lower" in record else ""]
            for record in self.records()
        ]
        return [Table(f"calibration of {self.answer['task']}", ("number", "value", "interval"), rows)]

    def notes(self) -> list[str]:
        """Warnings, how the task was told, and whether the fit went as far as it may."""
        told = [f"calibrated as {self.told}"] if self.told else []
        is_at_bound = self.answer.get("at_bound") and "temperature" in self.answer
        return [
            *told,
            *super().notes(),
            *(["warning: the loss still falls at this temperature"] if is_at_bound else []),
        ]
