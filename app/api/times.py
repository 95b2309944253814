"""A histogram of times that takes many at once."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection

from prometheus_client import Histogram


class Times(Histogram):
    """A histogram of prometheus_client whose sum and buckets are each changed once for all times of a turn."""

    def observe_all(self, times: Collection[float]) -> None:
        """Observe several times, as `observe` does one by one."""
        n_of: defaultdict[int, int] = defaultdict(int)
        for seconds in times:
            n_of[bisect_left(self._upper_bounds, seconds)] += 1
        for place, n in n_of.items():
            self._buckets[place].inc(n)
        self._sum.inc(sum(times))
