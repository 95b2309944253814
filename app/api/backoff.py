"""The time after which clients that found no room should try again."""

from math import exp
from random import random
from time import monotonic

PER_SECOND = 100
"""The refused clients that may come again in the same second."""
LEAST_SPREAD, LONGEST_SPREAD = 2, 30
"""The seconds over which they are spread at least and at most."""

MANY = 2_000
"""The refusals in a second that are many: they take some twentieth of a processor."""


class Backoff:
    """A count of refusals of about the last second: the more there are, the longer is the time they are spread over."""

    def __init__(self) -> None:
        self._recent = self._at = 0.0

    @property
    def are_many(self) -> bool:
        """Tell if many clients were refused in about the second before the last refusal."""
        return self._recent > MANY

    def seconds(self) -> int:
        """Count one more refusal; return its seconds, a whole number at random, so that clients do not meet."""
        now = monotonic()
        self._recent = 1 + self._recent * exp(self._at - now)
        self._at = now
        spread = min(LEAST_SPREAD + int(self._recent / PER_SECOND), LONGEST_SPREAD)
        return 1 + int(spread * random())  # noqa: S311 randint takes three times as long
