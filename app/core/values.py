"""A metric's value: a number, or why there is none, with its uncertainty."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["ok", "infinite", "undefined"]


class Value(NamedTuple):
    """A number with its contract; `value` is None unless `status` is `ok`, and `reason` then says why."""

    value: float | None = None
    status: Status = "ok"
    reason: str | None = None
    standard_error: float | None = None
    confidence_interval: tuple[float, float] | None = None
    z: float | None = None

    def scaled(self, divisor: float) -> "Value":
        """The same value in a unit `divisor` times as large."""
        if self.value is None or divisor == 1.0:
            return self
        interval = self.confidence_interval
        return self._replace(
            value=self.value / divisor,
            standard_error=None if self.standard_error is None else self.standard_error / divisor,
            confidence_interval=None if interval is None else (interval[0] / divisor, interval[1] / divisor),
        )

    def finite(self) -> "Value":
        """The same value, or undefined, and without the parts that no double can hold."""
        if self.value is None:
            return self
        if not math.isfinite(self.value):
            return undefined("overflow")
        interval = self.confidence_interval
        if interval is None or (math.isfinite(interval[0]) and math.isfinite(interval[1])):
            return self
        return self._replace(confidence_interval=None)

    def to_json(self) -> dict[str, Any]:
        """The entry of `metrics` in an answer: what is not known is left out, but for `value`."""
        return entries({"": self})[""]


def entries(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Values as an answer shows them, in one go: it is done for each metric of each request."""
    shown: dict[str, dict[str, Any]] = {}
    for name, (number, status, reason, standard_error, interval, z) in values.items():
        entry: dict[str, Any] = {"value": number, "status": status}
        shown[name] = entry
        if reason is not None:
            entry["reason"] = reason
        if standard_error is not None:
            entry["standard_error"] = standard_error
        if interval is not None:
            entry["confidence_interval"] = interval
        if z is not None:
            entry["z"] = z
    return shown


INFINITE = Value(
    status="infinite", reason="a row has probability 0 where its truth (or the other distribution) is positive"
)


def undefined(reason: str) -> Value:
    """No value, and why."""
    return Value(status="undefined", reason=reason)
