"""The value of a metric: a number with its uncertainty, or the reason why there is none."""

import math
from typing import Literal, NamedTuple, TypeAlias

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
        """Convert the value to a unit `divisor` times as large, in which it may be undefined."""
        number, status, reason, error, interval, z = self
        if number is None:
            return self
        return Value(
            number / divisor,
            status,
            reason,
            None if error is None else error / divisor,
            None if interval is None else (interval[0] / divisor, interval[1] / divisor),
            z,
        ).finite()

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


INFINITE = Value(
    status="infinite", reason="a row has probability 0 where its truth (or the other distribution) is positive"
)


def undefined(reason: str) -> Value:
    """A value without a number, and the reason."""
    return Value(status="undefined", reason=reason)
