"""The seats of threads that read arriving bodies: who has none leaves the interpreter to others."""

from collections import deque
from threading import Lock


class Seats:
    """A number of seats, which go to threads in the order in which they ask.

    A thread that waits for the interpreter takes it from another within half a millisecond, but one of sixteen is let
    in by chance. So is the event loop, once for each client that it reads from: a turn took half a second.
    """

    def __init__(self, n_seats: int) -> None:
        self._n_free = n_seats
        self._lock = Lock()
        self._queue: deque[Lock] = deque()

    @property
    def n_waiting(self) -> int:
        """The number of threads that wait for a seat."""
        return len(self._queue)

    def take(self) -> None:
        """Wait for a seat."""
        with self._lock:
            if self._n_free:
                self._n_free -= 1
                return
            called = Lock()
            called.acquire()
            self._queue.append(called)
        called.acquire()

    def leave(self) -> None:
        """Give a seat to the thread that has waited longest, if one does."""
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._n_free += 1
