"""A server of uvicorn on sockets that other workers listen on too."""

import logging
from socket import socket

import uvicorn

from app.server.listening import Server
from app.workers.worker import NONE_TAKEN, Share

YIELD_SECONDS = 0.005
"""The time for which a worker leaves a client to one that has fewer. An idle worker takes it within 0.1 ms, on a busy
machine within some milliseconds."""
LEFT_BATCH = 4
"""The most clients that a worker then takes at once all the same: 800 a second, so that they are served while the other
worker hangs."""

log = logging.getLogger("surprisal.workers")


class SharingServer(Server):
    """A server that takes a client when no other worker has fewer, and ends when the supervisor does.

    An event loop takes all clients that wait. So the first worker to wake would have them all, for as long as they
    stay.
    """

    def __init__(self, config: uvicorn.Config, share: Share) -> None:
        super().__init__(config, share.settings)
        self._worker = share.counts.worker
        self._n_clients = share.n_clients
        self._all_end = share.all_end
        self._supervisor = share.supervisor

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application, take clients, and watch the supervisor."""
        self._count()
        await super().startup(sockets)
        self._loop.add_reader(self._supervisor.fileno(), self._lose_supervisor)

    def _tell(self) -> None:
        self._supervisor.send_bytes(b"up")

    def _stop_listening(self) -> None:
        super()._stop_listening()
        self._n_clients[self._worker] = NONE_TAKEN

    def _is_last_to_listen(self) -> bool:
        return bool(self._all_end.value)

    def _lose_supervisor(self) -> None:
        """Callback of the event loop: the pipe to the supervisor is closed, so that process has died."""
        self._loop.remove_reader(self._supervisor.fileno())
        log.error("the supervisor has died, and its workers end")
        self._all_end.value = True
        self._last_resort.begin()
        self.should_exit = True

    def _offered(self, listener: socket) -> None:
        """Callback of the event loop: clients wait, as every worker is told."""
        if self._may_take():
            super()._offered(listener)
        else:
            self._pause(listener, YIELD_SECONDS)
            self._loop.call_later(YIELD_SECONDS, self._take_left, listener)

    def _take_left(self, listener: socket) -> None:
        if listener in self._listeners and not self._may_take():
            all(self._take(listener) for _ in range(LEFT_BATCH))

    def _may_take(self) -> bool:
        """Tell if no worker has fewer clients by more than a quarter: clients that come and go blur the counts."""
        fewest = min(self._n_clients)
        return self._count() <= fewest + (fewest + 3) // 4

    def _take(self, listener: socket) -> bool:
        """Take a client, if one is there; tell if more may be taken."""
        is_taken = super()._take(listener)
        self._count()
        return is_taken

    def _count(self) -> int:
        """Tell the other workers how many clients this one has."""
        n = len(self.server_state.connections) + len(self._entering)
        self._n_clients[self._worker] = n
        return n
