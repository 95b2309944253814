"""The rates of keys, counted in this process by the library limits."""

import math
import time

from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.api.access.lines import Key
from app.api.access.refusals import OverRate

UNITS = {
    "second": RateLimitItemPerSecond,
    "minute": RateLimitItemPerMinute,
    "hour": RateLimitItemPerHour,
    "day": RateLimitItemPerDay,
}


class Rates:
    """The requests of each key in the present and the last window of its rate, which are two counters a key."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, key: Key) -> None:
        """Count a request of a key.

        Raises:
            OverRate: It is one too many.
        """
        if key.rate is None:
            return
        rate = UNITS[key.rate.unit](key.rate.n_requests)
        if not self._limiter.hit(rate, key.name):
            seconds = max(1, math.ceil(self._limiter.get_window_stats(rate, key.name).reset_time - time.time()))
            told = f'the key "{key.name}" may send {key.rate.n_requests} requests a {key.rate.unit}'
            raise OverRate(f"{told}; try again in {seconds} s", seconds)
