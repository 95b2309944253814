"""The value of a metric: a number with its uncertainty, or the reason why there is none."""

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
        """Convert the value to a unit `divisor` times as large."""
        if self.value is None or divisor == 1.0:
            return self
        interval = self.confidence_interval
        return self._replace(
            value=self.value / divisor,
            standard_error=None if self.standard_error is None else self.standard_error / divisor,
            confidence_interval=None if interval is None else (interval[0] / divisor, interval[1] / divisor),
        )

    def finite(self) -> "Value":
        """Leave out an interval that no double can hold; a number that none can hold becomes undefined."""
        if self.value is None:
            return self
        if not math.isfinite(self.value):
            return undefined("overflow")
        interval = self.confidence_interval
        if interval is None or (math.isfinite(interval[0]) and math.isfinite(interval[1])):
            return self
        return self._replace(confidence_interval=None)

    def to_json(self) -> dict[str, Any]:
        """The entry of `metrics` in an answer; unknown parts are left out, but for `value`."""
        return entries({"": self})[""]


def entries(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Values as an answer shows them, made in one call, since every request has some ten of them."""
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
    """A value without a number, and the reason."""
    return Value(status="undefined", reason=reason)
