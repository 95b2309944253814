"""A server of uvicorn on sockets that other workers listen on too."""

import asyncio
import errno
import logging
from collections.abc import MutableSequence
from multiprocessing.connection import Connection
from socket import socket
from typing import Any

import uvicorn

from app.workers.worker import NONE_TAKEN

YIELD_SECONDS = 0.005
"""The time for which a worker leaves a client to one that has fewer. An idle worker takes it within 0.1 ms, on a busy
machine within some milliseconds."""
BATCH = 4
"""The most clients that a worker then takes at once all the same: 800 a second, so that they are served while the other
worker hangs."""
FULL_SECONDS = 1.0
"""The pause of a worker that may not open another file, as long as that of asyncio."""

log = logging.getLogger("surprisal.workers")


class SharingServer(uvicorn.Server):
    """A server that takes a client when no other worker has fewer, and ends when the supervisor does.

    An event loop takes all clients that wait. So the first worker to wake would have them all, for as long as they
    stay.
    """

    def __init__(
        self, config: uvicorn.Config, worker: int, n_clients: MutableSequence[int], supervisor: Connection
    ) -> None:
        super().__init__(config)
        self._worker = worker
        self._n_clients = n_clients
        self._supervisor = supervisor
        self._entering: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and tell the supervisor so."""
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._listeners = sockets or []
        self._count()
        for listener in self._listeners:
            self._listen(listener)
        self._loop.add_reader(self._supervisor.fileno(), self._lose_supervisor)
        self._supervisor.send_bytes(b"up")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take no more clients, and finish the requests of those that have come."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._listeners = []
        self._n_clients[self._worker] = NONE_TAKEN
        await asyncio.gather(*self._entering, return_exceptions=True)
        await super().shutdown(sockets)

    def _lose_supervisor(self) -> None:
        """Callback of the event loop: the pipe to the supervisor is closed, so that process has died."""
        self._loop.remove_reader(self._supervisor.fileno())
        log.error("the supervisor has died, and its workers end")
        self.should_exit = True

    def _listen(self, listener: socket) -> None:
        if listener in self._listeners:  # a worker that ends has dropped it
            self._loop.add_reader(listener, self._offered, listener)

    def _offered(self, listener: socket) -> None:
        """Callback of the event loop: a client waits, as every worker is told."""
        if self._has_fewest():
            self._take(listener)
        else:
            self._pause(listener, YIELD_SECONDS)
            self._loop.call_later(YIELD_SECONDS, self._take_left, listener)

    def _take_left(self, listener: socket) -> None:
        if listener in self._listeners and not self._has_fewest():
            all(self._take(listener) for _ in range(BATCH))

    def _has_fewest(self) -> bool:
        """Tell if no worker has fewer clients by more than a quarter: clients that come and go blur the counts."""
        fewest = min(self._n_clients)
        return self._count() <= fewest + (fewest + 3) // 4

    def _pause(self, listener: socket, seconds: float) -> None:
        self._loop.remove_reader(listener)
        self._loop.call_later(seconds, self._listen, listener)

    def _take(self, listener: socket) -> bool:
        """Take a client, if one is there."""
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # another worker was first, or the client has left
        except OSError as error:
            if error.errno != errno.EINVAL:  # the supervisor has shut it
                log.warning("no client can be taken: %s", error)
            self._pause(listener, FULL_SECONDS)
            return False
        client.setblocking(False)
        entering = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, client))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        self._count()
        return True

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    def _count(self) -> int:
        """Tell the other workers how many clients this one has."""
        n = len(self.server_state.connections) + len(self._entering)
        self._n_clients[self._worker] = n
        return n
