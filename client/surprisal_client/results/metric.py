"""One number of an answer, with how sure it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A metric: its value, its interval, or the reason why it has none.

    Attributes:
        value: The number; infinite where the loss is, None where it is undefined.
        status: `ok`, `infinite` or `undefined`.
        interval: The bounds of the confidence interval, where there is one.
        reason: Words on why there is no value.
        z: The value in standard errors, of metrics that are 0 when all is well.
    """

    name: str
    value: float | None
    status: str
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    reason: str | None = None
    z: float | None = None

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> "Metric":
        """The metric of an entry of an answer.

        >>> str(Metric.of("cross_entropy", {"value": 0.5, "status": "ok", "confidence_interval": [0.25, 0.75]}))
        'cross_entropy 0.5 (0.25 to 0.75)'
        """
        interval = entry.get("confidence_interval")
        value = math.inf if entry["status"] == "infinite" else entry["value"]
        bounds = (interval[0], interval[1]) if interval else None
        return cls(
            name, value, entry["status"], entry.get("standard_error"), bounds, entry.get("reason"), entry.get("z")
        )

    def __float__(self) -> float:
        return math.nan if self.value is None else float(self.value)

    def __format__(self, spec: str) -> str:
        """The value in a format of numbers, such as `.3f`; without one, what `str` tells."""
        return format(float(self), spec) if spec else str(self)

    def __str__(self) -> str:
        bounds = f" ({shown(self.interval[0])} to {shown(self.interval[1])})" if self.interval else ""
        return f"{self.name} {self.told}{bounds}"

    @property
    def told(self) -> str:
        """The value in four digits, or why there is none."""
        if self.value is None:
            return f"undefined: {self.reason}" if self.reason else "undefined"
        return shown(self.value)

    @property
    def told_interval(self) -> str:
        """The interval in four digits, or nothing."""
        return f"{shown(self.interval[0])} to {shown(self.interval[1])}" if self.interval else ""


def shown(number: float | None) -> str:
    """A number in four significant digits, for people.

    >>> shown(0.123456), shown(12345.6), shown(-1e-9), shown(None)
    ('0.1235', '12346', '-1e-09', '')
    """
    if number is None:
        return ""
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"
