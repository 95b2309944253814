"""The part of a turn of the event loop that scoring may take, and the queue of what finds none left."""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from app.errors import Unavailable

Result = TypeVar("Result")

TURN_SECONDS = 0.005
"""The time of a turn of the event loop after which no further request is scored in it. A new client is answered after
some four turns."""
FRAME_BYTES = 100_000
"""The bytes of JSON that take as long to read and score as a request without any: 130 µs, at 1.3 ns a byte."""
FIRST_RATE = 4e8
"""Bytes a second, the first guess; on a quiet machine it is twice as much."""
SMOOTHING = 0.2
"""The weight of the last turn in the rate."""

WAITS_TOO_LONG = "more small requests wait to be scored than can be soon"
"""The sentence for a client that is refused."""

CROWDED_SECONDS = 1.0
"""The time after a refusal in which fewer requests wait, for a long queue is late and has no more of them scored."""
CROWDED_LAG_SECONDS = 0.01
"""The bound on the queue in this time: two turns, so that none finds too little to score."""


class Waiting(NamedTuple):
    """A request that waits to be scored on the event loop."""

    work: Callable[[], Any]
    n_bytes: int
    result: asyncio.Future[Any]


class Turns:
    """The requests that are scored on the event loop, which must also let clients in, read and answer in each turn.

    A request is scored at once while its turn has time, else it waits for one of the next turns, in the order in which
    they came. All runs on the event loop, so nothing needs a lock.

    Attributes:
        waiting: The requests that wait.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._ends = 0.0  # the end of the time for scoring in this turn; 0 before the first request of a turn
        self.waiting = deque[Waiting]()
        self._n_bytes = 0  # of those that wait
        self._n_coming = 0  # of those that were let in since the last turn, and do not wait yet
        self._crowded_until = 0.0
        self._bytes_per_second = FIRST_RATE

    def has_time(self) -> bool:
        """Tell if a request may be scored at once: nobody waits, and the turn has time."""
        now = perf_counter()
        if not self._ends:
            self._begin(now)
            return True
        return now < self._ends and not self.waiting

    async def later(self, work: Callable[[], Result], n_bytes: int) -> Result:
        """The result of work on a body of so many bytes, done in one of the next turns.

        Raises:
            Unavailable: It would wait too long for those before it.
        """
        if self.waiting and self._n_bytes >= self._max_seconds * self._bytes_per_second:
            self._crowded_until = perf_counter() + CROWDED_SECONDS
            raise Unavailable(WAITS_TOO_LONG)
        n_bytes += FRAME_BYTES
        if not self._ends:
            self._begin(perf_counter())
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting.append(Waiting(work, n_bytes, result))
        self._n_bytes += n_bytes
        return await result

    def is_full(self, n_bytes: int) -> bool:
        """Tell if a request with so many bytes, of which nothing is read yet, would wait too long for those before it.

        If not, it counts as one that is coming until the next turn. To be asked while others wait.
        """
        now = perf_counter()
        most = CROWDED_LAG_SECONDS if now < self._crowded_until else inf
        if self._n_bytes + self._n_coming >= min(most, self._max_seconds) * self._bytes_per_second:
            self._crowded_until = now + CROWDED_SECONDS
            return True
        self._n_coming += n_bytes + FRAME_BYTES
        return False

    def _begin(self, now: float) -> None:
        self._ends = now + TURN_SECONDS
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Callback of the event loop in the turn after one that scored: score what waits, while there is time."""
        self._ends, self._n_coming = 0.0, 0
        if not self.waiting:
            return
        began = now = perf_counter()
        self._begin(began)
        n_bytes = self._n_bytes
        while self.waiting and (now == began or now < self._ends):
            self._answer_next()
            now = perf_counter()
        rate = (n_bytes - self._n_bytes) / (now - began)
        self._bytes_per_second += SMOOTHING * (rate - self._bytes_per_second)

    def _answer_next(self) -> None:
        work, n_bytes, result = self.waiting.popleft()
        self._n_bytes -= n_bytes
        if result.done():  # the server ends, and has cancelled the request
            return
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 the request that awaits the result raises it
            result.set_exception(error)
        finally:
            del work, result  # an error holds this frame, which must not hold the error
