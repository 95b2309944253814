"""The bound on the processor time that the work of one request may take."""

from collections.abc import Callable
from time import monotonic, thread_time
from typing import TypeVar, TypeVarTuple

from app.api.exchange import Exchange
from app.core.checkpoints import Check, ended_by
from app.core.paying import paid_by
from app.errors import TooLarge

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

BODY_BYTES = 2**25
"""The bytes received for which the time is that of the setting; a longer body has as much more as it is longer."""
RETURNED_BYTES = 2**23
"""The memory of a request after which the process looks at how much of what is free it keeps."""
PAUSE_SECONDS = 0.02
"""The time between two looks at the clock of the thread, which takes ten times as long as that of the machine."""
REMEDY = "send fewer rows or ask for less at once, and write larger record batches and row groups"


class Deadline:
    """A check of one thread, which ends its work when that has had more than its time of a processor.

    The wait for a client, for a lock or for a processor costs no time. Threads that help with the work are ended by the
    same check.
    """

    def __init__(self, exchange: Exchange, check: Check) -> None:
        self._exchange = exchange
        self._check = check
        self._began = thread_time()
        self._next_look = monotonic() + PAUSE_SECONDS
        self._is_over = False

    def __call__(self) -> None:
        """Raise what `check` does.

        Raises:
            TooLarge: The work takes longer than `request_timeout_seconds` and the length of the body allow.
        """
        self._check()
        now = monotonic()
        if now < self._next_look and not self._is_over:
            return
        self._next_look = now + PAUSE_SECONDS
        most = self._exchange.settings.request_timeout_seconds * max(1.0, self._exchange.bytes_in / BODY_BYTES)
        if self._is_over or thread_time() - self._began > most:
            self._is_over = True
            raise TooLarge(f"the request must take at most {most:.3g} seconds of a processor: {REMEDY}")


def within_deadline(
    exchange: Exchange, check: Check, work: Callable[[Check, *Arguments], Result], *arguments: *Arguments
) -> Result:
    """Do the work in this thread, pay for its memory, and end it at its next checkpoint once it has taken too long.

    Raises:
        TooLarge: It has; or what `check` raises.
    """
    deadline = Deadline(exchange, check)
    try:
        with ended_by(deadline), paid_by(exchange.memory.hold):
            return work(deadline, *arguments)
    finally:
        if exchange.memory.n_bytes >= RETURNED_BYTES:
            exchange.capacity.settle(exchange.memory.n_bytes)
